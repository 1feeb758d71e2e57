//! What the handles of `wasi:filesystem` stand for, and what their flags and records mean to the workspace.

use std::time::{Duration, SystemTime};

use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use super::bindings::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};
use crate::workspace::{
    Create, Directory, File, Follow, FsResult, Identity, Kind, Listing, NewTime, OpenHow, Opened, Stat, Sync as Extent,
};

/// An open file or directory of one component.
pub struct Descriptor {
    pub(super) opened: Opened,
    /// What `get-flags` answers.
    pub(super) flags: DescriptorFlags,
}

impl Descriptor {
    /// A directory which the component is given at its start.
    pub(super) fn preopen(directory: Directory) -> Self {
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        Self::new(Opened::Directory(directory), flags)
    }

    /// `flags` are what was asked for; only what the opened thing allows is kept.
    ///
    /// Leaving `mutate-directory` out does not make a directory read-only: the preview-1 adapter never asks for it
    /// and changes directories all the same. Its mount decides.
    pub(super) fn new(opened: Opened, flags: DescriptorFlags) -> Self {
        let refused = match &opened {
            Opened::Directory(directory) if directory.is_writable() => DescriptorFlags::empty(),
            Opened::File(_) | Opened::Directory(_) => DescriptorFlags::MUTATE_DIRECTORY,
        };
        Self {
            opened,
            flags: flags & !refused,
        }
    }

    pub(super) fn file(&self) -> Result<&File, ErrorCode> {
        match &self.opened {
            Opened::File(file) => Ok(file),
            Opened::Directory(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    pub(super) fn readable(&self) -> Result<&File, ErrorCode> {
        match &self.opened {
            Opened::File(file) if self.flags.contains(DescriptorFlags::READ) => Ok(file),
            Opened::File(_) => Err(ErrorCode::BadDescriptor),
            Opened::Directory(_) => Err(ErrorCode::IsDirectory),
        }
    }

    pub(super) fn writable(&self) -> Result<&File, ErrorCode> {
        let file = self.file()?;
        if self.flags.contains(DescriptorFlags::WRITE) {
            Ok(file)
        } else {
            Err(ErrorCode::BadDescriptor)
        }
    }

    pub(super) fn directory(&self) -> Result<&Directory, ErrorCode> {
        match &self.opened {
            Opened::Directory(directory) => Ok(directory),
            Opened::File(_) => Err(ErrorCode::NotDirectory),
        }
    }

    pub(super) fn stat(&self) -> FsResult<Stat> {
        match &self.opened {
            Opened::File(file) => file.stat(),
            Opened::Directory(directory) => directory.own_stat(),
        }
    }

    pub(super) fn identity(&self) -> FsResult<Identity> {
        let stat = self.stat()?;
        Ok(match &self.opened {
            Opened::File(file) => file.identity(&stat),
            Opened::Directory(directory) => directory.identity(&stat),
        })
    }

    /// What must be on the disk before a write to it counts as done.
    pub(super) fn synced_by_writes(&self) -> Option<Extent> {
        if self.flags.contains(DescriptorFlags::FILE_INTEGRITY_SYNC) {
            Some(Extent::All)
        } else if self.flags.contains(DescriptorFlags::DATA_INTEGRITY_SYNC) {
            Some(Extent::Data)
        } else {
            None
        }
    }
}

/// The entries of a directory as they were when the stream was made, without `.` and `..`.
pub struct Entries {
    listing: Listing,
    next: usize,
}

impl Entries {
    pub(super) fn new(listing: Listing) -> Self {
        Self { listing, next: 0 }
    }
}

impl Iterator for Entries {
    type Item = DirectoryEntry;

    fn next(&mut self) -> Option<DirectoryEntry> {
        loop {
            let entry = self.listing.get(self.next)?;
            self.next += 1;
            if entry.name != "." && entry.name != ".." {
                return Some(DirectoryEntry {
                    type_: type_of(entry.kind),
                    name: entry.name.to_owned(),
                });
            }
        }
    }
}

/// How `open-at` opens, and the flags of the descriptor if what it opens is a file.
///
/// As in wasmtime-wasi: `create` and `truncate` imply `write`, and whoever does not write reads.
pub(super) fn open_how(
    path: PathFlags,
    open: OpenFlags,
    asked: DescriptorFlags,
) -> Result<(OpenHow, DescriptorFlags), ErrorCode> {
    let changes = OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let directory = open.contains(OpenFlags::DIRECTORY);
    if directory && open.intersects(changes | OpenFlags::EXCLUSIVE) {
        return Err(ErrorCode::Invalid);
    }
    let mut flags = asked;
    if !asked.contains(DescriptorFlags::WRITE) {
        flags |= DescriptorFlags::READ;
    }
    if open.intersects(changes) {
        flags |= DescriptorFlags::WRITE;
    }
    let how = OpenHow {
        read: flags.contains(DescriptorFlags::READ),
        write: flags.contains(DescriptorFlags::WRITE),
        create: match (open.contains(OpenFlags::CREATE), open.contains(OpenFlags::EXCLUSIVE)) {
            (true, true) => Create::New,
            (true, false) => Create::IfMissing,
            (false, _) => Create::Never,
        },
        truncate: open.contains(OpenFlags::TRUNCATE),
        directory,
        follow: follow(path),
    };
    Ok((how, flags))
}

pub(super) fn follow(flags: PathFlags) -> Follow {
    if flags.contains(PathFlags::SYMLINK_FOLLOW) {
        Follow::Yes
    } else {
        Follow::No
    }
}

/// An offset or a size, which the workspace's files count in 63 bits.
pub(super) fn position(offset: u64) -> Result<u64, ErrorCode> {
    i64::try_from(offset).map(|_| offset).map_err(|_| ErrorCode::Invalid)
}

pub(super) fn new_time(time: NewTimestamp) -> Result<NewTime, ErrorCode> {
    Ok(match time {
        NewTimestamp::NoChange => NewTime::Keep,
        NewTimestamp::Now => NewTime::Now,
        NewTimestamp::Timestamp(time) => NewTime::At(system_time(time)?),
    })
}

fn system_time(time: Datetime) -> Result<SystemTime, ErrorCode> {
    Duration::from_secs(time.seconds)
        .checked_add(Duration::from_nanos(time.nanoseconds.into()))
        .and_then(|since_epoch| SystemTime::UNIX_EPOCH.checked_add(since_epoch))
        .ok_or(ErrorCode::Overflow)
}

/// `None` for a time before the epoch, which a `datetime` cannot say.
fn datetime(time: SystemTime) -> Option<Datetime> {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime {
        seconds: since_epoch.as_secs(),
        nanoseconds: since_epoch.subsec_nanos(),
    })
}

pub(super) fn descriptor_stat(stat: &Stat) -> DescriptorStat {
    DescriptorStat {
        type_: type_of(stat.kind),
        link_count: stat.links,
        size: stat.size,
        data_access_timestamp: datetime(stat.accessed),
        data_modification_timestamp: datetime(stat.modified),
        status_change_timestamp: datetime(stat.changed),
    }
}

fn type_of(kind: Kind) -> DescriptorType {
    match kind {
        Kind::File => DescriptorType::RegularFile,
        Kind::Directory => DescriptorType::Directory,
        Kind::Symlink => DescriptorType::SymbolicLink,
        Kind::Other => DescriptorType::Unknown,
    }
}

/// Of the identity alone: guests and the preview-1 adapter take this for the number of an inode.
pub(super) fn metadata_hash(identity: Identity) -> MetadataHashValue {
    let identity = (u128::from(identity.device) << 64) | u128::from(identity.inode);
    let hash = blake3::hash(&identity.to_le_bytes());
    let half = |at: usize| std::array::from_fn(|index| hash.as_bytes()[at + index]);
    MetadataHashValue {
        lower: u64::from_le_bytes(half(0)),
        upper: u64::from_le_bytes(half(8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags_of(open: OpenFlags, asked: DescriptorFlags) -> DescriptorFlags {
        open_how(PathFlags::empty(), open, asked)
            .expect("a sound combination")
            .1
    }

    #[test]
    fn who_does_not_write_reads_and_who_creates_writes() {
        let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
        let none = DescriptorFlags::empty();
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        for (open, asked, flags) in [
            (OpenFlags::empty(), none, read),
            (OpenFlags::empty(), read, read),
            (OpenFlags::empty(), write, write),
            (OpenFlags::empty(), read | write, read | write),
            (OpenFlags::EXCLUSIVE, none, read),
            (create, none, read | write),
            (create, read, read | write),
            (create, write, write),
            (OpenFlags::TRUNCATE, read, read | write),
        ] {
            assert_eq!(flags_of(open, asked), flags, "{open:?} {asked:?}");
        }
    }

    #[test]
    fn exclusive_means_something_only_with_create() {
        for (open, create) in [
            (OpenFlags::empty(), Create::Never),
            (OpenFlags::EXCLUSIVE, Create::Never),
            (OpenFlags::CREATE, Create::IfMissing),
            (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, Create::New),
        ] {
            let (how, _) = open_how(PathFlags::empty(), open, DescriptorFlags::READ).expect("sound");
            assert_eq!(how.create, create, "{open:?}");
        }
    }

    #[test]
    fn a_directory_is_neither_created_nor_truncated_by_opening_it() {
        for change in [OpenFlags::CREATE, OpenFlags::EXCLUSIVE, OpenFlags::TRUNCATE] {
            let opened = open_how(PathFlags::empty(), OpenFlags::DIRECTORY | change, DescriptorFlags::READ);
            assert_eq!(opened.err(), Some(ErrorCode::Invalid), "{change:?}");
        }
    }

    #[test]
    fn absurd_offsets_are_invalid() {
        assert_eq!(position(i64::MAX as u64), Ok(i64::MAX as u64));
        assert_eq!(position(i64::MAX as u64 + 1), Err(ErrorCode::Invalid));
        assert_eq!(position(u64::MAX), Err(ErrorCode::Invalid));
    }

    #[test]
    fn absurd_times_neither_panic_nor_wrap() {
        for seconds in [u64::MAX, u64::MAX - 1, i64::MAX as u64 + 1] {
            let time = Datetime {
                seconds,
                nanoseconds: u32::MAX,
            };
            assert_eq!(system_time(time), Err(ErrorCode::Overflow), "{seconds}");
        }
        let carried = system_time(Datetime {
            seconds: 1,
            nanoseconds: 2_500_000_000,
        });
        assert_eq!(carried, Ok(SystemTime::UNIX_EPOCH + Duration::from_millis(3500)));
        assert_eq!(
            datetime(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).map(|time| time.seconds),
            None
        );
    }
}
