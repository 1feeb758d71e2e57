//! The guest's side of standard output and standard error, and the limit on both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use super::{Device, Output, Pipe, PipeReader, pipe};
use crate::backend::Stop;
use crate::limits::Limit;

/// Where what one process prints goes, and how much it may be. The one enforcer of the limit of output.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// The bytes which it may still print.
    left: AtomicU64,
    stdout: Stream,
    stderr: Stream,
}

#[derive(Debug, Default)]
struct Stream {
    sink: Sink,
    device: Device,
}

/// The reading ends of piped output.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
}

impl Outputs {
    pub(crate) fn new(stdout: (Output, Device), stderr: (Output, Device), max_bytes: u64) -> (Self, Pipes) {
        let ((stdout, stdout_reader), (stderr, stderr_reader)) = (Stream::new(stdout), Stream::new(stderr));
        let outputs = Self {
            left: AtomicU64::new(max_bytes),
            stdout,
            stderr,
        };
        let pipes = Pipes {
            stdout: stdout_reader,
            stderr: stderr_reader,
        };
        (outputs, pipes)
    }

    /// The guest's end of its standard output.
    pub(crate) fn stdout(&self) -> GuestOutput<'_> {
        GuestOutput {
            outputs: self,
            stream: &self.stdout,
        }
    }

    /// The guest's end of its standard error.
    pub(crate) fn stderr(&self) -> GuestOutput<'_> {
        GuestOutput {
            outputs: self,
            stream: &self.stderr,
        }
    }

    /// Counts output which goes another way. Fails when the limit leaves less.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Stop> {
        match self.take(bytes as u64) == bytes as u64 {
            true => Ok(()),
            false => Err(Stop::Limit(Limit::Output)),
        }
    }

    /// What was captured of both streams; nothing of those which have another sink.
    pub(crate) fn take_captured(&self) -> (Vec<u8>, Vec<u8>) {
        (self.stdout.sink.take_captured(), self.stderr.sink.take_captured())
    }

    /// Tells who reads that there is no more.
    pub(crate) fn close(&self) {
        for stream in [&self.stdout, &self.stderr] {
            if let Sink::Pipe(pipe) = &stream.sink {
                pipe.close();
            }
        }
    }

    /// Takes up to `wanted`, and tells how much.
    fn take(&self, wanted: u64) -> u64 {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left - left.min(wanted))
        });
        left.unwrap_or_else(|left| left).min(wanted)
    }

    fn give(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The guest's end of its standard output or error.
#[derive(Clone, Copy)]
pub(crate) struct GuestOutput<'a> {
    outputs: &'a Outputs,
    stream: &'a Stream,
}

#[derive(Debug, Default)]
enum Sink {
    #[default]
    Discard,
    Capture(Mutex<Vec<u8>>),
    Pipe(Pipe),
}

impl Stream {
    fn new((output, device): (Output, Device)) -> (Self, Option<PipeReader>) {
        let (sink, reader) = match output {
            Output::Discard => (Sink::Discard, None),
            Output::Capture => (Sink::Capture(Mutex::default()), None),
            Output::Pipe => {
                let (writer, reader) = pipe();
                (Sink::Pipe(writer), Some(reader))
            }
        };
        (Self { sink, device }, reader)
    }
}

impl Sink {
    fn take_captured(&self) -> Vec<u8> {
        match self {
            Self::Capture(captured) => std::mem::take(&mut captured.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Discard | Self::Pipe(_) => Vec::new(),
        }
    }
}

/// What became of a guest's write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// So many bytes were taken; 0 when there is no room now.
    Bytes(usize),
    /// Nobody reads any more.
    Closed,
}

/// What a sink that takes everything says of its room.
const ENDLESS: usize = 64 << 10;

impl GuestOutput<'_> {
    /// Takes as many bytes as there is room for now. Fails when the limit of output leaves none.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Result<Wrote, Stop> {
        if bytes.is_empty() {
            return Ok(Wrote::Bytes(0));
        }
        let allowed = self.outputs.take(bytes.len() as u64);
        if allowed == 0 {
            return Err(Stop::Limit(Limit::Output));
        }
        // It is at most the length of `bytes`.
        let bytes = &bytes[..allowed as usize];
        let taken = match &self.stream.sink {
            Sink::Discard => Some(bytes.len()),
            Sink::Capture(captured) => {
                captured
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(bytes);
                Some(bytes.len())
            }
            Sink::Pipe(pipe) => pipe.try_write(bytes),
        };
        self.outputs.give(allowed - taken.unwrap_or(0) as u64);
        Ok(taken.map_or(Wrote::Closed, Wrote::Bytes))
    }

    /// How many bytes a write would take now.
    pub(crate) fn room(&self) -> usize {
        match &self.stream.sink {
            Sink::Discard | Sink::Capture(_) => ENDLESS,
            Sink::Pipe(pipe) => pipe.room(),
        }
    }

    /// Ready when a write would take something or fail.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        match &self.stream.sink {
            Sink::Discard | Sink::Capture(_) => Poll::Ready(()),
            Sink::Pipe(pipe) => pipe.poll_room(context),
        }
    }

    pub(crate) async fn ready(&self) {
        std::future::poll_fn(|context| self.poll_ready(context)).await;
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.stream.device == Device::Terminal
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    fn outputs(stdout: Output, max_bytes: u64) -> (Outputs, Pipes) {
        Outputs::new((stdout, Device::Stream), Default::default(), max_bytes)
    }

    #[test]
    fn both_streams_draw_on_one_budget_and_what_fits_is_kept() {
        let (outputs, _) = outputs(Output::Capture, 5);
        let (out, err) = (outputs.stdout(), outputs.stderr());
        assert_eq!(out.try_write(b"abc"), Ok(Wrote::Bytes(3)));
        assert_eq!(err.try_write(b"def"), Ok(Wrote::Bytes(2)));
        assert_eq!(out.try_write(b"g"), Err(Stop::Limit(Limit::Output)));
        assert_eq!(outputs.take_captured(), (b"abc".to_vec(), Vec::new()));
    }

    #[test]
    fn what_a_full_pipe_does_not_take_is_not_counted() {
        let (outputs, pipes) = outputs(Output::Pipe, 1 << 20);
        let out = outputs.stdout();
        assert_eq!(out.try_write(&vec![0; 100 << 10]), Ok(Wrote::Bytes(64 << 10)));
        assert_eq!(outputs.left.load(Ordering::Relaxed), (1 << 20) - (64 << 10));
        drop(pipes);
        assert_eq!(out.try_write(b"x"), Ok(Wrote::Closed));
    }

    #[tokio::test]
    async fn closing_ends_what_is_read_whoever_still_has_the_outputs() {
        let (outputs, pipes) = outputs(Output::Pipe, 1 << 20);
        let out = outputs.stdout();
        assert_eq!(out.try_write(b"abc"), Ok(Wrote::Bytes(3)));
        outputs.close();
        let mut read = Vec::new();
        pipes.stdout.unwrap().read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"abc");
    }
}
