//! Making, moving and removing names in directories.
//!
//! All of it happens under one lock in each workspace, so that what is charged is what is there.

use std::borrow::Cow;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, linkat, mkdirat, renameat, symlinkat, unlinkat};

use super::changes::Aspect;
use super::directory::{Directory, Follow};
use super::inode::Inode;
use super::path::check_text;
use super::place::{Place, read_link, stat_at};
use super::stat::{Kind, Stat};
use super::walk::{AtEnd, Found};
use super::{Errno, FsResult, Shared};
use crate::limits::Limit;

/// A name which was not there when it was looked up, in a directory that may be changed.
struct NewName<'p> {
    parent: Place,
    parent_path: Option<Arc<str>>,
    name: Cow<'p, str>,
    path: Option<Arc<str>>,
}

/// A name which was there when it was looked up, in a directory that may be changed.
struct OldName<'p> {
    parent: Place,
    parent_path: Option<Arc<str>>,
    name: Cow<'p, str>,
    stat: Stat,
}

/// What a name stands for which is about to go.
pub(super) struct Doomed {
    stat: Stat,
    /// Where the file is open; its bytes stay charged then.
    inode: Option<Arc<Inode>>,
}

impl Directory {
    pub(crate) fn create_dir(&self, path: &str) -> FsResult<()> {
        let new = self.new_name(path, Kind::Directory)?;
        self.make(&new, Aspect::Entries, |fd, name| {
            mkdirat(fd, name, Mode::from_raw_mode(0o777))
        })
    }

    /// Makes a symbolic link. Its target may be anything: it is looked at when it is followed.
    pub(crate) fn symlink(&self, target: &str, path: &str) -> FsResult<()> {
        check_text(target)?;
        let new = self.new_name(path, Kind::Symlink)?;
        self.make(&new, Aspect::Content, |fd, name| symlinkat(target, fd, name))
    }

    /// Gives a file, or a link that is not followed, another name.
    pub(crate) fn hard_link(&self, from: &str, follow: Follow, to_dir: &Self, to: &str) -> FsResult<()> {
        self.check_same_workspace(to_dir)?;
        let mut walk = self.walk(from)?;
        let (parent, name) = match walk.find(follow.into())? {
            Found::Missing { .. } => return Err(Errno::NOENT),
            Found::Here(_) | Found::Covered(_) => return Err(Errno::PERM),
            Found::Entry { stat, .. } if stat.kind == Kind::Directory => return Err(Errno::PERM),
            Found::Entry { parent, name, .. } => (parent, name),
        };
        let new = to_dir.new_name(to, Kind::File)?;
        self.check_writable(&walk, &parent, &name)?;
        check_same_mount(&parent, &new.parent)?;
        to_dir.make(&new, Aspect::Metadata, |fd, new_name| {
            let from = parent.fd(&self.0.shared).ok_or(Errno::NOENT)?;
            linkat(from, &*name, fd, new_name, AtFlags::empty())
        })
    }

    pub(crate) fn remove_dir(&self, path: &str) -> FsResult<()> {
        let old = self.old_name(path, Errno::INVAL)?;
        if old.stat.kind != Kind::Directory {
            return Err(Errno::NOTDIR);
        }
        self.remove(&old, AtFlags::REMOVEDIR)
    }

    /// Removes a name which is not that of a directory.
    pub(crate) fn unlink(&self, path: &str) -> FsResult<()> {
        let old = match self.old_name(path, Errno::ISDIR) {
            Err(Errno::BUSY) => return Err(Errno::ISDIR),
            old => old?,
        };
        if old.stat.kind == Kind::Directory {
            return Err(Errno::ISDIR);
        }
        self.remove(&old, AtFlags::empty())
    }

    /// Moves a name, in place of what has the new name already where POSIX allows that.
    pub(crate) fn rename(&self, from: &str, to_dir: &Self, to: &str) -> FsResult<()> {
        self.check_same_workspace(to_dir)?;
        let old = self.old_name(from, Errno::BUSY)?;
        let target = to_dir.rename_target(to, &old)?;
        check_same_mount(&old.parent, &target.parent)?;
        let shared = &self.0.shared;
        let _names = shared.write_names();
        let from_fd = old.parent.made_fd(shared)?;
        let to_fd = target.parent.made_fd(shared)?;
        let moved = stat_at(from_fd, &old.name)?;
        let replaced = Doomed::look(shared, || stat_at(to_fd, &target.name)).ok();
        if replaced
            .as_ref()
            .is_some_and(|replaced| replaced.stat.id() == moved.id())
        {
            // Two names of one file: POSIX has nothing happen.
            return Ok(());
        }
        renameat(from_fd, &*old.name, to_fd, &*target.name)?;
        if let Some(replaced) = replaced {
            replaced.settle(shared, &target.parent);
        }
        shared.mark(moved.id(), &target.parent, Aspect::Metadata, target.path.clone());
        shared.mark_place(&old.parent, Aspect::Entries, old.parent_path.clone())?;
        shared.mark_place(&target.parent, Aspect::Entries, target.parent_path.clone())
    }

    /// The target of a symbolic link; `EINVAL` if it is none, `EILSEQ` if the target is not UTF-8.
    pub(crate) fn read_link(&self, path: &str) -> FsResult<String> {
        match self.walk(path)?.find(AtEnd::Stay)? {
            Found::Here(_) | Found::Covered(_) => Err(Errno::INVAL),
            Found::Missing { .. } => Err(Errno::NOENT),
            Found::Entry { parent, name, .. } => read_link(parent.fd(&self.0.shared).ok_or(Errno::NOENT)?, &name),
        }
    }

    /// Fails as [`remove_dir`](Self::remove_dir) would, whatever is in the directory.
    pub(super) fn check_removable(&self, path: &str) -> FsResult<()> {
        self.old_name(path, Errno::INVAL).map(drop)
    }

    fn new_name<'p>(&self, path: &'p str, kind: Kind) -> FsResult<NewName<'p>> {
        let mut walk = self.walk(path)?;
        let Found::Missing { parent, name } = walk.find(AtEnd::Name)? else {
            return Err(Errno::EXIST);
        };
        if kind != Kind::Directory && walk.has_trailing_slash() {
            return Err(Errno::NOENT);
        }
        let path = self.check_writable(&walk, &parent, &name)?;
        Ok(NewName {
            parent,
            parent_path: walk.path(),
            name,
            path,
        })
    }

    /// `dot` is the error for a path which ends in `.` or `..`.
    fn old_name<'p>(&self, path: &'p str, dot: Errno) -> FsResult<OldName<'p>> {
        let mut walk = self.walk(path)?;
        match walk.find(AtEnd::Name)? {
            Found::Here(_) => Err(dot),
            Found::Covered(_) => Err(Errno::BUSY),
            Found::Missing { .. } => Err(Errno::NOENT),
            Found::Entry { parent, name, stat } => {
                self.check_writable(&walk, &parent, &name)?;
                Ok(OldName {
                    parent,
                    parent_path: walk.path(),
                    name,
                    stat,
                })
            }
        }
    }

    fn rename_target<'p>(&self, path: &'p str, old: &OldName<'_>) -> FsResult<NewName<'p>> {
        let mut walk = self.walk(path)?;
        let (parent, name) = match walk.find(AtEnd::Name)? {
            Found::Here(_) | Found::Covered(_) => return Err(Errno::BUSY),
            Found::Entry { parent, name, .. } | Found::Missing { parent, name } => (parent, name),
        };
        if old.stat.kind != Kind::Directory && walk.has_trailing_slash() {
            return Err(Errno::NOTDIR);
        }
        let path = self.check_writable(&walk, &parent, &name)?;
        Ok(NewName {
            parent,
            parent_path: walk.path(),
            name,
            path,
        })
    }

    fn make(
        &self,
        new: &NewName<'_>,
        aspect: Aspect,
        make: impl FnOnce(BorrowedFd<'_>, &str) -> FsResult<()>,
    ) -> FsResult<()> {
        let shared = &self.0.shared;
        let _names = shared.write_names();
        let fd = new.parent.made_fd(shared)?;
        self.with_new_name(&new.parent, new.parent_path.clone(), || make(fd, &new.name))?;
        shared.mark(stat_at(fd, &new.name)?.id(), &new.parent, aspect, new.path.clone());
        Ok(())
    }

    /// Charges for a name which `make` makes in `parent`. The caller has the lock on names.
    pub(super) fn with_new_name<T>(
        &self,
        parent: &Place,
        parent_path: Option<Arc<str>>,
        make: impl FnOnce() -> FsResult<T>,
    ) -> FsResult<T> {
        let shared = &self.0.shared;
        let files = &shared.table.mount(parent.mount().ok_or(Errno::ROFS)?).files;
        files.take(1).map_err(|_| {
            self.0.record.refusals.hit(Limit::Files);
            Errno::DQUOT
        })?;
        let made = make().inspect_err(|_| files.give(1))?;
        shared.mark_place(parent, Aspect::Entries, parent_path)?;
        Ok(made)
    }

    fn remove(&self, old: &OldName<'_>, flags: AtFlags) -> FsResult<()> {
        let shared = &self.0.shared;
        let _names = shared.write_names();
        let fd = old.parent.made_fd(shared)?;
        let doomed = Doomed::look(shared, || stat_at(fd, &old.name))?;
        unlinkat(fd, &*old.name, flags)?;
        doomed.settle(shared, &old.parent);
        shared.mark_place(&old.parent, Aspect::Entries, old.parent_path.clone())
    }

    fn check_same_workspace(&self, other: &Self) -> FsResult<()> {
        if Arc::ptr_eq(&self.0.shared, &other.0.shared) {
            Ok(())
        } else {
            Err(Errno::XDEV)
        }
    }
}

impl Doomed {
    /// Looks at what a name stands for. The caller has the lock on names, and keeps it until the name is gone.
    pub(super) fn look(shared: &Shared, stat: impl Fn() -> FsResult<Stat>) -> FsResult<Self> {
        let first = stat()?;
        let inode = shared.inodes.get(first.id());
        // The last writer may have been at work between the two lines above; now there is none.
        let stat = if inode.is_none() { stat()? } else { first };
        Ok(Self { stat, inode })
    }

    /// Gives back what the name cost, and the bytes of the file if nothing leads to it any more.
    pub(super) fn settle(self, shared: &Shared, parent: &Place) {
        let Some(mount) = parent.mount().map(|mount| shared.table.mount(mount)) else {
            return;
        };
        mount.files.give(1);
        if self.stat.kind != Kind::Directory && self.stat.links > 1 {
            return shared.mark(self.stat.id(), parent, Aspect::Metadata, None);
        }
        if let Some(inode) = self.inode {
            return inode.mark_unlinked();
        }
        shared.changes.forget(self.stat.id());
        if self.stat.kind == Kind::File {
            mount.disk.give(self.stat.size);
        }
    }
}

fn check_same_mount(from: &Place, to: &Place) -> FsResult<()> {
    if from.mount() == to.mount() {
        Ok(())
    } else {
        Err(Errno::XDEV)
    }
}
