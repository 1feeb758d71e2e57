//! What is remembered of a directory from one snapshot to the next, so that only what changed is looked at.

use std::os::fd::BorrowedFd;

use crate::log::Log;
use crate::tree::{self, Dirty, Index, Root, capture, recapture};
use crate::{Kind, Result, SnapshotId};

/// The line of snapshots of one directory. It is in memory only: where nothing is remembered, all is looked at.
///
/// It takes some 50 bytes for each name in the directory, and some 150 for each directory.
#[derive(Debug)]
pub struct Line {
    owner: String,
    known: Option<Known>,
}

/// What changed in a directory since it was last looked at for a snapshot or a rollback of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Nobody knows, so all of it is looked at.
    Unknown,
    /// Whatever is not as it was, content, mode, time or number of names, belongs to an inode among these, or to one
    /// which is gone. Where names came, went or were renamed, the directory is among them, with its entries.
    Known(Vec<Dirty>),
}

#[derive(Debug)]
struct Known {
    /// That of the index.
    root: Root,
    index: Index,
    /// What changed since.
    dirty: Vec<Dirty>,
    skipped: u64,
    /// The snapshot with that root.
    snapshot: Option<SnapshotId>,
}

/// What a directory is now.
pub(crate) struct Captured {
    pub root: Root,
    pub skipped: u64,
}

impl Line {
    /// That of `owner`'s directory, of which nothing is known.
    pub fn new(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            known: None,
        }
    }

    /// Whose directory it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether the next snapshot looks at changes only.
    pub fn is_known(&self) -> bool {
        self.known.is_some()
    }

    pub(crate) fn note(&mut self, since: Since) {
        match (since, &mut self.known) {
            (Since::Known(dirty), Some(known)) => known.dirty.extend(dirty),
            _ => self.known = None,
        }
    }

    /// The snapshot which has to be there still for what is remembered to be of use: what that needs is not collected.
    pub(crate) fn relies_on(&self) -> Option<SnapshotId> {
        self.known.as_ref()?.snapshot
    }

    /// Puts into the store what is in the directory.
    pub(crate) fn capture(&mut self, directory: BorrowedFd<'_>, log: &Log) -> Result<Captured> {
        if let Some(mut known) = self.known.take() {
            match recapture(directory, &known.root, &mut known.index, &known.dirty, log) {
                Ok(captured) => {
                    known.root = captured.root;
                    known.dirty.clear();
                    // No snapshot has all of that before it is committed.
                    known.snapshot = None;
                    return Ok(self.remember(known));
                }
                Err(error) if error.kind() == Kind::Conflict => {
                    tracing::warn!(owner = self.owner, %error, "all of a directory is looked at");
                }
                Err(error) => return Err(error),
            }
        }
        let (tree::Captured { root, skipped }, index) = capture(directory, log)?;
        Ok(self.remember(Known {
            root,
            index,
            dirty: Vec::new(),
            skipped: skipped.count,
            snapshot: None,
        }))
    }

    fn remember(&mut self, known: Known) -> Captured {
        let Known { root, skipped, .. } = known;
        self.known = Some(known);
        Captured { root, skipped }
    }

    /// Says which snapshot has what was captured last.
    pub(crate) fn stands_at(&mut self, id: SnapshotId) {
        if let Some(known) = &mut self.known {
            known.snapshot = Some(id);
        }
    }

    /// Says that a directory was patched, and what that touched.
    pub(crate) fn was_patched(&mut self, dirty: Vec<Dirty>) {
        if let Some(known) = &mut self.known {
            known.dirty.extend(dirty);
        }
    }

    /// Says that nothing is known any more.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }
}
