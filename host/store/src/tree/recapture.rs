//! Capturing a directory of which it is known what changed.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Stat};

use super::capture::{Capture, Captured};
use super::descent::Descent;
use super::failure::failed;
use super::index::{Directory, Index, now};
use super::node::{Blobs, Body, Entry, Meta, Node, Root, Time};
use super::open::{Access, Found, kind_of, meta_of, touched};
use crate::{Error, Kind, Result};

/// An inode which may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dirty {
    /// Its number.
    pub inode: u64,
    /// Its names, or what they stand for, changed: it is a directory to list again.
    pub entries: bool,
}

/// Puts what changed since `base` into `blobs`; gives what a capture of everything would give.
///
/// `index` is that of `base`, and is that of the result afterwards. After an error it is as it was, but after a conflict
/// it does not fit the directory, and is to be thrown away.
///
/// `dirty` has to be complete: whatever is not as it was, mode, time, content, or the number of names that a file has,
/// belongs to an inode in it, or to one which is gone. Where names came, went or were renamed, the directory is in it,
/// with its entries. Files of a directory which is listed again are compared by their times, so that an inode which was
/// used again is no danger.
///
/// What was skipped is known only for directories which were listed again.
pub(crate) fn recapture(
    top: BorrowedFd<'_>,
    base: &Root,
    index: &mut Index,
    dirty: &[Dirty],
    blobs: &impl Blobs,
) -> Result<Captured> {
    let as_of = now();
    let mut descent = Descent::start(top, Access::Read).map_err(|errno| failed("open", b"", errno))?;
    let base = Base::new(base, index, dirty, &descent)?;
    let mut capture = Capture::new(blobs, Some(&base));
    let root = capture.everything(&mut descent)?;
    let (captured, updates) = capture.end(root);
    index.update(as_of, updates);
    Ok(captured)
}

/// What is known before, and what of it is to be looked at.
pub(super) struct Base<'a> {
    index: &'a Index,
    /// With whether their entries changed.
    dirty: HashMap<u64, bool>,
    /// What is dirty, and all that it was below.
    marked: HashSet<u64>,
}

/// A directory as it was.
pub(super) struct Known<'a> {
    pub directory: &'a Directory,
    pub node: Node,
}

impl<'a> Base<'a> {
    fn new(base: &Root, index: &'a Index, dirty: &[Dirty], descent: &Descent) -> Result<Self> {
        let top = index.directory(index.top()).map(|directory| directory.node);
        if top != Some(base.node) || index.top() != descent.level().inode {
            return Err(Error::new(Kind::Conflict, "the index is that of another tree"));
        }
        let mut inodes = HashMap::new();
        for one in dirty {
            *inodes.entry(one.inode).or_insert(false) |= one.entries;
        }
        let mut marked = HashSet::new();
        let mut left: Vec<u64> = inodes.keys().copied().collect();
        while let Some(inode) = left.pop() {
            if marked.insert(inode) {
                left.extend(index.parents(inode));
            }
        }
        Ok(Self {
            index,
            dirty: inodes,
            marked,
        })
    }

    /// Whether a directory which is where it was has to be listed.
    pub(super) fn is_to_list(&self, inode: u64) -> bool {
        self.dirty.get(&inode).copied().unwrap_or(false) || self.index.directory(inode).is_none()
    }

    /// Whether there is anything to do at or below an inode.
    pub(super) fn is_marked(&self, inode: u64) -> bool {
        self.marked.contains(&inode)
    }

    /// Fails if a directory changed of which that is not known.
    pub(super) fn check(&self, descent: &Descent, inode: u64, meta: &Meta) -> Result<()> {
        let level = descent.level();
        if level.inode == inode && (self.dirty.contains_key(&inode) || level.meta == *meta) {
            return Ok(());
        }
        Err(unexpected(descent, b""))
    }

    /// Whether an inode may have been changed, or made, since the base was captured.
    pub(super) fn is_recent(&self, touched: Time) -> bool {
        touched >= self.index.as_of()
    }

    /// What was known of a directory; `None` if it is new.
    pub(super) fn known(&self, inode: u64, blobs: &impl Blobs) -> Result<Option<Known<'a>>> {
        let Some(directory) = self.index.directory(inode) else {
            return Ok(None);
        };
        let node = Node::get(blobs, &directory.node)?;
        if node.entries.len() != directory.inodes.len() {
            return Err(Error::new(Kind::Conflict, "the index is that of another tree"));
        }
        Ok(Some(Known { directory, node }))
    }

    pub(super) fn was_directory(&self, inode: u64) -> bool {
        self.index.directory(inode).is_some()
    }

    /// The entry of a directory in one that was listed, if nothing at or below it changed.
    pub(super) fn same_directory(&self, name: &CStr, stat: &Stat) -> Option<Entry> {
        let directory = self.index.directory(stat.st_ino)?;
        let same = !self.is_marked(stat.st_ino) && !self.is_recent(touched(stat));
        same.then(|| Entry {
            name: name.to_bytes().to_vec(),
            meta: meta_of(stat),
            body: Body::Directory {
                node: directory.node,
                totals: directory.totals,
            },
        })
    }

    /// The entry of a file or symlink in a directory that was listed, if it did not change.
    pub(super) fn same_leaf(&self, known: &Known<'_>, found: &Found, stat: &Stat) -> Option<Entry> {
        let name = found.name.to_bytes();
        let entries = &known.node.entries;
        let index = entries.binary_search_by(|entry| entry.name.as_slice().cmp(name)).ok()?;
        let (entry, inode) = (&entries[index], known.directory.inodes[index]);
        let looks_the_same = match &entry.body {
            Body::File(file) => {
                kind_of(stat) == FileType::RegularFile
                    && u64::try_from(stat.st_size) == Ok(file.size)
                    && file.link.is_some() == (stat.st_nlink > 1)
            }
            Body::Symlink { .. } => kind_of(stat) == FileType::Symlink,
            Body::Directory { .. } => false,
        };
        let same = inode == stat.st_ino
            && looks_the_same
            && entry.meta == meta_of(stat)
            && !self.dirty.contains_key(&inode)
            && !self.is_recent(touched(stat));
        same.then(|| entry.clone())
    }
}

pub(super) fn unexpected(descent: &Descent, name: &[u8]) -> Error {
    failed("find", &descent.path_of(name), rustix::io::Errno::STALE)
}
