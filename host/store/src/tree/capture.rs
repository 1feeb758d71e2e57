//! A directory into a store: what is in it now, as a tree.

use std::os::fd::BorrowedFd;

use rustix::fs::fstat;
use rustix::io::Errno;

use super::descent::Descent;
use super::failure::{changed, failed};
use super::folder::{Below, Folder, Look, Other, Way, list_again};
use super::index::{Directory, Index, Update, now};
use super::leaves::{Leaf, Leaves, Skipped};
use super::node::{Blobs, Body, Entry, Meta, Node, Root, Totals};
use super::open::{Access, modified, stat_of};
use super::recapture::{Base, Known, unexpected};
use crate::{Digest, Result};

/// What a directory was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub root: Root,
    pub skipped: Skipped,
}

/// Puts all that is in a directory into `blobs`, and says which inode is where.
///
/// Nobody may change it meanwhile; where it is noticed that somebody did, this is a conflict. What cannot be read
/// because of its mode gets another one for that moment, which stays if the process is killed just then.
///
/// Beside the index, memory is that for the largest directory, for the names of directories on the way down, for the
/// files which have more names than were seen, and for the list of chunks of the largest file.
pub(crate) fn capture(top: BorrowedFd<'_>, blobs: &impl Blobs) -> Result<(Captured, Index)> {
    let as_of = now();
    let mut descent = Descent::start(top, Access::Read).map_err(|errno| failed("open", b"", errno))?;
    let mut capture = Capture::new(blobs, None);
    let root = capture.everything(&mut descent)?;
    let (captured, updates) = capture.end(root);
    Ok((captured, Index::new(descent.level().inode, as_of, updates)))
}

/// Goes through all directories in which there is something to look at.
pub(super) struct Capture<'a, B> {
    blobs: &'a B,
    leaves: Leaves<'a, B>,
    base: Option<&'a Base<'a>>,
    updates: Vec<Update>,
}

/// A directory which was gone through.
struct Finished {
    meta: Meta,
    node: Digest,
    totals: Totals,
}

impl<'a, B: Blobs> Capture<'a, B> {
    /// With a base, it is only what may have changed since that is looked at.
    pub(super) fn new(blobs: &'a B, base: Option<&'a Base<'a>>) -> Self {
        Self {
            blobs,
            leaves: Leaves::new(blobs),
            base,
            updates: Vec::new(),
        }
    }

    pub(super) fn end(self, root: Root) -> (Captured, Vec<Update>) {
        let skipped = self.leaves.skipped;
        (Captured { root, skipped }, self.updates)
    }

    pub(super) fn everything(&mut self, descent: &mut Descent) -> Result<Root> {
        let mut open = vec![Folder::open(descent, self.base, Way::Known, self.blobs)?];
        loop {
            let folder = open.last_mut().expect("the loop ends with the last of them");
            if let Some(below) = folder.left.pop() {
                open.extend(self.enter(descent, &below)?);
                continue;
            }
            let finished = self.finish(descent, folder)?;
            open.pop();
            let Some(above) = open.last_mut() else {
                return Ok(finished.into_root());
            };
            let (name, inode) = (descent.level().name.clone(), descent.level().inode);
            leave(descent)?;
            above.done.push((finished.into_entry(name.to_bytes()), inode));
        }
    }

    /// Goes into a directory, unless another file system is there.
    fn enter(&mut self, descent: &mut Descent, below: &Below) -> Result<Option<Folder>> {
        let name = below.name.to_bytes();
        match descent.enter(&below.name) {
            Ok(()) => {}
            Err(Errno::XDEV) if below.was.is_none() => {
                self.leaves.skipped.add(descent.path_of(name));
                return Ok(None);
            }
            Err(errno) => return Err(failed("open", &descent.path_of(name), errno)),
        }
        if let (Some(base), Some((inode, meta))) = (self.base, &below.was) {
            base.check(descent, *inode, meta)?;
        }
        let way = if below.was.is_some() { Way::Known } else { Way::Listed };
        Folder::open(descent, self.base, way, self.blobs).map(Some)
    }

    /// Reads what is in a directory beside directories, and encodes it.
    fn finish(&mut self, descent: &Descent, folder: &mut Folder) -> Result<Finished> {
        let others = match folder.others.take() {
            Some(others) => others,
            None => list_again(descent)?,
        };
        let mut done = std::mem::take(&mut folder.done);
        let inode = descent.level().inode;
        let known = match (folder.look, self.base) {
            (Look::Listed, Some(base)) => base.known(inode, self.blobs)?,
            (Look::Marked, _) | (Look::Listed, None) => None,
        };
        for other in others {
            done.extend(self.leaf(descent, &other, known.as_ref())?);
        }
        check_unchanged(descent)?;
        self.encode(descent, done)
    }

    fn leaf(&mut self, descent: &Descent, other: &Other, known: Option<&Known<'_>>) -> Result<Option<Leaf>> {
        let name = other.found.name.as_c_str();
        if let (Some(base), Some(known)) = (self.base, known) {
            let stat = stat_of(descent.here(), name);
            let stat = stat.map_err(|errno| failed("read", &descent.path_of(name.to_bytes()), errno))?;
            if let Some(entry) = base.same_leaf(known, &other.found, &stat) {
                return Ok(Some((entry, stat.st_ino)));
            }
        }
        let leaf = self.leaves.read(descent, &other.found)?;
        let inode = leaf.as_ref().map(|leaf| leaf.1);
        if other.was.is_some() && inode != other.was {
            return Err(unexpected(descent, name.to_bytes()));
        }
        let was_directory = |inode: &u64| self.base.is_some_and(|base| base.was_directory(*inode));
        self.updates
            .extend(inode.filter(was_directory).map(|inode| (inode, None)));
        Ok(leaf)
    }

    fn encode(&mut self, descent: &Descent, mut done: Vec<Leaf>) -> Result<Finished> {
        done.sort_unstable_by(|one, other| one.0.name.cmp(&other.0.name));
        let (entries, inodes): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        let node = Node { entries };
        let directory = Directory {
            node: node.put(self.blobs)?,
            totals: node.totals(),
            inodes: inodes.into(),
        };
        let finished = Finished {
            meta: descent.level().meta,
            node: directory.node,
            totals: directory.totals,
        };
        self.updates.push((descent.level().inode, Some(directory)));
        Ok(finished)
    }
}

impl Finished {
    fn into_root(self) -> Root {
        Root {
            node: self.node,
            meta: self.meta,
            totals: self.totals,
        }
    }

    fn into_entry(self, name: &[u8]) -> Entry {
        Entry {
            name: name.to_vec(),
            meta: self.meta,
            body: Body::Directory {
                node: self.node,
                totals: self.totals,
            },
        }
    }
}

fn leave(descent: &mut Descent) -> Result<()> {
    let left = descent.leave();
    left.map(drop)
        .map_err(|errno| failed("leave", &descent.path_of(b""), errno))
}

fn check_unchanged(descent: &Descent) -> Result<()> {
    let path = || descent.path_of(b"");
    let now = fstat(descent.here()).map_err(|errno| failed("read", &path(), errno))?;
    if modified(&now) == descent.level().meta.modified {
        Ok(())
    } else {
        Err(changed(&path()))
    }
}
