//! One tree into another, in place, touching what differs and nothing else.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Stat, ftruncate, unlinkat};
use rustix::io::Errno;

use super::build::{Builder, c_name};
use super::descent::Descent;
use super::diff::{Pairs, diff, name_of, node_of};
use super::failure::{Shown, failed};
use super::node::{Blobs, Body, Entry, File, Meta, Root};
use super::open::{Access, kind_of, open_file};
use super::output::{Path, fill, set_meta};
use super::recapture::Dirty;
use super::remove::remove;
use crate::{Digest, Error, Kind, Result};

/// What a patch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patched {
    /// Files which got other contents, in place.
    pub rewritten: u64,
    /// Names which were made, and names which were removed, each with all below it.
    pub made: u64,
    pub removed: u64,
    /// What it touched. With this a recapture since `from` finds `to`, if `from` has an index.
    pub dirty: Vec<Dirty>,
}

/// Makes a directory which is exactly `from` into exactly `to`.
///
/// It may have been interrupted while doing that, at any point: then it does the rest. It looks only at what differs
/// between the two; where it finds there what it cannot have left behind, that is a conflict, and whoever called it
/// builds all of `to` elsewhere. A file with several names among what differs is [`Kind::Unsupported`] before anything
/// is touched, with the same way out.
pub(crate) fn patch(top: BorrowedFd<'_>, from: &Root, to: &Root, blobs: &impl Blobs) -> Result<Patched> {
    refuse_links(from, to, blobs)?;
    let io = |errno| failed("open", b"", errno);
    let mut descent = Descent::start(top, Access::Change).map_err(io)?;
    let mut patch = Patch::new(blobs);
    let nodes = (from.node != to.node).then_some((from.node, to.node));
    patch.below(&mut descent, nodes)?;
    descent.unlocked_no_more().map_err(io)?;
    set_meta(descent.here(), &to.meta).map_err(io)?;
    Ok(patch.done)
}

/// Fails if any file which differs between the two has several names.
pub(super) fn refuse_links(from: &Root, to: &Root, blobs: &impl Blobs) -> Result<()> {
    let is_linked = |entry: &Entry| matches!(&entry.body, Body::File(file) if file.link.is_some());
    for change in diff(from, to, blobs) {
        let change = change?;
        if change.before.iter().chain(&change.after).any(is_linked) {
            let message = format!("{} has or gets several names", Shown(&change.path));
            return Err(Error::new(Kind::Unsupported, message));
        }
    }
    Ok(())
}

struct Patch<'a, B> {
    blobs: &'a B,
    builder: Builder<'a, B>,
    done: Patched,
}

/// A directory which is there before and after.
struct Folder {
    left: Vec<Subfolder>,
    meta: Meta,
}

struct Subfolder {
    name: CString,
    /// `None` where only the mode or the time differ.
    nodes: Option<(Digest, Digest)>,
    meta: Meta,
}

impl<'a, B: Blobs> Patch<'a, B> {
    fn new(blobs: &'a B) -> Self {
        Self {
            blobs,
            builder: Builder::new(blobs),
            done: Patched::default(),
        }
    }

    fn below(&mut self, descent: &mut Descent, nodes: Option<(Digest, Digest)>) -> Result<()> {
        let meta = descent.level().meta;
        let mut open = vec![self.folder(descent, nodes, meta)?];
        loop {
            let folder = open.last_mut().expect("the loop ends with the last of them");
            if let Some(next) = folder.left.pop() {
                let entered = descent.enter(&next.name);
                entered.map_err(|errno| failed("open", &descent.path_of(next.name.to_bytes()), errno))?;
                let below = self.folder(descent, next.nodes, next.meta)?;
                open.push(below);
                continue;
            }
            let done = open.pop().map(|folder| folder.meta);
            match done {
                Some(meta) if !open.is_empty() => leave(descent, &meta)?,
                _ => return Ok(()),
            }
        }
    }

    /// Changes what is in a directory, but for directories which are there before and after.
    fn folder(&mut self, descent: &mut Descent, nodes: Option<(Digest, Digest)>, meta: Meta) -> Result<Folder> {
        let mut left = Vec::new();
        let names = self.done.made + self.done.removed;
        if let Some((before, after)) = nodes {
            for pair in Pairs::load(Some(before), Some(after), self.blobs)? {
                let name = c_name(name_of(&pair))?;
                if let (Some(before), Some(after), Some(entry)) = (node_of(&pair.0), node_of(&pair.1), &pair.1) {
                    left.push(Subfolder {
                        name,
                        nodes: (before != after).then_some((before, after)),
                        meta: entry.meta,
                    });
                } else {
                    self.change(descent, &name, pair.0.as_ref(), pair.1.as_ref())?;
                }
            }
        }
        self.done.dirty.push(Dirty {
            inode: descent.level().inode,
            entries: names != self.done.made + self.done.removed,
        });
        Ok(Folder { left, meta })
    }

    fn change(
        &mut self,
        descent: &mut Descent,
        name: &CStr,
        before: Option<&Entry>,
        after: Option<&Entry>,
    ) -> Result<()> {
        match (before.map(|entry| &entry.body), after) {
            (_, None) => {
                self.done.removed += 1;
                remove(descent, name)
            }
            (Some(Body::File(old)), Some(entry)) if let Body::File(new) = &entry.body => {
                self.file(descent, name, (old, new), entry)
            }
            (Some(Body::Symlink { .. }), Some(entry)) if matches!(entry.body, Body::Symlink { .. }) => {
                unlink_leaf(descent, name)?;
                self.make(descent, entry)
            }
            (_, Some(entry)) => {
                self.done.removed += u64::from(before.is_some());
                // An interrupted patch may have made some of it already.
                remove(descent, name)?;
                self.make(descent, entry)
            }
        }
    }

    fn make(&mut self, descent: &mut Descent, entry: &Entry) -> Result<()> {
        self.done.made += 1;
        self.builder.make(descent, entry)
    }

    fn file(&mut self, descent: &mut Descent, name: &CStr, (old, new): (&File, &File), entry: &Entry) -> Result<()> {
        let same = (&old.content, old.size, old.sparse) == (&new.content, new.size, new.sparse);
        let access = if same { Access::Read } else { Access::Change };
        let path = || descent.path_of(name.to_bytes());
        let (fd, stat) = open_file(descent.here(), name, access).map_err(|errno| failed("open", &path(), errno))?;
        if !is_alone(&stat) || (same && u64::try_from(stat.st_size) != Ok(new.size)) {
            let message = format!("{} is not the file which it was", Shown(&path()));
            return Err(Error::new(Kind::Conflict, message));
        }
        self.done.dirty.push(Dirty {
            inode: stat.st_ino,
            entries: false,
        });
        if !same {
            self.done.rewritten += 1;
            self.rewrite(&fd, &stat, new, &path)?;
        }
        set_meta(fd.as_fd(), &entry.meta).map_err(|errno| failed("write", &path(), errno))
    }

    /// Writes over what is there, which costs a file system much less than giving up its blocks and asking for new ones.
    fn rewrite(&self, fd: &OwnedFd, stat: &Stat, new: &File, path: Path<'_>) -> Result<()> {
        let cut = |size| ftruncate(fd, size).map_err(|errno| failed("write", &path(), errno));
        if new.sparse {
            cut(0)?;
        }
        fill(fd.as_fd(), new, self.blobs, path)?;
        let is_longer = u64::try_from(stat.st_size).is_ok_and(|size| size > new.size);
        if is_longer && !new.sparse {
            cut(new.size)
        } else {
            Ok(())
        }
    }
}

/// Whether it is a file which has no other name that would be changed with it.
fn is_alone(stat: &Stat) -> bool {
    kind_of(stat) == FileType::RegularFile && stat.st_nlink == 1
}

fn unlink_leaf(descent: &Descent, name: &CStr) -> Result<()> {
    match unlinkat(descent.here(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("remove", &descent.path_of(name.to_bytes()), errno)),
    }
}

fn leave(descent: &mut Descent, meta: &Meta) -> Result<()> {
    let done = descent.leave().and_then(|fd| set_meta(fd.as_fd(), meta));
    done.map_err(|errno| failed("finish a directory in", &descent.path_of(b""), errno))
}
