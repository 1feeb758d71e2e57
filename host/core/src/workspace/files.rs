//! The host's own way to a sandbox's files, by absolute guest paths.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{AtFlags, fstat, statat, unlinkat};

use super::changes::Aspect;
use super::directory::Handles;
use super::names::Doomed;
use super::place::Place;
use super::tree::{Visitor, visit};
use super::{Create, Directory, Errno, File, Follow, FsResult, Kind, OpenHow, Opened, Stat, Workspace};
use crate::limits::Refusals;
use crate::record::Record;

/// A name in a directory, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirEntry {
    /// Without the path to it.
    pub name: String,
    /// What it stands for, a link not being followed.
    pub kind: Kind,
}

/// The attributes of a file, a directory or a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// When its content last changed.
    pub modified: SystemTime,
    /// Its permission bits.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
}

impl From<Stat> for Metadata {
    fn from(stat: Stat) -> Self {
        let Stat {
            kind,
            size,
            modified,
            mode,
            links,
            ..
        } = stat;
        Self {
            kind,
            size,
            modified,
            mode,
            links,
        }
    }
}

/// Files by absolute guest paths, `/notes/today.txt`.
///
/// These obey the same mounts, limits and links as a guest does, except that handles are not counted. They work on the
/// caller's thread, and so block for as long as the disk takes. Errors are [`NotFound`](crate::Kind::NotFound),
/// [`Denied`](crate::Kind::Denied) in a read-only mount, [`Exhausted`](crate::Kind::Exhausted) at a limit of the sandbox,
/// [`Conflict`](crate::Kind::Conflict) where a name is taken or is of another kind, and
/// [`InvalidInput`](crate::Kind::InvalidInput) for what is no absolute path.
impl Workspace {
    /// The bytes of a file.
    ///
    /// It is an error of kind [`Exhausted`](crate::Kind::Exhausted) if there are more than `max_bytes`.
    pub fn read(&self, path: &str, max_bytes: usize) -> crate::Result<Vec<u8>> {
        self.at("read", path, |root, path| {
            let file = open_file(root, path, OpenHow { read: true, ..OPEN })?;
            read_whole(&file, max_bytes)
        })
    }

    /// Makes a file with these bytes, in place of those which it had.
    ///
    /// Where the disk limit ends it, part of the bytes are written.
    pub fn write(&self, path: &str, bytes: &[u8]) -> crate::Result<()> {
        self.at("write", path, |root, path| {
            let how = OpenHow {
                write: true,
                create: Create::IfMissing,
                truncate: true,
                ..OPEN
            };
            let file = open_file(root, path, how)?;
            write_whole(&file, bytes)
        })
    }

    /// Makes a directory, and those above it that are missing; fine if it is there.
    pub fn create_dir_all(&self, path: &str) -> crate::Result<()> {
        self.at("create the directory", path, |root, path| {
            let ends = path.match_indices('/').map(|(end, _)| end).filter(|end| *end > 0);
            ends.chain([path.len()])
                .try_for_each(|end| create_dir(root, &path[..end]))
        })
    }

    /// Removes a file, a link, or a directory with all that is in it.
    pub fn remove(&self, path: &str) -> crate::Result<()> {
        self.at("remove", path, |root, path| match root.stat(path, Follow::No)?.kind {
            Kind::Directory => remove_tree(root, path),
            _ => root.unlink(path),
        })
    }

    /// Moves a file or a directory, in place of a file or an empty directory which is at `to`.
    pub fn rename(&self, from: &str, to: &str) -> crate::Result<()> {
        self.at("rename", from, |root, from| root.rename(from, root, &relative(to)?))
    }

    /// The names in a directory, without `.` and `..`, in no order.
    pub fn list(&self, path: &str) -> crate::Result<Vec<DirEntry>> {
        self.at("list", path, |root, path| {
            let Opened::Directory(directory) = root.open(
                path,
                OpenHow {
                    directory: true,
                    ..OPEN
                },
            )?
            else {
                return Err(Errno::NOTDIR);
            };
            let listing = directory.list()?;
            let entries = (2..listing.len()).filter_map(|index| listing.get(index));
            Ok(entries
                .map(|entry| DirEntry {
                    name: entry.name.to_owned(),
                    kind: entry.kind,
                })
                .collect())
        })
    }

    /// The attributes of what the path leads to; of the link itself where its last name is one.
    pub fn stat(&self, path: &str) -> crate::Result<Metadata> {
        self.at("stat", path, |root, path| {
            root.stat(path, Follow::No).map(Metadata::from)
        })
    }

    /// Makes a symbolic link. What it leads to is looked at when it is followed, and may be missing.
    pub fn symlink(&self, target: &str, path: &str) -> crate::Result<()> {
        self.at("link", path, |root, path| root.symlink(target, path))
    }

    /// What a symbolic link says that it leads to.
    pub fn read_link(&self, path: &str) -> crate::Result<String> {
        self.at("read the link", path, Directory::read_link)
    }

    /// Does `work` with the root and `path` relative to it; says what was to be done if it fails.
    pub(super) fn at<T>(
        &self,
        verb: &str,
        path: &str,
        work: impl FnOnce(&Directory, &str) -> FsResult<T>,
    ) -> crate::Result<T> {
        let record = Arc::new(Record::default());
        let root = Directory::root(&self.shared, &record, palisade_policy::Access::ReadWrite, Handles::Free);
        let done = relative(path).and_then(|path| work(&root, &path));
        done.map_err(|errno| error(verb, path, errno, &record.refusals))
    }
}

/// Characters of a path that an error repeats.
const MAX_SHOWN: usize = 256;

pub(super) const OPEN: OpenHow = OpenHow {
    read: false,
    write: false,
    create: Create::Never,
    truncate: false,
    directory: false,
    follow: Follow::Yes,
};

fn relative(path: &str) -> FsResult<String> {
    let rest = path.strip_prefix('/').ok_or(Errno::INVAL)?;
    Ok(format!("./{}", rest.trim_start_matches('/')))
}

pub(super) fn error(verb: &str, path: &str, errno: Errno, refusals: &Refusals) -> crate::Error {
    let (denials, _) = refusals.denials();
    if matches!(errno, Errno::ROFS | Errno::PERM) && !denials.is_empty() {
        return denials.into();
    }
    failed(verb, path, errno)
}

/// As [`error`], for what no mount can refuse.
pub(super) fn failed(verb: &str, path: &str, errno: Errno) -> crate::Error {
    let path: String = path.chars().take(MAX_SHOWN).collect();
    let why = std::io::Error::from(errno).kind();
    crate::Error::new(kind_of(errno), format!("cannot {verb} {path:?}: {why}")).with_source(errno)
}

fn kind_of(errno: Errno) -> crate::Kind {
    match errno {
        Errno::NOENT | Errno::NOTDIR => crate::Kind::NotFound,
        Errno::ROFS | Errno::PERM | Errno::ACCESS => crate::Kind::Denied,
        Errno::EXIST | Errno::NOTEMPTY | Errno::BUSY | Errno::ISDIR | Errno::AGAIN => crate::Kind::Conflict,
        Errno::DQUOT | Errno::NOSPC | Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::TOOBIG => {
            crate::Kind::Exhausted
        }
        Errno::INVAL | Errno::NAMETOOLONG | Errno::ILSEQ | Errno::LOOP | Errno::FBIG => crate::Kind::InvalidInput,
        Errno::OPNOTSUPP | Errno::XDEV => crate::Kind::Unsupported,
        _ => crate::Kind::Internal,
    }
}

pub(super) fn open_file(root: &Directory, path: &str, how: OpenHow) -> FsResult<File> {
    match root.open(path, how)? {
        Opened::File(file) => Ok(file),
        Opened::Directory(_) => Err(Errno::ISDIR),
    }
}

/// A file which grows meanwhile is read as far as it went at first.
fn read_whole(file: &File, max_bytes: usize) -> FsResult<Vec<u8>> {
    let size = usize::try_from(file.stat()?.size)
        .ok()
        .filter(|size| *size <= max_bytes);
    let mut bytes = vec![0; size.ok_or(Errno::TOOBIG)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], filled as u64)? {
            0 => break,
            more => filled += more,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn write_whole(file: &File, bytes: &[u8]) -> FsResult<()> {
    let mut written = 0;
    while written < bytes.len() {
        written += file.write_at(&bytes[written..], written as u64)?;
    }
    Ok(())
}

fn create_dir(root: &Directory, path: &str) -> FsResult<()> {
    match root.create_dir(path) {
        Err(Errno::EXIST) if root.stat(path, Follow::Yes)?.kind == Kind::Directory => Ok(()),
        made => made,
    }
}

fn remove_tree(root: &Directory, path: &str) -> FsResult<()> {
    let how = OpenHow {
        directory: true,
        follow: Follow::No,
        ..OPEN
    };
    if let Opened::Directory(directory) = root.open(path, how)? {
        // Refuses what cannot be removed before anything in it is.
        root.check_removable(path)?;
        let place = &directory.0.place;
        let top = place.fd(&directory.0.shared).ok_or(Errno::BUSY)?;
        visit(
            top,
            &mut Removal {
                directory: &directory,
                place,
            },
        )?;
    }
    root.remove_dir(path)
}

/// Removes names as a guest's calls would: charged back, and noted as changes.
struct Removal<'a> {
    directory: &'a Directory,
    place: &'a Place,
}

impl Removal<'_> {
    fn remove(&self, parent: BorrowedFd<'_>, name: &CStr, flags: AtFlags) -> FsResult<()> {
        let shared = &self.directory.0.shared;
        let _names = shared.write_names();
        self.place.made_fd(shared)?;
        let doomed = Doomed::look(shared, || Ok(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.into()))?;
        unlinkat(parent, name, flags)?;
        doomed.settle(shared, self.place);
        shared.mark(
            Stat::from(fstat(parent.as_fd())?).id(),
            self.place,
            Aspect::Entries,
            None,
        );
        Ok(())
    }
}

impl Visitor for Removal<'_> {
    fn leaf(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
        self.remove(parent, name, AtFlags::empty())
    }

    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
        self.remove(parent, name, AtFlags::REMOVEDIR)
    }
}
