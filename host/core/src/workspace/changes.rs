//! The set of what changed since it was last taken.
//!
//! It is kept by inode, since a path says nothing about a file with two names. It is complete: whatever differs
//! between two looks at the tree belongs to an inode in the set, or to one which is gone, and then the directory that
//! named it is in the set with `entries`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::mounts::MountId;
use super::stat::FileId;

/// The longest path kept as a hint, in bytes: a guest chooses how many there are.
const HINT_MAX: usize = 1024;

/// One file, directory or link that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangedInode {
    /// With `inode`, what it is whatever its names.
    pub device: u64,
    #[expect(missing_docs, reason = "see `device`")]
    pub inode: u64,
    /// Its bytes.
    pub content: bool,
    /// Its times, mode or number of links.
    pub metadata: bool,
    /// The names in it, or what they stand for.
    pub entries: bool,
    /// Where it was last seen. A rename of a directory above it makes this wrong; a very long path is left out.
    pub path: Option<String>,
    /// The guest path of the mount that it was changed through.
    pub mount: String,
}

/// What about an inode changed. Any change of content or entries is one of metadata too: the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    Content,
    Metadata,
    Entries,
}

#[derive(Debug)]
pub(super) struct Changes {
    epoch: AtomicU64,
    set: Mutex<HashMap<FileId, Marks>>,
}

#[derive(Clone, Debug)]
pub(super) struct Marks {
    pub content: bool,
    pub entries: bool,
    pub hint: Option<Arc<str>>,
    pub mount: MountId,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            set: Mutex::default(),
        }
    }

    /// Changes whenever the set is taken; a mark made in this epoch needs no second one.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Notes a change, and returns the epoch it was noted in.
    pub(super) fn mark(&self, id: FileId, mount: MountId, aspect: Aspect, hint: Option<Arc<str>>) -> u64 {
        let hint = hint.filter(|hint| hint.len() <= HINT_MAX);
        let mut set = self.lock();
        let marks = set.entry(id).or_insert(Marks {
            content: false,
            entries: false,
            hint: None,
            mount,
        });
        marks.content |= aspect == Aspect::Content;
        marks.entries |= aspect == Aspect::Entries;
        if hint.is_some() {
            marks.hint = hint;
        }
        self.epoch()
    }

    /// Drops an inode which no name leads to any more: the directory that named it tells of its end.
    pub(super) fn forget(&self, id: FileId) {
        self.lock().remove(&id);
    }

    pub(super) fn peek(&self) -> HashMap<FileId, Marks> {
        self.lock().clone()
    }

    pub(super) fn take(&self) -> HashMap<FileId, Marks> {
        let mut set = self.lock();
        self.epoch.fetch_add(1, Ordering::SeqCst);
        std::mem::take(&mut set)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<FileId, Marks>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
