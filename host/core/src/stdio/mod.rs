//! A program's standard streams: what the caller asks for, and what the guest's side of it looks like to both ABIs.

mod input;
mod output;
mod pipe;

use tokio::io::AsyncRead;

pub(crate) use input::GuestInput;
pub(crate) use output::{GuestOutput, Outputs, Pipes, Wrote};
pub use pipe::PipeReader;
pub(crate) use pipe::{Pipe, pipe};

/// Where a program's standard input comes from.
#[derive(Default)]
pub enum Stdin {
    /// It is at its end from the start.
    #[default]
    Empty,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// Read as the program asks for it, at most 64 KiB ahead.
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl Stdin {
    /// Input from `reader`; the program waits while it has nothing.
    pub fn reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self::Reader(Box::new(reader))
    }
}

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Bytes(_) => "Bytes",
            Self::Reader(_) => "Reader",
        })
    }
}

/// What happens to what a program prints. Every byte counts against the limit of output.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// It is counted and dropped.
    #[default]
    Discard,
    /// It is kept for the [`Outcome`](crate::Outcome).
    Capture,
    /// It is handed on through a [`PipeReader`] while the program runs; the program waits when the reader is 64 KiB
    /// behind. A dropped reader fails the program's writes.
    Pipe,
}

/// Whether a standard stream says of itself that it is a terminal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A file or a pipe.
    #[default]
    Stream,
    /// A terminal.
    Terminal,
}
