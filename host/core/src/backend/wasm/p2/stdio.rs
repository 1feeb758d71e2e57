//! Streams over the process's standard input, output and error.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::CHUNK;
use crate::record::Record;
use crate::stdio::{GuestInput, GuestOutput, Outputs, Wrote};

/// Bytes that a read may take where it is not known what is there.
const FIRST_READ: usize = 4096;

/// Standard input.
pub(super) struct Input {
    input: GuestInput,
    record: Arc<Record>,
}

impl Input {
    pub(super) fn new(input: GuestInput, record: Arc<Record>) -> Self {
        Self { input, record }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        // Nothing is available before the first wait, though the input may have something, or be at its end.
        let room = match self.input.available() {
            0 => FIRST_READ,
            available => available.min(CHUNK),
        };
        let mut buffer = vec![0; room.min(size)];
        match self.input.try_read(&mut buffer) {
            None => Ok(Bytes::new()),
            Some(0) => Err(StreamError::Closed),
            Some(read) => {
                buffer.truncate(read);
                self.record.meter.count_read(read);
                Ok(buffer.into())
            }
        }
    }

    /// The default gives up after some attempts; here another reader may take what was there any number of times.
    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        loop {
            self.input.ready().await;
            let bytes = self.read(size)?;
            if size == 0 || !bytes.is_empty() {
                return Ok(bytes);
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        self.input.ready().await;
    }
}

/// Standard output or standard error.
pub(super) struct Output {
    /// Which of the two.
    which: Which,
    /// What was permitted and written, but somebody else took the room: at most [`CHUNK`] bytes.
    pending: Bytes,
    state: State,
    record: Arc<Record>,
}

type Which = fn(&Outputs) -> GuestOutput<'_>;

enum State {
    Open,
    /// To be told to the guest by the next call.
    Failed(StreamError),
    Closed,
}

impl Output {
    pub(super) fn new(which: Which, record: Arc<Record>) -> Self {
        Self {
            which,
            pending: Bytes::new(),
            state: State::Open,
            record,
        }
    }

    fn output(&self) -> GuestOutput<'_> {
        (self.which)(&self.record.outputs)
    }

    fn check_open(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Open => {
                self.state = State::Open;
                Ok(())
            }
            State::Failed(error) => Err(error),
            State::Closed => Err(StreamError::Closed),
        }
    }

    /// Writes what there is room for and leaves the rest in `bytes`.
    fn put(&mut self, bytes: &mut Bytes) -> StreamResult<()> {
        while !bytes.is_empty() {
            match self.try_write(bytes)? {
                0 => break,
                written => bytes.advance(written),
            }
        }
        Ok(())
    }

    fn try_write(&mut self, bytes: &[u8]) -> StreamResult<usize> {
        match self.output().try_write(bytes) {
            Ok(Wrote::Bytes(written)) => {
                self.record.meter.count_written(written);
                Ok(written)
            }
            Ok(Wrote::Closed) => {
                self.state = State::Closed;
                Err(StreamError::Closed)
            }
            Err(stop) => Err(StreamError::Trap(stop.into())),
        }
    }

    fn put_pending(&mut self) -> StreamResult<()> {
        let mut pending = std::mem::take(&mut self.pending);
        self.put(&mut pending)?;
        self.pending = pending;
        Ok(())
    }

    /// Writes all of `bytes`, however long it takes to be read.
    async fn put_all(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        loop {
            self.put(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.output().ready().await;
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, mut bytes: Bytes) -> StreamResult<()> {
        self.check_open()?;
        if !self.pending.is_empty() || bytes.len() > CHUNK {
            return Err(StreamError::trap("wrote more than check-write permitted"));
        }
        self.put(&mut bytes)?;
        self.pending = bytes;
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check_open()?;
        self.put_pending()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check_open()?;
        self.put_pending()?;
        if !self.pending.is_empty() {
            return Ok(0);
        }
        Ok(self.output().room().min(CHUNK))
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check_open()?;
        let pending = std::mem::take(&mut self.pending);
        self.put_all(pending).await?;
        self.put_all(bytes).await
    }

    /// The default gives up after some attempts; here another writer may take the room any number of times.
    async fn write_ready(&mut self) -> StreamResult<usize> {
        loop {
            self.ready().await;
            match self.check_write()? {
                0 => {}
                permit => return Ok(permit),
            }
        }
    }

    /// Before the stream goes: what still finds room is written.
    async fn cancel(&mut self) {
        let _ = self.put_pending();
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        while matches!(self.state, State::Open) {
            self.output().ready().await;
            match self.put_pending() {
                Ok(()) if self.pending.is_empty() => return,
                Ok(()) => {}
                Err(error) => self.state = State::Failed(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::backend::Stop;
    use crate::limits::Limit;
    use crate::stdio::{Device, Output as Sink, PipeReader, Stdin};

    fn input(stdin: Stdin) -> Input {
        Input::new(GuestInput::new(stdin, Device::Stream), Arc::default())
    }

    fn piped(budget: u64) -> (Output, PipeReader) {
        let (record, pipes) = Record::new((Sink::Pipe, Device::Stream), Default::default(), budget);
        let reader = pipes.stdout.expect("a pipe has a reader");
        (Output::new(Outputs::stdout, record), reader)
    }

    async fn read_exactly(reader: &mut PipeReader, bytes: usize) {
        reader
            .read_exact(&mut vec![0; bytes])
            .await
            .expect("as much was written");
    }

    #[test]
    fn an_absurd_read_takes_what_is_there_and_the_end_is_closed() {
        let mut input = input(Stdin::Bytes(b"abc".to_vec()));
        assert_eq!(input.read(usize::MAX).expect("bytes"), "abc");
        assert!(matches!(input.read(usize::MAX), Err(StreamError::Closed)));
        assert_eq!(input.record.meter.read.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn one_read_holds_no_more_than_a_chunk() {
        let mut input = input(Stdin::Bytes(vec![0; 2 * CHUNK]));
        assert_eq!(input.read(usize::MAX).expect("bytes").len(), CHUNK);
    }

    #[tokio::test]
    async fn a_read_does_not_wait_and_a_blocking_one_does() {
        let (mut writer, reader) = tokio::io::duplex(16);
        let mut input = input(Stdin::reader(reader));
        assert!(input.read(10).expect("nothing yet").is_empty());
        let (read, _) = tokio::join!(input.blocking_read(10), writer.write_all(b"hello"));
        assert_eq!(read.expect("bytes"), "hello");
        assert!(
            input.blocking_read(0).now_or_never().is_none(),
            "even no bytes wait until some are there"
        );
    }

    #[tokio::test]
    async fn what_is_permitted_is_taken_though_another_writer_had_the_room() {
        let (mut first, mut reader) = piped(1 << 20);
        let mut second = Output::new(first.which, Arc::clone(&first.record));
        let permits = (first.check_write().expect("room"), second.check_write().expect("room"));
        assert_eq!(permits, (CHUNK, CHUNK));
        first.write(vec![1; CHUNK].into()).expect("permitted");
        second.write(vec![2; CHUNK].into()).expect("permitted as well");
        assert_eq!(second.check_write().expect("open"), 0, "nobody has read");
        assert!(second.ready().now_or_never().is_none(), "nobody has read");
        read_exactly(&mut reader, CHUNK).await;
        second.ready().now_or_never();
        read_exactly(&mut reader, CHUNK).await;
        assert_eq!(second.check_write().expect("open"), CHUNK);
    }

    #[tokio::test]
    async fn a_blocking_write_waits_for_its_reader() {
        let (mut output, mut reader) = piped(1 << 20);
        let length = 3 * CHUNK;
        let (written, ()) = tokio::join!(
            output.blocking_write_and_flush(vec![0; length].into()),
            read_exactly(&mut reader, length)
        );
        written.expect("all is read");
        assert_eq!(output.record.meter.written.load(Ordering::Relaxed), length as u64);
    }

    #[test]
    fn more_than_was_permitted_ends_the_guest() {
        let (mut output, _reader) = piped(1 << 20);
        assert!(matches!(
            output.write(vec![0; CHUNK + 1].into()),
            Err(StreamError::Trap(_))
        ));
    }

    #[test]
    fn without_a_reader_it_is_closed() {
        let (mut output, reader) = piped(1 << 20);
        drop(reader);
        assert!(matches!(output.write("x".into()), Err(StreamError::Closed)));
        assert!(matches!(output.check_write(), Err(StreamError::Closed)));
    }

    #[tokio::test]
    async fn the_limit_of_output_ends_the_guest_with_its_name() {
        let (mut output, _reader) = piped(3);
        let Err(StreamError::Trap(error)) = output.blocking_write_and_flush("abcd".into()).await else {
            panic!("four bytes where three may be printed");
        };
        assert_eq!(error.downcast_ref(), Some(&Stop::Limit(Limit::Output)));
    }
}
