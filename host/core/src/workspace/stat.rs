//! The attributes of files and directories.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use super::{Errno, FsResult};

/// What kind of thing a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, a socket or a device; it can be listed and removed, but not opened.
    Other,
}

impl From<FileType> for Kind {
    fn from(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

/// The attributes of a file, a directory or a symbolic link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    /// With `inode`, what makes two names the same file. A guest sees its [`Identity`](super::Identity) instead.
    pub(super) device: u64,
    pub(super) inode: u64,
    pub kind: Kind,
    /// How many names it has.
    pub links: u64,
    /// In bytes.
    pub size: u64,
    pub accessed: SystemTime,
    pub modified: SystemTime,
    pub changed: SystemTime,
    /// The permission bits.
    pub mode: u32,
}

impl Stat {
    pub(super) fn id(&self) -> FileId {
        FileId {
            device: self.device,
            inode: self.inode,
        }
    }
}

/// What a file is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl From<rustix::fs::Stat> for Stat {
    #[expect(
        clippy::useless_conversion,
        reason = "the fields' types differ between architectures"
    )]
    fn from(raw: rustix::fs::Stat) -> Self {
        Self {
            device: raw.st_dev.into(),
            inode: raw.st_ino.into(),
            kind: FileType::from_raw_mode(raw.st_mode).into(),
            links: raw.st_nlink.into(),
            size: u64::try_from(raw.st_size).unwrap_or(0),
            accessed: time_from(raw.st_atime.into(), raw.st_atime_nsec.into()),
            modified: time_from(raw.st_mtime.into(), raw.st_mtime_nsec.into()),
            changed: time_from(raw.st_ctime.into(), raw.st_ctime_nsec.into()),
            mode: raw.st_mode & 0o7777,
        }
    }
}

/// What to do with one of a file's times.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewTime {
    Keep,
    Now,
    At(SystemTime),
}

pub(super) fn timestamps(accessed: NewTime, modified: NewTime) -> FsResult<Timestamps> {
    Ok(Timestamps {
        last_access: timespec(accessed)?,
        last_modification: timespec(modified)?,
    })
}

fn timespec(time: NewTime) -> FsResult<Timespec> {
    match time {
        NewTime::Keep => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        }),
        NewTime::Now => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        }),
        NewTime::At(time) => time_to(time),
    }
}

fn time_to(time: SystemTime) -> FsResult<Timespec> {
    let (tv_sec, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).map_err(|_| Errno::OVERFLOW)?,
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).map_err(|_| Errno::OVERFLOW)?;
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                part => (-seconds - 1, 1_000_000_000 - part),
            }
        }
    };
    Ok(Timespec {
        tv_sec,
        tv_nsec: nanoseconds.into(),
    })
}

/// The time that a file system names; one outside of what `SystemTime` holds becomes the epoch.
fn time_from(seconds: i64, nanoseconds: u64) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let part = Duration::from_nanos(nanoseconds);
    let whole = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    whole.and_then(|whole| whole.checked_add(part)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_to_the_kernel_and_back() {
        for (seconds, nanoseconds) in [
            (0, 0),
            (0, 999_999_999),
            (-1, 0),
            (-1, 1),
            (-7, 500_000_000),
            (1 << 34, 1),
        ] {
            let time = time_from(seconds, nanoseconds);
            let spec = time_to(time).unwrap();
            assert_eq!((spec.tv_sec, spec.tv_nsec), (seconds, nanoseconds as i64));
        }
    }

    #[test]
    fn odd_times_do_not_panic() {
        for seconds in [i64::MIN, i64::MIN + 1, i64::MAX] {
            for nanoseconds in [0, 999_999_999, 1_000_000_000, u64::MAX] {
                let _ = time_to(time_from(seconds, nanoseconds));
            }
        }
    }
}
