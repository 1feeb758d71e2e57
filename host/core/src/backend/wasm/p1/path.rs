//! Functions which take a path, always below an open directory.

use super::Call;
use super::error::{Error, Result};
use super::rights::Rights;
use super::table::{Descriptor, Flags, Object};
use super::{descriptor, layout};
use crate::workspace::{Create, Directory, Errno, Follow, OpenHow, Opened};

/// Bits of `oflags`.
const CREATE: u32 = 1;
const DIRECTORY: u32 = 1 << 1;
const EXCLUSIVE: u32 = 1 << 2;
const TRUNCATE: u32 = 1 << 3;

pub(super) fn path_create_directory(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Result {
    let (directory, path) = lookup(call, fd, Rights::PATH_CREATE_DIRECTORY, path, length)?;
    Ok(directory.create_dir(path)?)
}

pub(super) fn path_filestat_get(
    call: &mut Call<'_>,
    fd: u32,
    lookup_flags: u32,
    path: u32,
    length: u32,
    stat: u32,
) -> Result {
    let follow = follow(lookup_flags)?;
    let (directory, path) = lookup(call, fd, Rights::PATH_FILESTAT_GET, path, length)?;
    let found = directory.stat(path, follow)?;
    let filestat = layout::filestat(&found, directory.identity(&found));
    call.memory.put(stat, &filestat)
}

#[expect(clippy::too_many_arguments, reason = "the ABI has them")]
pub(super) fn path_filestat_set_times(
    call: &mut Call<'_>,
    fd: u32,
    lookup_flags: u32,
    path: u32,
    length: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result {
    let follow = follow(lookup_flags)?;
    let (accessed, modified) = descriptor::new_times(call, accessed, modified, flags)?;
    let (directory, path) = lookup(call, fd, Rights::PATH_FILESTAT_SET_TIMES, path, length)?;
    Ok(directory.set_times(path, follow, accessed, modified)?)
}

#[expect(clippy::too_many_arguments, reason = "the ABI has them")]
pub(super) fn path_link(
    call: &mut Call<'_>,
    from_fd: u32,
    lookup_flags: u32,
    from: u32,
    from_length: u32,
    to_fd: u32,
    to: u32,
    to_length: u32,
) -> Result {
    let follow = follow(lookup_flags)?;
    let (from_directory, from) = lookup(call, from_fd, Rights::PATH_LINK_SOURCE, from, from_length)?;
    let (to_directory, to) = lookup(call, to_fd, Rights::PATH_LINK_TARGET, to, to_length)?;
    Ok(from_directory.hard_link(from, follow, to_directory, to)?)
}

#[expect(clippy::too_many_arguments, reason = "the ABI has them")]
pub(super) fn path_open(
    call: &mut Call<'_>,
    fd: u32,
    lookup_flags: u32,
    path: u32,
    length: u32,
    open_flags: u32,
    base: u64,
    inheriting: u64,
    flags: u32,
    opened: u32,
) -> Result {
    // A descriptor whose number cannot be told would be lost to the guest.
    call.memory.check(opened, 4)?;
    let follow = follow(lookup_flags)?;
    let flags = Flags::parse(flags)?;
    let (base, inheriting) = (Rights::from_bits(base), Rights::from_bits(inheriting));
    let how = open_how(open_flags, base, follow)?;
    let (directory, path) = lookup(call, fd, needed_to_open(how), path, length)?;
    if !call.descriptors.get(fd)?.inheriting.contains(base | inheriting) {
        return Err(Error::NotCapable);
    }
    let descriptor = match directory.open(path, how)? {
        Opened::File(file) => Descriptor {
            object: Object::File { file, position: 0 },
            base: base & Rights::FILE,
            inheriting: Rights::NONE,
            flags,
        },
        Opened::Directory(directory) => Descriptor {
            object: Object::Directory {
                directory,
                preopen: None,
                listing: None,
            },
            base: base & Rights::DIRECTORY,
            inheriting,
            flags,
        },
    };
    let number = call.descriptors.insert(descriptor);
    call.memory.put_u32(opened, number)
}

fn open_how(open_flags: u32, base: Rights, follow: Follow) -> Result<OpenHow> {
    if open_flags & !(CREATE | DIRECTORY | EXCLUSIVE | TRUNCATE) != 0 {
        return Err(Errno::INVAL.into());
    }
    let directory = open_flags & DIRECTORY != 0;
    if directory && open_flags != DIRECTORY {
        return Err(Errno::INVAL.into());
    }
    let truncate = open_flags & TRUNCATE != 0;
    // Truncating takes a file that is open for writing, whatever the guest may do with it afterwards.
    let write = truncate || base.contains(Rights::FD_WRITE);
    let create = match (open_flags & CREATE != 0, open_flags & EXCLUSIVE != 0) {
        (false, _) => Create::Never,
        (true, false) => Create::IfMissing,
        (true, true) => Create::New,
    };
    Ok(OpenHow {
        read: !write || base.contains(Rights::FD_READ),
        write,
        create,
        truncate,
        directory,
        follow,
    })
}

fn needed_to_open(how: OpenHow) -> Rights {
    let create = if how.create == Create::Never {
        Rights::NONE
    } else {
        Rights::PATH_CREATE_FILE
    };
    let truncate = if how.truncate {
        Rights::PATH_FILESTAT_SET_SIZE
    } else {
        Rights::NONE
    };
    Rights::PATH_OPEN | create | truncate
}

/// A target longer than the buffer is cut off, as POSIX does it.
pub(super) fn path_readlink(
    call: &mut Call<'_>,
    fd: u32,
    path: u32,
    length: u32,
    buffer: u32,
    room: u32,
    used: u32,
) -> Result {
    let (directory, path) = lookup(call, fd, Rights::PATH_READLINK, path, length)?;
    let target = directory.read_link(path)?;
    let part = &target.as_bytes()[..target.len().min(room as usize)];
    call.memory.put(buffer, part)?;
    call.memory
        .put_u32(used, u32::try_from(part.len()).map_err(|_| Errno::OVERFLOW)?)
}

pub(super) fn path_remove_directory(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Result {
    let (directory, path) = lookup(call, fd, Rights::PATH_REMOVE_DIRECTORY, path, length)?;
    Ok(directory.remove_dir(path)?)
}

pub(super) fn path_rename(
    call: &mut Call<'_>,
    from_fd: u32,
    from: u32,
    from_length: u32,
    to_fd: u32,
    to: u32,
    to_length: u32,
) -> Result {
    let (from_directory, from) = lookup(call, from_fd, Rights::PATH_RENAME_SOURCE, from, from_length)?;
    let (to_directory, to) = lookup(call, to_fd, Rights::PATH_RENAME_TARGET, to, to_length)?;
    Ok(from_directory.rename(from, to_directory, to)?)
}

/// Links to absolute paths can be followed but not made: preview 1 has no root that they could begin at.
pub(super) fn path_symlink(
    call: &mut Call<'_>,
    target: u32,
    target_length: u32,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let target = call.memory.path(target, target_length)?;
    let (directory, path) = lookup(call, fd, Rights::PATH_SYMLINK, path, length)?;
    if target.starts_with('/') {
        return Err(Errno::PERM.into());
    }
    Ok(directory.symlink(target, path)?)
}

pub(super) fn path_unlink_file(call: &mut Call<'_>, fd: u32, path: u32, length: u32) -> Result {
    let (directory, path) = lookup(call, fd, Rights::PATH_UNLINK_FILE, path, length)?;
    Ok(directory.unlink(path)?)
}

/// The directory that a path begins at, and the path.
fn lookup<'a>(call: &'a Call<'_>, fd: u32, rights: Rights, path: u32, length: u32) -> Result<(&'a Directory, &'a str)> {
    let directory = call.descriptors.directory(fd, rights)?;
    Ok((directory, call.memory.path(path, length)?))
}

fn follow(lookup_flags: u32) -> Result<Follow> {
    match lookup_flags {
        0 => Ok(Follow::No),
        1 => Ok(Follow::Yes),
        _ => Err(Errno::INVAL.into()),
    }
}
