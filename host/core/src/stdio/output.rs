//! The guest's side of standard output and standard error, and the limit on both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::{Device, Output, Pipe, PipeReader, pipe};
use crate::backend::Stop;
use crate::limits::Limit;
use crate::record::Record;

/// Where what one process prints goes, and how much it may be. The one enforcer of the limit of output.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// The bytes which it may still print.
    left: AtomicU64,
    stdout: Sink,
    stderr: Sink,
}

/// The reading ends of piped output.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
}

impl Outputs {
    pub(crate) fn new(stdout: Output, stderr: Output, max_bytes: u64) -> (Self, Pipes) {
        let ((stdout, stdout_reader), (stderr, stderr_reader)) = (Sink::new(stdout), Sink::new(stderr));
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

    /// What was captured of both streams; nothing of those which have another sink.
    pub(crate) fn take_captured(&self) -> (Vec<u8>, Vec<u8>) {
        (self.stdout.take_captured(), self.stderr.take_captured())
    }

    /// Tells who reads that there is no more.
    pub(crate) fn close(&self) {
        for sink in [&self.stdout, &self.stderr] {
            if let Sink::Pipe(pipe) = sink {
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

/// The guest's end of its standard output or error. Clones share it.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    record: Arc<Record>,
    stream: Stream,
    device: Device,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug, Default)]
enum Sink {
    #[default]
    Discard,
    Capture(Mutex<Vec<u8>>),
    Pipe(Pipe),
}

impl Sink {
    fn new(output: Output) -> (Self, Option<PipeReader>) {
        match output {
            Output::Discard => (Self::Discard, None),
            Output::Capture => (Self::Capture(Mutex::default()), None),
            Output::Pipe => {
                let (writer, reader) = pipe();
                (Self::Pipe(writer), Some(reader))
            }
        }
    }

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

impl GuestOutput {
    pub(crate) fn stdout(record: &Arc<Record>, device: Device) -> Self {
        Self {
            record: Arc::clone(record),
            stream: Stream::Stdout,
            device,
        }
    }

    pub(crate) fn stderr(record: &Arc<Record>, device: Device) -> Self {
        Self {
            record: Arc::clone(record),
            stream: Stream::Stderr,
            device,
        }
    }

    fn sink(&self) -> &Sink {
        match self.stream {
            Stream::Stdout => &self.record.outputs.stdout,
            Stream::Stderr => &self.record.outputs.stderr,
        }
    }

    /// Takes as many bytes as there is room for now. Fails when the limit of output leaves none.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Result<Wrote, Stop> {
        if bytes.is_empty() {
            return Ok(Wrote::Bytes(0));
        }
        let allowed = self.record.outputs.take(bytes.len() as u64);
        if allowed == 0 {
            return Err(Stop::Limit(Limit::Output));
        }
        // It is at most the length of `bytes`.
        let bytes = &bytes[..allowed as usize];
        let taken = match self.sink() {
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
        self.record.outputs.give(allowed - taken.unwrap_or(0) as u64);
        Ok(taken.map_or(Wrote::Closed, Wrote::Bytes))
    }

    /// Counts output which goes another way. Fails when the limit leaves less.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Stop> {
        match self.record.outputs.take(bytes as u64) == bytes as u64 {
            true => Ok(()),
            false => Err(Stop::Limit(Limit::Output)),
        }
    }

    /// How many bytes a write would take now.
    pub(crate) fn room(&self) -> usize {
        match self.sink() {
            Sink::Discard | Sink::Capture(_) => ENDLESS,
            Sink::Pipe(pipe) => pipe.room(),
        }
    }

    /// Ready when a write would take something or fail.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.sink() {
            Sink::Discard | Sink::Capture(_) => Poll::Ready(()),
            Sink::Pipe(pipe) => pipe.poll_room(context),
        }
    }

    pub(crate) async fn ready(&self) {
        std::future::poll_fn(|context| self.poll_ready(context)).await;
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.device == Device::Terminal
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn both_streams_draw_on_one_budget_and_what_fits_is_kept() {
        let (record, _) = Record::new(Output::Capture, Output::Discard, 5);
        let out = GuestOutput::stdout(&record, Device::Stream);
        let err = GuestOutput::stderr(&record, Device::Stream);
        assert_eq!(out.try_write(b"abc"), Ok(Wrote::Bytes(3)));
        assert_eq!(err.try_write(b"def"), Ok(Wrote::Bytes(2)));
        assert_eq!(out.try_write(b"g"), Err(Stop::Limit(Limit::Output)));
        assert_eq!(record.outputs.take_captured(), (b"abc".to_vec(), Vec::new()));
    }

    #[test]
    fn what_a_full_pipe_does_not_take_is_not_counted() {
        let (record, pipes) = Record::new(Output::Pipe, Output::Discard, 1 << 20);
        let out = GuestOutput::stdout(&record, Device::Stream);
        assert_eq!(out.try_write(&vec![0; 100 << 10]), Ok(Wrote::Bytes(64 << 10)));
        assert_eq!(record.outputs.left.load(Ordering::Relaxed), (1 << 20) - (64 << 10));
        drop(pipes);
        assert_eq!(out.try_write(b"x"), Ok(Wrote::Closed));
    }

    #[tokio::test]
    async fn closing_ends_what_is_read_whoever_still_has_the_record() {
        let (record, pipes) = Record::new(Output::Pipe, Output::Discard, 1 << 20);
        let out = GuestOutput::stdout(&record, Device::Stream);
        assert_eq!(out.try_write(b"abc"), Ok(Wrote::Bytes(3)));
        record.outputs.close();
        let mut read = Vec::new();
        pipes.stdout.unwrap().read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"abc");
    }
}
