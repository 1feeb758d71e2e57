//! A bounded pipe from a guest, which writes without waiting where there is room, to an async reader.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that a reader may be behind.
const CAPACITY: usize = 64 << 10;

#[derive(Debug, Default)]
struct Shared {
    bytes: VecDeque<u8>,
    writer_gone: bool,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Makes a pipe.
pub(crate) fn pipe() -> (Pipe, PipeReader) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    (Pipe(Arc::clone(&shared)), PipeReader(shared))
}

/// The writing end. Closing or dropping it ends the reader's stream.
#[derive(Debug)]
pub(crate) struct Pipe(Arc<Mutex<Shared>>);

impl Pipe {
    /// Takes as many of `bytes` as there is room for; `None` when the reader is gone.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Option<usize> {
        let mut shared = lock(&self.0);
        if shared.reader_gone {
            return None;
        }
        let taken = bytes.len().min(CAPACITY - shared.bytes.len());
        shared.bytes.extend(&bytes[..taken]);
        if taken > 0
            && let Some(reader) = shared.reader.take()
        {
            reader.wake();
        }
        Some(taken)
    }

    pub(crate) fn room(&self) -> usize {
        CAPACITY - lock(&self.0).bytes.len()
    }

    /// Ready when there is room, or never will be.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut shared = lock(&self.0);
        if shared.bytes.len() < CAPACITY || shared.reader_gone {
            return Poll::Ready(());
        }
        shared.writer = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Pipe {
    pub(crate) fn close(&self) {
        let mut shared = lock(&self.0);
        shared.writer_gone = true;
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a running program prints. It ends when the program has ended and everything is read.
#[derive(Debug)]
pub struct PipeReader(Arc<Mutex<Shared>>);

impl AsyncRead for PipeReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut shared = lock(&self.0);
        if shared.bytes.is_empty() && !shared.writer_gone {
            shared.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let (front, back) = shared.bytes.as_slices();
        let from_front = front.len().min(buffer.remaining());
        buffer.put_slice(&front[..from_front]);
        let from_back = back.len().min(buffer.remaining());
        buffer.put_slice(&back[..from_back]);
        shared.bytes.drain(..from_front + from_back);
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.reader_gone = true;
        shared.bytes = VecDeque::new();
        if let Some(writer) = shared.writer.take() {
            writer.wake();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_full_pipe_takes_nothing_until_it_is_read() {
        let (writer, mut reader) = pipe();
        assert_eq!(writer.try_write(&vec![7; CAPACITY + 1]), Some(CAPACITY));
        assert_eq!(writer.try_write(b"x"), Some(0));
        let waits = tokio::spawn(async move {
            std::future::poll_fn(|context| writer.poll_room(context)).await;
            writer.try_write(b"end")
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(waits.await.unwrap(), Some(3));
        assert_eq!(all.len(), CAPACITY + 3);
    }

    #[tokio::test]
    async fn a_reader_that_leaves_fails_the_writer() {
        let (writer, reader) = pipe();
        drop(reader);
        assert_eq!(writer.try_write(b"x"), None);
    }
}
