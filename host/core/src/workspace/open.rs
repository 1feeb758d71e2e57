//! Opening files and directories by path.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat};

use super::changes::Aspect;
use super::denials::deny_missing;
use super::directory::{Directory, Follow, Handles};
use super::file::{File, Handle};
use super::mounts::STEP;
use super::place::{Body, Place};
use super::stat::{Kind, Stat};
use super::walk::{AtEnd, Found, Walk};
use super::{Errno, FsResult};
use crate::limits::{Lease, Limit};

/// How often a path is looked up anew because others change it meanwhile.
const MAX_TRIES: usize = 16;

/// Whether opening a file may, or must, make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    Never,
    IfMissing,
    New,
}

/// What to open, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenHow {
    pub read: bool,
    pub write: bool,
    pub create: Create,
    pub truncate: bool,
    /// Only a directory will do.
    pub directory: bool,
    pub follow: Follow,
}

impl OpenHow {
    fn changes_content(&self) -> bool {
        self.write || self.truncate
    }

    fn at_end(&self) -> AtEnd {
        match self.create {
            Create::New => AtEnd::Name,
            Create::Never | Create::IfMissing => self.follow.into(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Opened {
    File(File),
    Directory(Directory),
}

impl Directory {
    /// Opens a regular file or a directory; anything else is refused with `EOPNOTSUPP`, without touching it.
    pub(crate) fn open(&self, path: &str, how: OpenHow) -> FsResult<Opened> {
        if how.directory && (how.create != Create::Never || how.truncate) {
            return Err(Errno::INVAL);
        }
        for _ in 0..MAX_TRIES {
            if let Some(opened) = self.try_open(path, how)? {
                return Ok(opened);
            }
        }
        Err(Errno::AGAIN)
    }

    /// `None` if what was looked up was gone, or there already, at the moment of opening.
    fn try_open(&self, path: &str, how: OpenHow) -> FsResult<Option<Opened>> {
        let mut walk = self.walk(path)?;
        let found = walk.find(how.at_end()).inspect_err(|_| self.note_missing(&walk, how))?;
        match found {
            Found::Here(place) | Found::Covered(place) => {
                check_directory(how)?;
                self.hand_out(place, walk.path()).map(Some)
            }
            Found::Entry { parent, name, stat } => match stat.kind {
                _ if how.create == Create::New => Err(Errno::EXIST),
                Kind::Directory => {
                    check_directory(how)?;
                    self.open_directory(&walk, &parent, &name).map(Some)
                }
                Kind::File if how.directory => Err(Errno::NOTDIR),
                Kind::File => self.open_file(&walk, &parent, &name, how),
                Kind::Symlink => Err(Errno::LOOP),
                Kind::Other => Err(Errno::OPNOTSUPP),
            },
            Found::Missing { parent, name } if how.create == Create::Never => {
                if how.directory && parent.is_guest_root() {
                    let path = format!("/{name}");
                    deny_missing(&self.0.record.refusals, &path, &path);
                }
                Err(Errno::NOENT)
            }
            Found::Missing { .. } if walk.has_trailing_slash() => Err(Errno::ISDIR),
            Found::Missing { parent, name } => self.create_file(&walk, &parent, &name, how),
        }
    }

    /// A place to make something in is no missing mount; one to read from may be.
    fn note_missing(&self, walk: &Walk<'_, '_>, how: OpenHow) {
        if let (Some((directory, path)), Create::Never) = (walk.missing_from_root(), how.create) {
            deny_missing(&self.0.record.refusals, &path, directory);
        }
    }

    fn open_directory(&self, walk: &Walk<'_, '_>, parent: &Place, name: &str) -> FsResult<Opened> {
        let (Some(fd), Some(mount)) = (parent.fd(&self.0.shared), parent.mount()) else {
            return Err(Errno::NOENT);
        };
        let below = openat(fd, name, STEP, Mode::empty())?;
        let path = walk.child_path(name);
        self.hand_out(
            Place {
                node: None,
                body: Body::Below(mount, Arc::new(below)),
            },
            path,
        )
    }

    fn hand_out(&self, place: Place, path: Option<Arc<str>>) -> FsResult<Opened> {
        let lease = self.lease_handle()?;
        Ok(Opened::Directory(self.beside(place, path, lease)))
    }

    fn open_file(&self, walk: &Walk<'_, '_>, parent: &Place, name: &str, how: OpenHow) -> FsResult<Option<Opened>> {
        if how.changes_content() {
            self.check_writable(walk, parent, name)?;
        }
        let lease = self.lease_handle()?;
        let names = self.0.shared.read_names();
        let fd = parent.fd(&self.0.shared).ok_or(Errno::NOENT)?;
        let fd = match openat(fd, name, file_flags(how), Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP | Errno::ISDIR) => return Ok(None),
            opened => opened?,
        };
        let file = self.handle(fd, parent, walk.child_path(name), how, lease)?;
        drop(names);
        if how.truncate {
            file.truncate(0)?;
        }
        Ok(Some(Opened::File(file)))
    }

    fn create_file(&self, walk: &Walk<'_, '_>, parent: &Place, name: &str, how: OpenHow) -> FsResult<Option<Opened>> {
        let path = self.check_writable(walk, parent, name)?;
        let lease = self.lease_handle()?;
        let _names = self.0.shared.write_names();
        let directory = parent.made_fd(&self.0.shared)?;
        let flags = file_flags(how) | OFlags::CREATE | OFlags::EXCL;
        let made = self.with_new_name(parent, walk.path(), || {
            openat(directory, name, flags, Mode::from_raw_mode(0o666))
        });
        let fd = match made {
            Err(Errno::EXIST) => return Ok(None),
            made => made?,
        };
        self.0
            .shared
            .mark(Stat::from(fstat(&fd)?).id(), parent, Aspect::Content, path.clone());
        self.handle(fd, parent, path, how, lease).map(Opened::File).map(Some)
    }

    /// The caller has the lock on names, so that a file cannot lose its last name before it is in the table.
    fn handle(
        &self,
        fd: OwnedFd,
        parent: &Place,
        path: Option<Arc<str>>,
        how: OpenHow,
        lease: Option<Lease>,
    ) -> FsResult<File> {
        let stat = Stat::from(fstat(&fd)?);
        if stat.kind != Kind::File {
            return Err(Errno::OPNOTSUPP);
        }
        let shared = &self.0.shared;
        let mount = parent.mount().ok_or(Errno::NOENT)?;
        let inode = shared.inodes.enter(shared, &fd, stat.id(), mount, path.clone())?;
        let record = Arc::clone(&self.0.record);
        Ok(File::new(Handle {
            inode,
            fd,
            read: how.read,
            write: how.write,
            path,
            record,
            access: self.0.access,
            _lease: lease,
        }))
    }

    fn lease_handle(&self) -> FsResult<Option<Lease>> {
        match self.0.handles {
            Handles::Free => Ok(None),
            Handles::Counted => self.0.shared.budgets.handles.lease(1).map(Some).map_err(|_| {
                self.0.record.refusals.hit(Limit::Handles);
                Errno::MFILE
            }),
        }
    }
}

fn check_directory(how: OpenHow) -> FsResult<()> {
    match how.create {
        Create::New => Err(Errno::EXIST),
        Create::IfMissing => Err(Errno::ISDIR),
        Create::Never if how.changes_content() => Err(Errno::ISDIR),
        Create::Never => Ok(()),
    }
}

/// Never through a link, and never waiting for the other end of a pipe or for a terminal.
fn file_flags(how: OpenHow) -> OFlags {
    let access = match (how.read, how.changes_content()) {
        (_, false) => OFlags::RDONLY,
        (false, true) => OFlags::WRONLY,
        (true, true) => OFlags::RDWR,
    };
    access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY
}
