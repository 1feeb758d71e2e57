//! Standing somewhere in a tree of any depth, with one descriptor.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;

use super::failure::Io;
use super::node::{Meta, Time};
use super::open::{Access, Opened, meta_of, open_above, open_directory, open_top, touched};

/// A place in a tree which nobody else changes: directories are gone into by name, and left by `..`.
///
/// Directories with a mode that keeps us out have another one while this is in them or below them. They get theirs back
/// when they are left, and when this is dropped.
pub(super) struct Descent {
    access: Access,
    device: u64,
    here: OwnedFd,
    /// That of the top, to that of `here`.
    levels: Vec<Level>,
}

/// A directory on the way down.
pub(super) struct Level {
    pub name: CString,
    pub inode: u64,
    /// As it was when it was gone into.
    pub meta: Meta,
    /// When anything of it changed for the last time, which may have been by going into it.
    pub touched: Time,
    locked: Option<Mode>,
}

impl Descent {
    pub(super) fn start(top: BorrowedFd<'_>, access: Access) -> Io<Self> {
        let opened = open_top(top, access)?;
        Ok(Self {
            access,
            device: opened.stat.st_dev,
            levels: vec![Level::new(c"", &opened)],
            here: opened.fd,
        })
    }

    pub(super) fn here(&self) -> BorrowedFd<'_> {
        self.here.as_fd()
    }

    /// The directory it is in.
    pub(super) fn level(&self) -> &Level {
        self.levels.last().expect("there is always the level of the top")
    }

    /// The file system which the tree is on.
    pub(super) fn device(&self) -> u64 {
        self.device
    }

    /// Goes into a directory. `EXDEV` where something else is mounted.
    pub(super) fn enter(&mut self, name: &CStr) -> Io<()> {
        let opened = open_directory(self.here(), name, self.access)?;
        if opened.stat.st_dev != self.device {
            if let Some(mode) = opened.locked {
                fchmod(&opened.fd, mode)?;
            }
            return Err(Errno::XDEV);
        }
        self.levels.push(Level::new(name, &opened));
        self.here = opened.fd;
        Ok(())
    }

    /// Goes back to the directory above, and gives the one which it left.
    pub(super) fn leave(&mut self) -> Io<OwnedFd> {
        let above = self.levels.iter().rev().nth(1).ok_or(Errno::INVAL)?;
        let above = open_above(self.here(), self.device, above.inode)?;
        self.unlocked_no_more()?;
        self.levels.pop();
        Ok(std::mem::replace(&mut self.here, above))
    }

    /// Gives the directory here its own mode back before it is left.
    pub(super) fn unlocked_no_more(&mut self) -> Io<()> {
        let locked = self.levels.last_mut().and_then(|level| level.locked.take());
        locked.map_or(Ok(()), |mode| fchmod(&self.here, mode))
    }

    /// The path of a name in the directory here; of the directory itself if it is empty.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let names = self.levels.iter().skip(1).map(|level| level.name.to_bytes());
        let all: Vec<_> = names.chain((!name.is_empty()).then_some(name)).collect();
        all.join(&b'/')
    }
}

impl Level {
    fn new(name: &CStr, opened: &Opened) -> Self {
        Self {
            name: name.to_owned(),
            inode: opened.stat.st_ino,
            meta: meta_of(&opened.stat),
            touched: touched(&opened.stat),
            locked: opened.locked,
        }
    }
}

impl Drop for Descent {
    fn drop(&mut self) {
        // Nothing is left to do about an error here; what stopped us is reported already.
        while self.levels.iter().any(|level| level.locked.is_some()) {
            let done = match self.levels.len() {
                1 => self.unlocked_no_more(),
                _ => self.leave().map(drop),
            };
            if done.is_err() {
                return;
            }
        }
    }
}
