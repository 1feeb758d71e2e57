//! Going through whole trees of the host: to count what is there, and to remove it.
//!
//! A guest may have nested directories thousands deep, so this neither recurses nor holds a handle for each level.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmodat, fchmod, fstat, openat, statat, unlinkat};

use super::blocking::on_blocking_thread;
use super::mounts::{Mounted, STEP, Scratch};
use super::stat::{Kind, Stat};
use super::{Errno, FsResult, Workspace};

/// Directories held open at once on the way down.
const MAX_HELD: usize = 64;

/// What is done with each name in a tree.
pub(super) trait Visitor {
    /// A directory, before anything in it.
    fn enter(&mut self, _directory: BorrowedFd<'_>) -> FsResult<()> {
        Ok(())
    }

    /// Anything but a directory.
    fn leaf(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()>;

    /// A directory, after everything in it.
    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()>;
}

struct Level {
    name: CString,
    /// `None` while it is far above.
    held: Option<OwnedFd>,
    /// Directories in it which were not gone through yet.
    left: Vec<CString>,
}

/// Goes through all that is below `top`, the contents of each directory before the directory.
///
/// A directory which is gone when its turn comes is passed over.
pub(super) fn visit(top: BorrowedFd<'_>, visitor: &mut impl Visitor) -> FsResult<()> {
    let Some(mut first) = enter(top, c".", visitor)? else {
        return Ok(());
    };
    let mut levels: Vec<Level> = Vec::new();
    loop {
        let next = levels
            .last_mut()
            .map_or_else(|| first.left.pop(), |level| level.left.pop());
        if let Some(name) = next {
            let Some(parent) = unless_gone(here(top, &mut levels))? else {
                continue;
            };
            let Some(level) = enter(parent, &name, visitor)? else {
                continue;
            };
            levels.push(level);
            if let Some(far) = levels.len().checked_sub(MAX_HELD + 1) {
                levels[far].held = None;
            }
        } else if let Some(done) = levels.pop() {
            drop(done.held);
            if let Some(parent) = unless_gone(here(top, &mut levels))? {
                visitor.leave(parent, &done.name)?;
            }
        } else {
            return Ok(());
        }
    }
}

/// Opens `name`, deals with all leaves in it, and remembers the directories; `None` if it is gone.
fn enter(parent: BorrowedFd<'_>, name: &CStr, visitor: &mut impl Visitor) -> FsResult<Option<Level>> {
    let Some(fd) = unless_gone(open_to_read(parent, name))? else {
        return Ok(None);
    };
    visitor.enter(fd.as_fd())?;
    let mut left = Vec::new();
    for (name, kind) in names(fd.as_fd())? {
        match kind {
            Kind::Directory => left.push(name),
            _ => visitor.leaf(fd.as_fd(), &name)?,
        }
    }
    Ok(Some(Level {
        name: name.to_owned(),
        held: Some(fd),
        left,
    }))
}

/// The directory gone through now, opened again from the top if it is no longer held.
fn here<'a>(top: BorrowedFd<'a>, levels: &'a mut [Level]) -> FsResult<BorrowedFd<'a>> {
    let first_held = levels.len().saturating_sub(MAX_HELD);
    if levels.last().is_some_and(|level| level.held.is_none()) {
        let mut above: Option<OwnedFd> = None;
        for (index, level) in levels.iter_mut().enumerate() {
            let parent = above.as_ref().map_or(top, |fd| fd.as_fd());
            let fd = openat(parent, &level.name, STEP, Mode::empty())?;
            level.held = if index >= first_held {
                Some(fd.try_clone().map_err(|_| Errno::MFILE)?)
            } else {
                None
            };
            above = Some(fd);
        }
    }
    Ok(levels
        .last()
        .and_then(|level| level.held.as_ref())
        .map_or(top, |fd| fd.as_fd()))
}

/// Opens a directory to list it; one that may not even be looked into gets the mode for that.
fn open_to_read(parent: BorrowedFd<'_>, name: &CStr) -> FsResult<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let closed = openat(parent, name, STEP, Mode::empty())?;
            // A handle which only names the directory can change its mode by this way alone.
            let itself = format!("/proc/self/fd/{}", closed.as_raw_fd());
            chmodat(CWD, itself, Mode::RWXU, AtFlags::empty())?;
            openat(parent, name, flags, Mode::empty())
        }
        opened => opened,
    }
}

fn names(directory: BorrowedFd<'_>) -> FsResult<Vec<(CString, Kind)>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut names = Vec::new();
    for entry in Dir::new(openat(directory, ".", flags, Mode::empty())?)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match unless_gone(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW))? {
                Some(stat) => Stat::from(stat).kind,
                None => continue,
            },
            known => known.into(),
        };
        names.push((name.to_owned(), kind));
    }
    Ok(names)
}

/// `None` where there is no such name, or no more.
fn unless_gone<T>(result: FsResult<T>) -> FsResult<Option<T>> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        other => other.map(Some),
    }
}

/// Counts names, and the bytes of files, a file with several names once.
#[derive(Default)]
pub(super) struct Census {
    pub files: u64,
    pub bytes: u64,
    seen: HashSet<(u64, u64)>,
}

impl Visitor for Census {
    fn leaf(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
        let stat = Stat::from(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?);
        self.files += 1;
        if stat.kind == Kind::File && (stat.links == 1 || self.seen.insert((stat.device, stat.inode))) {
            self.bytes += stat.size;
        }
        Ok(())
    }

    fn leave(&mut self, _: BorrowedFd<'_>, _: &CStr) -> FsResult<()> {
        self.files += 1;
        Ok(())
    }
}

/// Removes all, whatever modes directories have, and whoever else removes some of it at the same time.
struct Demolition;

impl Visitor for Demolition {
    fn enter(&mut self, directory: BorrowedFd<'_>) -> FsResult<()> {
        if Stat::from(fstat(directory)?).mode & 0o700 != 0o700 {
            fchmod(directory, Mode::RWXU)
        } else {
            Ok(())
        }
    }

    fn leaf(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
        unless_gone(unlinkat(parent, name, AtFlags::empty())).map(drop)
    }

    fn leave(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
        unless_gone(unlinkat(parent, name, AtFlags::REMOVEDIR)).map(drop)
    }
}

/// Removes the directory `name` and all that is in it. It is no error if it is not there.
pub(crate) fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> FsResult<()> {
    let Some(top) = unless_gone(open_to_read(parent, name))? else {
        return Ok(());
    };
    visit(top.as_fd(), &mut Demolition)?;
    Demolition.leave(parent, name)
}

impl Scratch {
    fn remove(&self) -> FsResult<()> {
        let name = CString::new(self.name.as_str()).map_err(|_| Errno::INVAL)?;
        remove_tree(self.parent.as_fd(), &name)
    }
}

impl Workspace {
    /// Deletes the sandbox's own directories, for good: no handle changes or makes anything in them from now on.
    ///
    /// It returns at once where nothing was ever written. Mounted directories stay as they are. Dropping the future
    /// lets the work run to its end; it can be called again meanwhile, and after an error.
    pub(crate) async fn destroy(&self) -> crate::Result<()> {
        let made = self.shared.close_scratch();
        if made.is_empty() {
            return Ok(());
        }
        on_blocking_thread(move || made.iter().try_for_each(Scratch::remove))
            .await
            .map_err(|errno| {
                crate::Error::new(crate::Kind::Internal, "cannot remove a sandbox's files").with_source(errno)
            })
    }

    pub(super) fn count_existing(&self) -> crate::Result<()> {
        self.shared
            .table
            .mounts()
            .filter(|(_, mount)| mount.scratch().is_some())
            .try_for_each(|(_, mount)| {
                count_mount(mount).map_err(|errno| {
                    let message = format!("cannot count the files at {}", mount.at);
                    crate::Error::new(crate::Kind::Internal, message).with_source(errno)
                })
            })
    }
}

fn count_mount(mount: &Mounted) -> FsResult<()> {
    match mount.open_scratch() {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    }
    if let Some(top) = mount.root() {
        let census = census(top.as_fd())?;
        mount.files.take_existing(census.files);
        mount.disk.take_existing(census.bytes);
    }
    Ok(())
}

/// What is below a directory.
pub(super) fn census(top: BorrowedFd<'_>) -> FsResult<Census> {
    let mut census = Census::default();
    visit(top, &mut census)?;
    Ok(census)
}
