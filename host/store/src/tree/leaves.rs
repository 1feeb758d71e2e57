//! Files and symlinks, into a store.

use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Stat, fstat, readlinkat};
use rustix::io::Errno;

use super::contents::Reader;
use super::descent::Descent;
use super::failure::{changed, failed};
use super::node::{Blobs, Body, Entry, File};
use super::open::{Access, Found, kind_of, meta_of, modified, open_file, stat_of, touched};
use crate::Result;

/// Paths kept of what was skipped, and bytes of them.
const SKIPPED_PATHS: usize = 256;
const SKIPPED_BYTES: usize = 64 << 10;

/// What is not kept: sockets, pipes, devices, and what is mounted in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// The first few hundred of them.
    pub paths: Vec<Vec<u8>>,
    pub count: u64,
}

/// Reads what is no directory.
pub(super) struct Leaves<'a, B> {
    reader: Reader<'a, B>,
    pub skipped: Skipped,
    /// Files of which not all names were seen, and how many were not.
    linked: HashMap<u64, (File, usize)>,
}

/// What a name stands for, and its inode.
pub(super) type Leaf = (Entry, u64);

impl<'a, B: Blobs> Leaves<'a, B> {
    pub(super) fn new(blobs: &'a B) -> Self {
        Self {
            reader: Reader::new(blobs),
            skipped: Skipped::default(),
            linked: HashMap::new(),
        }
    }

    /// Reads it; `None` if it is counted as skipped.
    pub(super) fn read(&mut self, descent: &Descent, found: &Found) -> Result<Option<Leaf>> {
        let name = found.name.as_c_str();
        let kept = match found.kind {
            FileType::RegularFile => self.file(descent, name)?,
            FileType::Symlink => Some(symlink(descent, name)?),
            _ => None,
        };
        if kept.is_none() {
            self.skipped.add(descent.path_of(name.to_bytes()));
        }
        Ok(kept.map(|(stat, body)| {
            let (name, meta) = (name.to_bytes().to_vec(), meta_of(&stat));
            (Entry { name, meta, body }, stat.st_ino)
        }))
    }

    fn file(&mut self, descent: &Descent, name: &CStr) -> Result<Option<(Stat, Body)>> {
        let path = || descent.path_of(name.to_bytes());
        let (file, stat) = match open_file(descent.here(), name, Access::Read) {
            Err(Errno::XDEV) => return Ok(None),
            opened => opened.map_err(|errno| failed("open", &path(), errno))?,
        };
        if stat.st_dev != descent.device() {
            return Ok(None);
        }
        if kind_of(&stat) != FileType::RegularFile {
            return Err(changed(&path()));
        }
        let body = match self.other_name_of(&stat) {
            Some(known) => known,
            None => self.contents(&file, &stat, &path)?,
        };
        Ok(Some((stat, Body::File(body))))
    }

    /// Reads a file, and remembers it if it has other names.
    fn contents(&mut self, file: &OwnedFd, stat: &Stat, path: &dyn Fn() -> Vec<u8>) -> Result<File> {
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let contents = self.reader.read(file.as_fd(), size, path)?;
        let now = fstat(file).map_err(|errno| failed("read", &path(), errno))?;
        if is_changed(stat, &now) {
            return Err(changed(&path()));
        }
        let links = usize::try_from(stat.st_nlink).unwrap_or(usize::MAX);
        let file = File {
            size,
            content: contents.content,
            sparse: contents.sparse,
            link: (links > 1).then_some(stat.st_ino),
        };
        if links > 1 {
            self.linked.insert(stat.st_ino, (file.clone(), links - 1));
        }
        Ok(file)
    }

    fn other_name_of(&mut self, stat: &Stat) -> Option<File> {
        if stat.st_nlink == 1 {
            return None;
        }
        let (file, left) = self.linked.get_mut(&stat.st_ino)?;
        *left -= 1;
        if *left > 0 {
            return Some(file.clone());
        }
        self.linked.remove(&stat.st_ino).map(|(file, _)| file)
    }
}

impl Skipped {
    pub(super) fn add(&mut self, path: Vec<u8>) {
        self.count += 1;
        let bytes: usize = self.paths.iter().map(Vec::len).sum();
        if self.paths.len() < SKIPPED_PATHS && bytes + path.len() <= SKIPPED_BYTES {
            self.paths.push(path);
        }
    }
}

fn symlink(descent: &Descent, name: &CStr) -> Result<(Stat, Body)> {
    let io = |errno| failed("read", &descent.path_of(name.to_bytes()), errno);
    let stat = stat_of(descent.here(), name).map_err(io)?;
    let target = readlinkat(descent.here(), name, Vec::new()).map_err(io)?;
    let target = target.into_bytes();
    Ok((stat, Body::Symlink { target }))
}

fn is_changed(before: &Stat, after: &Stat) -> bool {
    before.st_size != after.st_size || modified(before) != modified(after) || touched(before) != touched(after)
}
