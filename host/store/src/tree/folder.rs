//! What is to be looked at in a directory, when it is captured.

use std::ffi::{CStr, CString};

use rustix::fs::{FileType, SeekFrom, seek};

use super::build::c_name;
use super::descent::Descent;
use super::failure::failed;
use super::leaves::Leaf;
use super::node::{Blobs, Body, Meta};
use super::open::{Found, list, stat_of};
use super::recapture::{Base, Known};
use crate::Result;

/// As many names of a directory with directories in it are kept in memory while those are gone through; where there
/// are more it is listed again.
const KEPT_NAMES: usize = 64;

/// A directory that was gone into.
pub(super) struct Folder {
    pub look: Look,
    /// The directories in it which are still to be gone through.
    pub left: Vec<Below>,
    /// What else is to be looked at, for the end; `None` if it is too much to keep until then.
    pub others: Option<Vec<Other>>,
    pub done: Vec<Leaf>,
}

/// What is looked at in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All names that it has.
    Listed,
    /// Those which are marked of the names that it had.
    Marked,
}

pub(super) struct Below {
    pub name: CString,
    /// What it has to be, where it was not found by listing.
    pub was: Option<(u64, Meta)>,
}

pub(super) struct Other {
    pub found: Found,
    /// The inode it has to be, where it was not found by listing.
    pub was: Option<u64>,
}

/// How a directory was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the listing of the one above.
    Listed,
    /// Where it was.
    Known,
}

impl Folder {
    /// Looks into the directory which the descent is in: for all that is in it, or for what may have changed there since
    /// the base. `how` it was found matters because it may have been made since, with the inode of one which is gone.
    pub(super) fn open(descent: &Descent, base: Option<&Base<'_>>, how: Way, blobs: &impl Blobs) -> Result<Self> {
        let level = descent.level();
        let Some(base) = base else {
            return Self::listed(descent, None);
        };
        let may_be_another = how == Way::Listed && base.is_recent(level.touched);
        if may_be_another || base.is_to_list(level.inode) {
            return Self::listed(descent, Some(base));
        }
        match base.known(level.inode, blobs)? {
            Some(known) => Self::marked(base, known),
            None => Self::listed(descent, Some(base)),
        }
    }

    fn listed(descent: &Descent, base: Option<&Base<'_>>) -> Result<Self> {
        let mut folder = Self::new(Look::Listed);
        let (directories, others) = listing(descent)?;
        for found in directories {
            match same_directory(descent, &found.name, base)? {
                Some(same) => folder.done.push(same),
                None => folder.left.push(Below {
                    name: found.name,
                    was: None,
                }),
            }
        }
        let keep = folder.left.is_empty() || others.len() <= KEPT_NAMES;
        folder.others = keep.then_some(others);
        Ok(folder)
    }

    fn marked(base: &Base<'_>, known: Known<'_>) -> Result<Self> {
        let mut folder = Self::new(Look::Marked);
        let mut others = Vec::new();
        for (entry, inode) in known.node.entries.into_iter().zip(&known.directory.inodes) {
            if !base.is_marked(*inode) {
                folder.done.push((entry, *inode));
                continue;
            }
            let name = c_name(&entry.name)?;
            let kind = match entry.body {
                Body::Directory { .. } => {
                    let was = Some((*inode, entry.meta));
                    folder.left.push(Below { name, was });
                    continue;
                }
                Body::File(_) => FileType::RegularFile,
                Body::Symlink { .. } => FileType::Symlink,
            };
            others.push(Other {
                found: Found { name, kind },
                was: Some(*inode),
            });
        }
        folder.others = Some(others);
        Ok(folder)
    }

    fn new(look: Look) -> Self {
        Self {
            look,
            left: Vec::new(),
            others: Some(Vec::new()),
            done: Vec::new(),
        }
    }
}

fn same_directory(descent: &Descent, name: &CStr, base: Option<&Base<'_>>) -> Result<Option<Leaf>> {
    let Some(base) = base else {
        return Ok(None);
    };
    let stat = stat_of(descent.here(), name);
    let stat = stat.map_err(|errno| failed("read", &descent.path_of(name.to_bytes()), errno))?;
    let same = base
        .same_directory(name, &stat)
        .filter(|_| stat.st_dev == descent.device());
    Ok(same.map(|entry| (entry, stat.st_ino)))
}

/// The directories in a directory, and what else is in it.
fn listing(descent: &Descent) -> Result<(Vec<Found>, Vec<Other>)> {
    let mut directories = Vec::new();
    let mut others = Vec::new();
    let listed = list(descent.here(), |found| match found.kind {
        FileType::Directory => directories.push(found),
        _ => others.push(Other { found, was: None }),
    });
    listed.map_err(|errno| failed("list", &descent.path_of(b""), errno))?;
    Ok((directories, others))
}

/// What else than directories is in a directory that was listed before.
pub(super) fn list_again(descent: &Descent) -> Result<Vec<Other>> {
    let start = seek(descent.here(), SeekFrom::Start(0));
    start.map_err(|errno| failed("list", &descent.path_of(b""), errno))?;
    Ok(listing(descent)?.1)
}
