//! A tree out of a store, into a directory.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Mode, linkat, mkdirat, renameat, unlinkat};
use rustix::io::Errno;

use super::descent::Descent;
use super::failure::{Shown, failed};
use super::node::{Blobs, Body, Entry, File, Meta, Node, Root};
use super::open::Access;
use super::output::{make_file, make_symlink, set_meta};
use crate::{Digest, Error, Kind, Result};

/// Makes an empty directory into exactly the tree of `root`, which gives it `root`'s mode and time as well.
///
/// What is there after an error is of no use and has to be removed.
pub(crate) fn build(top: BorrowedFd<'_>, root: &Root, blobs: &impl Blobs) -> Result<()> {
    let io = |errno| failed("open", b"", errno);
    let mut descent = Descent::start(top, Access::Change).map_err(io)?;
    let mut builder = Builder::new(blobs);
    builder.links = Some(Links::new(top, &Node::get(blobs, &root.node)?));
    builder.below(&mut descent, &root.node)?;
    builder.links.map_or(Ok(()), Links::remove_spares)?;
    descent.unlocked_no_more().map_err(io)?;
    set_meta(descent.here(), &root.meta).map_err(io)
}

/// Makes what is not there yet.
pub(super) struct Builder<'a, B> {
    blobs: &'a B,
    /// `None` where files with several names are not expected.
    links: Option<Links<'a>>,
}

/// A directory that is being filled.
struct Folder {
    left: Vec<Subfolder>,
    meta: Meta,
}

struct Subfolder {
    name: CString,
    node: Digest,
    meta: Meta,
}

impl<'a, B: Blobs> Builder<'a, B> {
    pub(super) fn new(blobs: &'a B) -> Self {
        Self { blobs, links: None }
    }

    /// Makes one name, with all that is below it.
    pub(super) fn make(&mut self, descent: &mut Descent, entry: &Entry) -> Result<()> {
        let name = c_name(&entry.name)?;
        let Body::Directory { node, .. } = &entry.body else {
            return self.leaf(descent, entry);
        };
        self.enter_new(descent, &name)?;
        self.below(descent, node)?;
        leave(descent, &entry.meta)
    }

    /// Fills the directory which the descent is in.
    fn below(&mut self, descent: &mut Descent, node: &Digest) -> Result<()> {
        let mut open = vec![self.folder(descent, node, descent.level().meta)?];
        loop {
            let folder = open.last_mut().expect("the loop ends with the last of them");
            if let Some(next) = folder.left.pop() {
                self.enter_new(descent, &next.name)?;
                open.push(self.folder(descent, &next.node, next.meta)?);
                continue;
            }
            let done = open.pop().map(|folder| folder.meta);
            match done {
                Some(meta) if !open.is_empty() => leave(descent, &meta)?,
                _ => return Ok(()),
            }
        }
    }

    fn enter_new(&self, descent: &mut Descent, name: &CString) -> Result<()> {
        mkdirat(descent.here(), name, Mode::RWXU)
            .and_then(|()| descent.enter(name))
            .map_err(|errno| failed("make", &descent.path_of(name.to_bytes()), errno))
    }

    /// Makes what is in a directory, but for directories.
    fn folder(&mut self, descent: &Descent, node: &Digest, meta: Meta) -> Result<Folder> {
        let mut left = Vec::new();
        for entry in Node::get(self.blobs, node)?.entries {
            match entry.body {
                Body::Directory { node, .. } => left.push(Subfolder {
                    name: c_name(&entry.name)?,
                    node,
                    meta: entry.meta,
                }),
                Body::File(_) | Body::Symlink { .. } => self.leaf(descent, &entry)?,
            }
        }
        Ok(Folder { left, meta })
    }

    fn leaf(&mut self, descent: &Descent, entry: &Entry) -> Result<()> {
        let name = c_name(&entry.name)?;
        let path = || descent.path_of(&entry.name);
        match &entry.body {
            Body::File(file) if file.link.is_some() && self.linked(descent, &name, (file, &entry.meta))? => Ok(()),
            Body::File(file) => {
                make_file(descent.here(), &name, (file, &entry.meta), self.blobs, &path)?;
                self.keep_spare(descent, &name, (file, &entry.meta))
            }
            Body::Symlink { target } => make_symlink(descent.here(), &name, target, entry.meta.modified)
                .map_err(|errno| failed("make", &path(), errno)),
            Body::Directory { .. } => Err(Error::new(Kind::InvalidInput, "a directory is no leaf")),
        }
    }

    /// Makes another name of a file which is there already; `false` if it is not.
    fn linked(&mut self, descent: &Descent, name: &CString, what: (&File, &Meta)) -> Result<bool> {
        let path = || descent.path_of(name.to_bytes());
        let Some(links) = &mut self.links else {
            let message = format!("{} has several names", Shown(&path()));
            return Err(Error::new(Kind::Unsupported, message));
        };
        links.link(descent.here(), name, what, &path)
    }

    fn keep_spare(&mut self, descent: &Descent, name: &CString, what: (&File, &Meta)) -> Result<()> {
        let kept = match &mut self.links {
            Some(links) => links.keep(descent.here(), name, what),
            None => Ok(()),
        };
        kept.map_err(|errno| failed("link", &descent.path_of(name.to_bytes()), errno))
    }
}

/// Files with several names: each gets a spare one at the top until all are made, from where it is found again.
struct Links<'a> {
    top: BorrowedFd<'a>,
    prefix: String,
    spares: HashMap<u64, (File, Meta)>,
    full: HashSet<u64>,
}

impl<'a> Links<'a> {
    /// `node` is that of the top, in which no spare name may get in the way.
    fn new(top: BorrowedFd<'a>, node: &Node) -> Self {
        let mut prefix = String::from(".link");
        while node
            .entries
            .iter()
            .any(|entry| entry.name.starts_with(prefix.as_bytes()))
        {
            prefix.push('-');
        }
        Self {
            top,
            prefix,
            spares: HashMap::new(),
            full: HashSet::new(),
        }
    }

    fn keep(&mut self, directory: BorrowedFd<'_>, name: &CString, (file, meta): (&File, &Meta)) -> Result<(), Errno> {
        let Some(number) = file.link else {
            return Ok(());
        };
        linkat(directory, name, self.top, self.spare(number), AtFlags::empty())?;
        self.spares.insert(number, (file.clone(), *meta));
        Ok(())
    }

    fn link(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CString,
        (file, meta): (&File, &Meta),
        path: &dyn Fn() -> Vec<u8>,
    ) -> Result<bool> {
        let Some((number, known)) = file.link.and_then(|number| Some((number, self.spares.get(&number)?))) else {
            return Ok(false);
        };
        if (&known.0, &known.1) != (file, meta) {
            let message = format!("{} is stored as another name of a different file", Shown(&path()));
            return Err(Error::new(Kind::Corrupt, message));
        }
        let spare = self.spare(number);
        let linked = match linkat(self.top, &spare, directory, name, AtFlags::empty()) {
            // It has as many names as it may, with the spare one, which thus has to be the last.
            Err(Errno::MLINK) if self.full.insert(number) => renameat(self.top, &spare, directory, name),
            linked => linked,
        };
        linked.map(|()| true).map_err(|errno| failed("link", &path(), errno))
    }

    fn remove_spares(self) -> Result<()> {
        let left = self.spares.keys().filter(|number| !self.full.contains(number));
        left.map(|number| unlinkat(self.top, self.spare(*number), AtFlags::empty()))
            .try_for_each(|removed| removed.map_err(|errno| failed("finish", b"", errno)))
    }

    fn spare(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }
}

fn leave(descent: &mut Descent, meta: &Meta) -> Result<()> {
    let done = descent.leave().and_then(|fd| set_meta(fd.as_fd(), meta));
    done.map_err(|errno| failed("finish a directory in", &descent.path_of(b""), errno))
}

/// A name for a system call.
pub(super) fn c_name(name: &[u8]) -> Result<CString> {
    CString::new(name).map_err(|_| Error::new(Kind::Corrupt, "a name with a zero byte"))
}
