//! The guest's side of standard output and standard error, and the limit on both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::{Device, Output, Pipe, PipeReader, pipe};
use crate::backend::Stop;
use crate::limits::Limit;

/// How many bytes one process may still print. The one enforcer of the limit of output.
#[derive(Debug)]
pub(crate) struct OutputBudget(AtomicU64);

impl OutputBudget {
    pub(crate) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(bytes)))
    }

    /// Takes up to `wanted`, and tells how much.
    fn take(&self, wanted: u64) -> u64 {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left - left.min(wanted))
        });
        left.unwrap_or_else(|left| left).min(wanted)
    }

    fn give(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The guest's end of its standard output or error. Clones share it.
#[derive(Clone)]
pub(crate) struct GuestOutput {
    sink: Arc<Sink>,
    budget: Arc<OutputBudget>,
    device: Device,
}

#[derive(Debug)]
enum Sink {
    Discard,
    Capture(Mutex<Vec<u8>>),
    Pipe(Pipe),
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
    pub(crate) fn new(output: Output, device: Device, budget: &Arc<OutputBudget>) -> (Self, Option<PipeReader>) {
        let (sink, reader) = match output {
            Output::Discard => (Sink::Discard, None),
            Output::Capture => (Sink::Capture(Mutex::default()), None),
            Output::Pipe => {
                let (writer, reader) = pipe();
                (Sink::Pipe(writer), Some(reader))
            }
        };
        (
            Self {
                sink: Arc::new(sink),
                budget: Arc::clone(budget),
                device,
            },
            reader,
        )
    }

    /// Takes as many bytes as there is room for now. Fails when the limit of output leaves none.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Result<Wrote, Stop> {
        if bytes.is_empty() {
            return Ok(Wrote::Bytes(0));
        }
        let allowed = self.budget.take(bytes.len() as u64);
        if allowed == 0 {
            return Err(Stop::Limit(Limit::Output));
        }
        // It is at most the length of `bytes`.
        let bytes = &bytes[..allowed as usize];
        let taken = match &*self.sink {
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
        self.budget.give(allowed - taken.unwrap_or(0) as u64);
        Ok(taken.map_or(Wrote::Closed, Wrote::Bytes))
    }

    /// Counts output which goes another way. Fails when the limit leaves less.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Stop> {
        match self.budget.take(bytes as u64) == bytes as u64 {
            true => Ok(()),
            false => Err(Stop::Limit(Limit::Output)),
        }
    }

    /// How many bytes a write would take now.
    pub(crate) fn room(&self) -> usize {
        match &*self.sink {
            Sink::Discard | Sink::Capture(_) => ENDLESS,
            Sink::Pipe(pipe) => pipe.room(),
        }
    }

    /// Ready when a write would take something or fail.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        match &*self.sink {
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

    /// What was captured; empty for another sink.
    pub(crate) fn take_captured(&self) -> Vec<u8> {
        match &*self.sink {
            Sink::Capture(captured) => std::mem::take(&mut captured.lock().unwrap_or_else(PoisonError::into_inner)),
            Sink::Discard | Sink::Pipe(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_draw_on_one_budget_and_what_fits_is_kept() {
        let budget = OutputBudget::new(5);
        let (out, _) = GuestOutput::new(Output::Capture, Device::Stream, &budget);
        let (err, _) = GuestOutput::new(Output::Discard, Device::Stream, &budget);
        assert_eq!(out.try_write(b"abc"), Ok(Wrote::Bytes(3)));
        assert_eq!(err.try_write(b"def"), Ok(Wrote::Bytes(2)));
        assert_eq!(out.try_write(b"g"), Err(Stop::Limit(Limit::Output)));
        assert_eq!(out.take_captured(), b"abc");
    }

    #[test]
    fn what_a_full_pipe_does_not_take_is_not_counted() {
        let budget = OutputBudget::new(1 << 20);
        let (out, reader) = GuestOutput::new(Output::Pipe, Device::Stream, &budget);
        assert_eq!(out.try_write(&vec![0; 100 << 10]), Ok(Wrote::Bytes(64 << 10)));
        assert_eq!(budget.0.load(Ordering::Relaxed), (1 << 20) - (64 << 10));
        drop(reader);
        assert_eq!(out.try_write(b"x"), Ok(Wrote::Closed));
    }
}
