//! The guest's side of standard input.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Device, Stdin};

/// How far it reads ahead.
const AHEAD: usize = 64 << 10;

/// The guest's end of its standard input. Clones share it.
#[derive(Clone)]
pub(crate) struct GuestInput {
    /// `None`: it is at its end from the start.
    source: Option<Arc<Mutex<Source>>>,
    device: Device,
}

struct Source {
    reader: Option<Box<dyn AsyncRead + Send + Unpin>>,
    buffer: Vec<u8>,
    /// Where in `buffer` the unread bytes start.
    start: usize,
}

impl GuestInput {
    pub(crate) fn new(stdin: Stdin, device: Device) -> Self {
        let source = |reader, buffer| Source {
            reader,
            buffer,
            start: 0,
        };
        let source = match stdin {
            Stdin::Empty => None,
            Stdin::Bytes(bytes) => Some(source(None, bytes)),
            Stdin::Reader(reader) => Some(source(Some(reader), Vec::new())),
        };
        Self {
            source: source.map(|source| Arc::new(Mutex::new(source))),
            device,
        }
    }

    /// Reads what is there now: `None` when nothing is yet, `Some(0)` at the end of the input or for no room.
    pub(crate) fn try_read(&self, into: &mut [u8]) -> Option<usize> {
        let Some(mut source) = self.lock() else {
            return Some(0);
        };
        if source.unread().is_empty() {
            // Its waker is that of nobody; whoever waits calls `poll_ready`.
            let _ = source.poll_fill(&mut Context::from_waker(std::task::Waker::noop()));
        }
        let unread = source.unread();
        if unread.is_empty() && source.reader.is_some() && !into.is_empty() {
            return None;
        }
        let taken = unread.len().min(into.len());
        into[..taken].copy_from_slice(&unread[..taken]);
        source.start += taken;
        Some(taken)
    }

    /// Ready when `try_read` would not give `None`.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.lock()
            .map_or(Poll::Ready(()), |mut source| source.poll_fill(context))
    }

    pub(crate) async fn ready(&self) {
        std::future::poll_fn(|context| self.poll_ready(context)).await;
    }

    /// How many bytes a read would give at once.
    pub(crate) fn available(&self) -> usize {
        self.lock().map_or(0, |source| source.unread().len())
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.device == Device::Terminal
    }

    fn lock(&self) -> Option<std::sync::MutexGuard<'_, Source>> {
        let source = self.source.as_ref()?;
        Some(source.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    fn unread(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Ready with something unread, or at the end. A reader which fails has ended: guests have no use for its error.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.unread().is_empty() {
            return Poll::Ready(());
        }
        let Some(reader) = &mut self.reader else {
            return Poll::Ready(());
        };
        self.start = 0;
        self.buffer.resize(AHEAD, 0);
        let mut filled = ReadBuf::new(&mut self.buffer);
        let polled = Pin::new(reader).poll_read(context, &mut filled);
        let count = filled.filled().len();
        self.buffer.truncate(count);
        match polled {
            Poll::Pending => {
                // A program which waits holds no memory for what it waits for.
                self.buffer = Vec::new();
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) if count > 0 => {}
            Poll::Ready(_) => self.reader = None,
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn input_waits_for_its_writer_and_ends_with_it() {
        let (mut writer, reader) = tokio::io::duplex(16);
        let input = GuestInput::new(Stdin::reader(reader), Device::Stream);
        let mut buffer = [0; 8];
        assert_eq!(input.try_read(&mut buffer), None);
        writer.write_all(b"hello").await.unwrap();
        input.ready().await;
        assert_eq!(input.available(), 5);
        assert_eq!(input.try_read(&mut buffer[..2]), Some(2));
        assert_eq!(input.try_read(&mut buffer), Some(3));
        drop(writer);
        input.ready().await;
        assert_eq!(input.try_read(&mut buffer), Some(0));
    }

    #[test]
    fn no_input_is_at_its_end() {
        let input = GuestInput::new(Stdin::Empty, Device::Stream);
        assert_eq!((input.try_read(&mut [0; 2]), input.available()), (Some(0), 0));
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(input.poll_ready(&mut context).is_ready());
    }

    #[test]
    fn given_bytes_are_read_and_then_end() {
        let input = GuestInput::new(Stdin::Bytes(b"abc".to_vec()), Device::Stream);
        let mut buffer = [0; 2];
        assert_eq!(input.try_read(&mut buffer), Some(2));
        assert_eq!(input.try_read(&mut buffer), Some(1));
        assert_eq!(input.try_read(&mut buffer), Some(0));
    }
}
