//! Open regular files.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use palisade_policy::Access;
use rustix::fs::{fdatasync, fstat, fsync, ftruncate, futimens};
use rustix::io::{pread, pwrite};

use super::blocking::Started;
use super::denials::{deny_tool_write, deny_write};
use super::identity::Identity;
use super::inode::{Inode, State};
use super::stat::{NewTime, Stat, timestamps};
use super::{Errno, FsResult};
use crate::limits::{Lease, Limit};
use crate::record::Record;

/// The most bytes that one call reads or writes.
const MAX_BYTES: usize = 256 * 1024;

/// An open regular file. Clones share one handle. It has no position: the ABI's descriptor keeps that.
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<Handle>);

#[derive(Debug)]
pub(super) struct Handle {
    // Let go before the file is closed: until then, no other file can have its inode number.
    pub inode: Arc<Inode>,
    pub fd: OwnedFd,
    pub read: bool,
    pub write: bool,
    pub path: Option<Arc<str>>,
    pub record: Arc<Record>,
    /// The most that whoever has it may do, whatever its mount allows.
    pub access: Access,
    /// Its part of the limit of handles.
    pub _lease: Option<Lease>,
}

/// How much of a file reaches the disk before `sync` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    Data,
    All,
}

impl File {
    pub(super) fn new(handle: Handle) -> Self {
        Self(Arc::new(handle))
    }

    pub(crate) fn stat(&self) -> FsResult<Stat> {
        Ok(fstat(&self.0.fd)?.into())
    }

    /// What a guest sees as its numbers, these being its attributes.
    pub(crate) fn identity(&self, stat: &Stat) -> Identity {
        self.0.inode.shared().identities.of(stat.id())
    }

    /// Short only at the end of the file and after 256 KiB, so a caller loops.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> FsResult<usize> {
        if !self.0.read {
            return Err(Errno::BADF);
        }
        end_of(offset, 0)?;
        let length = buffer.len().min(MAX_BYTES);
        pread(&self.0.fd, &mut buffer[..length], offset)
    }

    /// May be short, as `read_at`; `EDQUOT` where the disk limit has no room for a byte of it.
    ///
    /// A gap that it leaves behind the end counts as if it were written.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> FsResult<usize> {
        self.check_write()?;
        let _unfrozen = self.0.inode.shared().read_names();
        self.write_locked(&mut self.0.inode.lock(), bytes, offset)
    }

    /// Writes at the end; returns what was written and the new end.
    pub(crate) fn append(&self, bytes: &[u8]) -> FsResult<(usize, u64)> {
        self.check_write()?;
        let _unfrozen = self.0.inode.shared().read_names();
        let mut state = self.0.inode.lock();
        self.learn_size(&mut state)?;
        let end = state.size;
        let written = self.write_locked(&mut state, bytes, end)?;
        Ok((written, end + written as u64))
    }

    pub(crate) fn set_size(&self, size: u64) -> FsResult<()> {
        self.check_write()?;
        self.truncate(size)
    }

    /// Makes the file at least `offset + length` long.
    pub(crate) fn allocate(&self, offset: u64, length: u64) -> FsResult<()> {
        self.check_write()?;
        if length == 0 {
            return Err(Errno::INVAL);
        }
        let end = end_of(offset, length)?;
        let _unfrozen = self.0.inode.shared().read_names();
        let mut state = self.0.inode.lock();
        self.learn_size(&mut state)?;
        if end > state.size {
            self.resize(&mut state, end)
        } else {
            Ok(())
        }
    }

    pub(crate) fn set_times(&self, accessed: NewTime, modified: NewTime) -> FsResult<()> {
        self.check_mount()?;
        let times = timestamps(accessed, modified)?;
        let _unfrozen = self.0.inode.shared().read_names();
        let state = self.0.inode.lock();
        self.0.inode.mark_metadata(&state);
        futimens(&self.0.fd, &times)?;
        self.0.inode.mark_metadata(&state);
        Ok(())
    }

    /// Waits until what was written is on the disk.
    pub(crate) async fn sync(&self, what: Sync) -> FsResult<()> {
        self.start_sync(what).await.done().await
    }

    /// Begins to bring what was written to the disk.
    pub(crate) async fn start_sync(&self, what: Sync) -> Started {
        let handle = Arc::clone(&self.0);
        let sync = move || match what {
            Sync::Data => fdatasync(&handle.fd),
            Sync::All => fsync(&handle.fd),
        };
        self.0.inode.shared().turns.start(sync).await
    }

    /// Whether both are handles to one file, whatever the names they were opened by.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.inode, &other.0.inode)
    }

    /// As `set_size`, for a handle which may be open for reading only.
    pub(super) fn truncate(&self, size: u64) -> FsResult<()> {
        end_of(size, 0)?;
        let _unfrozen = self.0.inode.shared().read_names();
        let mut state = self.0.inode.lock();
        self.learn_size(&mut state)?;
        self.resize(&mut state, size)
    }

    fn resize(&self, state: &mut State, size: u64) -> FsResult<()> {
        let disk = &self.0.inode.mount().disk;
        let growth = size.saturating_sub(state.size);
        disk.take(growth).map_err(|_| self.no_room())?;
        self.0.inode.mark_content(state);
        if let Err(errno) = ftruncate(&self.0.fd, size) {
            disk.give(growth);
            return Err(errno);
        }
        self.0.inode.mark_content(state);
        disk.give(state.size.saturating_sub(size));
        state.size = size;
        Ok(())
    }

    fn write_locked(&self, state: &mut State, bytes: &[u8], offset: u64) -> FsResult<usize> {
        let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let end = end_of(offset, bytes.len() as u64)?;
        let disk = &self.0.inode.mount().disk;
        let growth = end.saturating_sub(state.size);
        let granted = disk.take_up_to(growth);
        // What is refused is cut from the end; a gap in front of the bytes has to be paid for first.
        let cut = growth - granted;
        let length = bytes.len().saturating_sub(usize::try_from(cut).unwrap_or(usize::MAX));
        if cut > 0 {
            self.0.record.refusals.hit(Limit::Disk);
        }
        if length == 0 {
            disk.give(granted);
            return Err(Errno::DQUOT);
        }
        self.0.inode.mark_content(state);
        let written = pwrite(&self.0.fd, &bytes[..length], offset);
        self.0.inode.mark_content(state);
        let reached = written.map_or(0, |written| offset + written as u64);
        disk.give(granted - reached.saturating_sub(state.size));
        state.size = state.size.max(reached);
        written
    }

    /// Takes over what others did to the file behind the sandbox's back; nothing is charged for that.
    fn learn_size(&self, state: &mut State) -> FsResult<()> {
        state.size = Stat::from(fstat(&self.0.fd)?).size;
        Ok(())
    }

    fn check_write(&self) -> FsResult<()> {
        if self.0.write { Ok(()) } else { Err(Errno::BADF) }
    }

    fn check_mount(&self) -> FsResult<()> {
        let path = || self.0.path.as_deref().unwrap_or("a file");
        if self.0.access == Access::ReadOnly {
            return Err(deny_tool_write(&self.0.record.refusals, path()));
        }
        let mount = self.0.inode.mount();
        match mount.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(deny_write(&self.0.record.refusals, path(), Some(&mount.at))),
        }
    }

    fn no_room(&self) -> Errno {
        self.0.record.refusals.hit(Limit::Disk);
        Errno::DQUOT
    }
}

/// Where a file of `length` bytes from `offset` on ends; `EFBIG` past what a file can be.
fn end_of(offset: u64, length: u64) -> FsResult<u64> {
    offset
        .checked_add(length)
        .filter(|end| i64::try_from(*end).is_ok())
        .ok_or(Errno::FBIG)
}
