//! Streams over a file. Regular files do not make anyone wait, so every operation is done when it returns.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::CHUNK;
use crate::record::Record;
use crate::workspace::{Errno, File, FsResult, Started, Sync as Extent};

/// Reads a file from a position on.
///
/// At the end of the file it reads as closed, and goes on from there once the file has grown.
pub(super) struct FileInput {
    file: File,
    position: u64,
    failed: bool,
    record: Arc<Record>,
}

impl FileInput {
    pub(super) fn new(file: File, position: u64, record: Arc<Record>) -> Self {
        Self {
            file,
            position,
            failed: false,
            record,
        }
    }
}

impl InputStream for FileInput {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.failed {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut buffer = vec![0; size.min(CHUNK)];
        match self.file.read_at(&mut buffer, self.position) {
            Ok(0) => Err(StreamError::Closed),
            Ok(read) => {
                buffer.truncate(read);
                self.position = self.position.saturating_add(read as u64);
                self.record.meter.count_read(read);
                Ok(buffer.into())
            }
            Err(errno) => {
                self.failed = true;
                Err(failure(errno))
            }
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileInput {
    async fn ready(&mut self) {}
}

/// Where a [`FileOutput`] writes.
pub(super) enum Place {
    At(u64),
    End,
}

/// Writes a file.
pub(super) struct FileOutput {
    file: File,
    place: Place,
    synced_by_writes: Option<Extent>,
    state: OutputState,
    record: Arc<Record>,
}

enum OutputState {
    Ready,
    /// Something was written which must be on the disk before more is taken.
    Unsynced(Extent),
    /// It is on its way there.
    Syncing(Started),
    /// To be told to the guest by the next call.
    Failed(Errno),
    Closed,
}

impl FileOutput {
    pub(super) fn new(file: File, place: Place, synced_by_writes: Option<Extent>, record: Arc<Record>) -> Self {
        Self {
            file,
            place,
            synced_by_writes,
            state: OutputState::Ready,
            record,
        }
    }

    /// How much may be written now.
    fn permit(&mut self) -> StreamResult<usize> {
        match self.state {
            OutputState::Ready => Ok(CHUNK),
            OutputState::Unsynced(_) | OutputState::Syncing(_) => Ok(0),
            OutputState::Closed => Err(StreamError::Closed),
            OutputState::Failed(errno) => {
                self.state = OutputState::Closed;
                Err(failure(errno))
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> StreamResult<()> {
        match self.put_all(bytes) {
            Ok(()) => {
                self.state = self.synced_by_writes.map_or(OutputState::Ready, OutputState::Unsynced);
                Ok(())
            }
            Err(errno) => {
                self.state = OutputState::Closed;
                Err(failure(errno))
            }
        }
    }

    fn put_all(&mut self, mut bytes: &[u8]) -> FsResult<()> {
        while !bytes.is_empty() {
            let written = match &mut self.place {
                Place::End => self.file.append(bytes)?.0,
                Place::At(offset) => {
                    let written = self.file.write_at(bytes, *offset)?;
                    *offset = offset.saturating_add(written as u64);
                    written
                }
            };
            // Without progress this would never end.
            bytes = bytes.get(written..).filter(|_| written > 0).ok_or(Errno::IO)?;
            self.record.meter.count_written(written);
        }
        Ok(())
    }

    /// Dropping the future leaves the one sync that was begun to the next call.
    async fn sync(&mut self) {
        if let OutputState::Unsynced(extent) = self.state {
            self.state = OutputState::Syncing(self.file.start_sync(extent).await);
        }
        if let OutputState::Syncing(running) = &mut self.state {
            self.state = running
                .done()
                .await
                .map_or_else(OutputState::Failed, |()| OutputState::Ready);
        }
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for FileOutput {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > self.permit()? {
            return Err(StreamError::trap("wrote more than check-write permitted"));
        }
        self.put(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.permit().map(|_| ())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.permit()
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.sync().await;
        self.permit()?;
        self.put(&bytes)?;
        self.sync().await;
        self.permit().map(|_| ())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileOutput {
    async fn ready(&mut self) {
        self.sync().await;
    }
}

/// `filesystem-error-code` finds the `Errno` in it again.
fn failure(errno: Errno) -> StreamError {
    StreamError::LastOperationFailed(errno.into())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use futures_util::FutureExt as _;
    use palisade_policy::Access;
    use tempfile::TempDir;

    use super::*;
    use crate::limits::Counter;
    use crate::workspace::{Budgets, Create, Follow, Mount, OpenHow, Opened, Source, Workspace};

    fn workspace(directory: &TempDir) -> Workspace {
        let directory = std::fs::File::open(directory.path()).expect("it was just made");
        let mount = Mount {
            at: "/".parse().expect("a path"),
            access: Access::ReadWrite,
            source: Source::Host(Arc::new(directory.into())),
        };
        let ample = || Counter::new(1 << 20);
        let budgets = Budgets {
            disk: ample(),
            files: ample(),
            handles: ample(),
            memory: ample(),
        };
        Workspace::new(vec![mount], budgets).expect("one mount")
    }

    fn create(workspace: &Workspace) -> File {
        let how = OpenHow {
            read: false,
            write: true,
            create: Create::New,
            truncate: false,
            directory: false,
            follow: Follow::No,
        };
        let root = workspace.root(&Arc::default()).expect("a root");
        match root.open("file", how) {
            Ok(Opened::File(file)) => file,
            other => panic!("{other:?}"),
        }
    }

    /// A runtime with one blocking thread, which is held up until the sender is dropped.
    fn held_up() -> (tokio::runtime::Runtime, Sender<()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .expect("a runtime");
        let (release, held) = channel();
        runtime.spawn_blocking(move || held.recv());
        (runtime, release)
    }

    #[test]
    fn a_sync_that_is_polled_and_left_is_the_only_one() {
        let (runtime, release) = held_up();
        let directory = tempfile::tempdir().expect("a directory");
        let workspace = workspace(&directory);
        let mut output = FileOutput::new(create(&workspace), Place::At(0), Some(Extent::All), Arc::default());
        output.write("text".into()).expect("permitted");
        runtime.block_on(async {
            for _ in 0..100 {
                assert!(output.ready().now_or_never().is_none());
                assert_eq!(output.check_write().expect("open"), 0);
            }
            assert_eq!(workspace.running(), 1);
            drop(release);
            output.ready().await;
        });
        assert_eq!(output.check_write().expect("open"), CHUNK);
    }
}
