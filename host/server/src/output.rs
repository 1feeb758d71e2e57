//! What a process prints, on its way to whoever reads it: nothing is read from it before it is asked for.

use bytes::BufMut;
use palisade::{Command, PipeReader, Process};
use tokio::io::AsyncReadExt;

/// The most that is read at one time, in bytes. In JSON it may be six times as much.
const PIECE: usize = 16 << 10;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Both streams of one process. What is read is gone from here; what is not stays when this is read no further.
pub(crate) struct Output {
    stdout: Source,
    stderr: Source,
}

impl Output {
    /// The command, its output to be read here.
    pub(crate) fn asked_of(command: Command) -> Command {
        command.stdout(palisade::Output::Pipe).stderr(palisade::Output::Pipe)
    }

    /// That of a process which was asked for it.
    pub(crate) fn take(process: &mut Process) -> Self {
        Self {
            stdout: Source::new(process.take_stdout()),
            stderr: Source::new(process.take_stderr()),
        }
    }

    /// What is printed next; `None` after the last. In text, no piece ends within a character. Nothing is lost where the
    /// future is dropped.
    pub(crate) async fn next(&mut self) -> Option<(Stream, Vec<u8>)> {
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            let (stream, piece) = tokio::select! {
                piece = self.stdout.next(), if self.stdout.pipe.is_some() => (Stream::Stdout, piece),
                piece = self.stderr.next(), if self.stderr.pipe.is_some() => (Stream::Stderr, piece),
            };
            if !piece.is_empty() {
                return Some((stream, piece));
            }
        }
        None
    }
}

struct Source {
    /// `None` after its end.
    pipe: Option<PipeReader>,
    /// What was read and not given: the beginning of a character.
    rest: Vec<u8>,
}

impl Source {
    fn new(pipe: Option<PipeReader>) -> Self {
        Self { pipe, rest: Vec::new() }
    }

    /// The next bytes, of which there may be none at the beginning of a character or at the end. Cancel safe.
    async fn next(&mut self) -> Vec<u8> {
        let Some(pipe) = &mut self.pipe else {
            return Vec::new();
        };
        self.rest.reserve(PIECE);
        let mut room = (&mut self.rest).limit(PIECE);
        // A pipe of the library's does not fail.
        let kept = match pipe.read_buf(&mut room).await.unwrap_or(0) {
            0 => {
                self.pipe = None;
                0
            }
            _ => begun_at_end(&self.rest),
        };
        let rest = self.rest.split_off(self.rest.len() - kept);
        std::mem::replace(&mut self.rest, rest)
    }
}

/// How many bytes at the end are the beginning of a character.
fn begun_at_end(bytes: &[u8]) -> usize {
    let begins = |count: &usize| {
        let end = &bytes[bytes.len() - count..];
        std::str::from_utf8(end).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_cut_and_what_is_none_is_not_kept_back() {
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"abc", 0),
            ("ä".as_bytes(), 0),
            (&"ä".as_bytes()[..1], 1),
            (&"a€".as_bytes()[..3], 2),
            (&"€€".as_bytes()[..4], 1),
            (&"😀".as_bytes()[..3], 3),
            (b"\xff", 0),
            (b"a\xff\xe2\x82", 2),
            (b"\x82\x82\x82\x82", 0),
        ] {
            assert_eq!(begun_at_end(bytes), expected, "{bytes:?}");
        }
    }
}
