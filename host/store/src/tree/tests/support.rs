//! A store in memory, and directories which are removed whatever is in them.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::tree::capture::{Captured, capture};
use crate::tree::descent::Descent;
use crate::tree::node::{Blobs, Root};
use crate::tree::open::Access;
use crate::tree::remove::remove;
use crate::{Digest, Error, Kind, Result};

/// Blobs in memory. It can fail after a number of reads, and call something at the first `put`.
#[derive(Default)]
pub(super) struct Memory {
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    pub gets: AtomicU64,
    pub puts: AtomicU64,
    pub gets_left: Mutex<Option<u64>>,
    pub on_put: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Blobs for Memory {
    fn put(&self, content: &[u8]) -> Result<Digest> {
        self.puts.fetch_add(1, Ordering::Relaxed);
        let hook = self.on_put.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        let digest = Digest::of(content);
        let mut blobs = self.blobs.lock().unwrap();
        blobs.entry(digest).or_insert_with(|| content.to_vec());
        Ok(digest)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        if let Some(left) = self.gets_left.lock().unwrap().as_mut() {
            *left = left
                .checked_sub(1)
                .ok_or_else(|| Error::new(Kind::Unavailable, "interrupted"))?;
        }
        let blobs = self.blobs.lock().unwrap();
        let found = blobs.get(digest).cloned();
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("no blob {digest}")))
    }
}

impl Memory {
    pub(super) fn interrupt_after(&self, gets: Option<u64>) {
        *self.gets_left.lock().unwrap() = gets;
    }

    pub(super) fn forget(&self, digest: &Digest) {
        self.blobs.lock().unwrap().remove(digest);
    }
}

/// A directory of a test.
pub(super) struct Scratch {
    holder: tempfile::TempDir,
    fd: OwnedFd,
}

impl Scratch {
    pub(super) fn new() -> Self {
        let holder = tempfile::tempdir().unwrap();
        std::fs::create_dir(holder.path().join("top")).unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, holder.path().join("top"), flags, Mode::empty()).unwrap();
        Self { holder, fd }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.holder.path().join("top")
    }

    /// A path beside the directory.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        self.holder.path().join(name)
    }

    pub(super) fn capture(&self, blobs: &Memory) -> Captured {
        capture(self.fd(), blobs).unwrap().0
    }

    pub(super) fn root(&self, blobs: &Memory) -> Root {
        self.capture(blobs).root
    }

    pub(super) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = openat(CWD, self.holder.path(), flags, Mode::empty()).unwrap();
        if let Ok(mut descent) = Descent::start(parent.as_fd(), Access::Change) {
            let _ = remove(&mut descent, &CString::new("top").unwrap());
        }
    }
}
