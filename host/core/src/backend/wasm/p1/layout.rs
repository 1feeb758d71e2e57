//! How the ABI lays out the structures that it gives to a guest. What a field does not cover is zero.

use std::time::{Duration, SystemTime};

use super::error::Result;
use super::rights::Rights;
use super::table::Flags;
use crate::workspace::{Errno, Identity, Kind, NewTime, Stat};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FileType {
    Unknown = 0,
    CharacterDevice = 2,
    Directory = 3,
    RegularFile = 4,
    SymbolicLink = 7,
}

impl From<Kind> for FileType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::RegularFile,
            Kind::Directory => Self::Directory,
            Kind::Symlink => Self::SymbolicLink,
            Kind::Other => Self::Unknown,
        }
    }
}

/// A structure of `N` bytes, filled in field by field.
struct Layout<const N: usize>([u8; N]);

impl<const N: usize> Layout<N> {
    fn new() -> Self {
        Self([0; N])
    }

    fn with<const M: usize>(mut self, at: usize, field: [u8; M]) -> Self {
        self.0[at..at + M].copy_from_slice(&field);
        self
    }
}

pub(super) const FILESTAT: u32 = 64;

pub(super) fn filestat(stat: &Stat, identity: Identity) -> [u8; FILESTAT as usize] {
    Layout::new()
        .with(0, identity.device.to_le_bytes())
        .with(8, identity.inode.to_le_bytes())
        .with(16, [FileType::from(stat.kind) as u8])
        .with(24, stat.links.to_le_bytes())
        .with(32, stat.size.to_le_bytes())
        .with(40, timestamp(stat.accessed).to_le_bytes())
        .with(48, timestamp(stat.modified).to_le_bytes())
        .with(56, timestamp(stat.changed).to_le_bytes())
        .0
}

/// What is known about a stream; `inode` tells one from another.
pub(super) fn stream_filestat(inode: u64, file_type: FileType) -> [u8; FILESTAT as usize] {
    Layout::new().with(8, inode.to_le_bytes()).with(16, [file_type as u8]).0
}

pub(super) const FDSTAT: u32 = 24;

pub(super) fn fdstat(file_type: FileType, flags: Flags, base: Rights, inheriting: Rights) -> [u8; FDSTAT as usize] {
    Layout::new()
        .with(0, [file_type as u8])
        .with(2, flags.bits().to_le_bytes())
        .with(8, base.bits().to_le_bytes())
        .with(16, inheriting.bits().to_le_bytes())
        .0
}

/// Only directories are preopened: their tag is 0.
pub(super) fn prestat(name_length: u32) -> [u8; 8] {
    Layout::new().with(4, name_length.to_le_bytes()).0
}

pub(super) const DIRENT: usize = 24;

pub(super) fn dirent(next: u64, inode: u64, name_length: u32, kind: Kind) -> [u8; DIRENT] {
    Layout::new()
        .with(0, next.to_le_bytes())
        .with(8, inode.to_le_bytes())
        .with(16, name_length.to_le_bytes())
        .with(20, [FileType::from(kind) as u8])
        .0
}

pub(super) const EVENT: u32 = 32;

pub(super) fn event(userdata: u64, error: u16, tag: u8, bytes: u64, flags: u16) -> [u8; EVENT as usize] {
    Layout::new()
        .with(0, userdata.to_le_bytes())
        .with(8, error.to_le_bytes())
        .with(10, [tag])
        .with(16, bytes.to_le_bytes())
        .with(24, flags.to_le_bytes())
        .0
}

/// Nanoseconds since the epoch. Moments before it are the epoch, as the ABI has no sign.
fn timestamp(time: SystemTime) -> u64 {
    nanoseconds(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What `fstflags` ask for: new times of the last access and of the last change.
pub(super) fn new_times(accessed: u64, modified: u64, flags: u32) -> Result<(NewTime, NewTime)> {
    if flags & !0b1111 != 0 {
        return Err(Errno::INVAL.into());
    }
    Ok((new_time(accessed, flags)?, new_time(modified, flags >> 2)?))
}

fn new_time(time: u64, flags: u32) -> Result<NewTime> {
    match flags & 0b11 {
        0b00 => Ok(NewTime::Keep),
        0b10 => Ok(NewTime::Now),
        0b01 => {
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(time));
            Ok(NewTime::At(time.ok_or(Errno::OVERFLOW)?))
        }
        _ => Err(Errno::INVAL.into()),
    }
}
