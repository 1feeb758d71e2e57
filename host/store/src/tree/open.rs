//! Opening what a guest wrote, whatever modes it left, and listing it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, chmodat, fchmod, fstat, openat, openat2, statat,
};
use rustix::io::Errno;

use super::failure::Io;
use super::node::{Meta, Time};

/// One name, which neither is a symlink nor has something mounted over it.
const ONE_NAME: ResolveFlags = ResolveFlags::NO_SYMLINKS
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Bytes of names asked for at a time.
const LISTED: usize = 32 << 10;

/// What a directory is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To list it, and to open what is in it.
    Read,
    /// To make and remove names in it as well.
    Change,
}

/// A directory which can be worked with.
pub(super) struct Opened {
    pub fd: OwnedFd,
    pub stat: Stat,
    /// The mode it has to get back, where it had one that kept us out.
    pub locked: Option<Mode>,
}

/// A name in a directory.
pub(super) struct Found {
    pub name: CString,
    pub kind: FileType,
}

impl Access {
    fn mode(self) -> Mode {
        match self {
            Self::Read => Mode::RUSR | Mode::XUSR,
            Self::Change => Mode::RWXU,
        }
    }
}

/// Opens a directory. `EXDEV` if another file system is mounted there.
pub(super) fn open_directory(parent: BorrowedFd<'_>, name: &CStr, access: Access) -> Io<Opened> {
    let (fd, locked) = open_or_unlock(parent, name, DIRECTORY, access.mode())?;
    unlock_directory(fd, locked, access)
}

/// Opens a directory again that somebody else opened, maybe only as a path.
pub(super) fn open_top(top: BorrowedFd<'_>, access: Access) -> Io<Opened> {
    let mut locked = None;
    let fd = match openat(top, ".", DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) => {
            locked = Some(Mode::from_raw_mode(fstat(top)?.st_mode));
            set_mode_of_path(top, Mode::RWXU)?;
            openat(top, ".", DIRECTORY, Mode::empty())?
        }
        opened => opened?,
    };
    unlock_directory(fd, locked, access)
}

/// The directory above one, which has to be that of `device` and `inode`.
pub(super) fn open_above(below: BorrowedFd<'_>, device: u64, inode: u64) -> Io<OwnedFd> {
    let above = openat(below, "..", DIRECTORY, Mode::empty())?;
    let stat = fstat(&above)?;
    if (stat.st_dev, stat.st_ino) == (device, inode) {
        Ok(above)
    } else {
        Err(Errno::STALE)
    }
}

/// Opens a file, never waiting for it. What it is has to be checked.
///
/// A mode which is in the way is changed and put back before this returns.
pub(super) fn open_file(parent: BorrowedFd<'_>, name: &CStr, access: Access) -> Io<(OwnedFd, Stat)> {
    let (way, needed) = match access {
        Access::Read => (OFlags::RDONLY, Mode::RUSR),
        Access::Change => (OFlags::WRONLY, Mode::WUSR),
    };
    let flags = way | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let (fd, locked) = open_or_unlock(parent, name, flags, needed)?;
    if let Some(mode) = locked {
        fchmod(&fd, mode)?;
    }
    let stat = fstat(&fd)?;
    Ok((fd, stat))
}

/// What a name is. It need not be one which can be opened.
pub(super) fn stat_of(parent: BorrowedFd<'_>, name: &CStr) -> Io<Stat> {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn meta_of(stat: &Stat) -> Meta {
    Meta {
        mode: stat.st_mode & 0o7777,
        modified: modified(stat),
    }
}

pub(super) fn modified(stat: &Stat) -> Time {
    Time {
        seconds: stat.st_mtime,
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
    }
}

/// When anything of it changed for the last time; nobody can set that.
pub(super) fn touched(stat: &Stat) -> Time {
    Time {
        seconds: stat.st_ctime,
        nanoseconds: u32::try_from(stat.st_ctime_nsec).unwrap_or_default(),
    }
}

/// Calls `each` with every name in a directory which was not listed by this descriptor before.
pub(super) fn list(directory: BorrowedFd<'_>, mut each: impl FnMut(Found)) -> Io<()> {
    let mut buffer = Vec::with_capacity(LISTED);
    let mut names = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(&stat_of(directory, name)?),
            known => known,
        };
        each(Found {
            name: name.to_owned(),
            kind,
        });
    }
    Ok(())
}

fn unlock_directory(fd: OwnedFd, locked: Option<Mode>, access: Access) -> Io<Opened> {
    let stat = fstat(&fd)?;
    let mode = Mode::from_raw_mode(stat.st_mode);
    let (stat, locked) = match locked {
        Some(was) => (with_mode(stat, was), locked),
        None if mode.contains(access.mode()) => (stat, None),
        None => {
            fchmod(&fd, mode | Mode::RWXU)?;
            (stat, Some(mode))
        }
    };
    Ok(Opened { fd, stat, locked })
}

fn with_mode(mut stat: Stat, mode: Mode) -> Stat {
    stat.st_mode = (stat.st_mode & !0o7777) | mode.as_raw_mode();
    stat
}

/// Opens `name`; if its mode does not let us, it gets `needed` as well, and what it had is returned.
fn open_or_unlock(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags, needed: Mode) -> Io<(OwnedFd, Option<Mode>)> {
    match open(parent, name, flags) {
        Err(Errno::ACCESS) => {}
        opened => return Ok((opened?, None)),
    }
    let itself = open(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
    let mode = Mode::from_raw_mode(fstat(&itself)?.st_mode);
    set_mode_of_path(itself.as_fd(), mode | needed)?;
    match open(parent, name, flags) {
        Ok(fd) => Ok((fd, Some(mode))),
        Err(errno) => {
            set_mode_of_path(itself.as_fd(), mode)?;
            Err(errno)
        }
    }
}

fn open(parent: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Io<OwnedFd> {
    match openat2(parent, name, flags, Mode::empty(), ONE_NAME) {
        // Old kernels and some containers do not have that call.
        Err(Errno::NOSYS | Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// Changes the mode of what a descriptor names, which is possible by this way alone.
fn set_mode_of_path(path: BorrowedFd<'_>, mode: Mode) -> Io<()> {
    let itself = format!("/proc/self/fd/{}", path.as_raw_fd());
    chmodat(CWD, itself, mode, AtFlags::empty())
}
