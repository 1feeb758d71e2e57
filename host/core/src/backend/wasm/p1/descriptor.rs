//! Functions on an open descriptor which move no content.

use super::Call;
use super::error::{Error, Result};
use super::layout::{self, FileType};
use super::rights::Rights;
use super::table::{Descriptors, Flags, Object};
use crate::workspace::{Errno, NewTime, Sync};

/// The highest value of `advice`.
const LAST_ADVICE: u32 = 5;

/// Values of `whence`.
const FROM_START: u32 = 0;
const FROM_HERE: u32 = 1;
const FROM_END: u32 = 2;

/// Advice is checked and not followed.
pub(super) fn fd_advise(call: &mut Call<'_>, fd: u32, _offset: u64, _length: u64, advice: u32) -> Result {
    if advice > LAST_ADVICE {
        return Err(Errno::INVAL.into());
    }
    call.descriptors.file(fd, Rights::FD_ADVISE).map(drop)
}

pub(super) fn fd_allocate(call: &mut Call<'_>, fd: u32, offset: u64, length: u64) -> Result {
    let file = call.descriptors.file(fd, Rights::FD_ALLOCATE)?;
    if length == 0 {
        return Err(Errno::INVAL.into());
    }
    offset.checked_add(length).ok_or(Errno::FBIG)?;
    Ok(file.allocate(offset, length)?)
}

pub(super) fn fd_close(call: &mut Call<'_>, fd: u32) -> Result {
    call.descriptors.remove(fd).map(drop)
}

pub(super) fn fd_renumber(call: &mut Call<'_>, from: u32, to: u32) -> Result {
    call.descriptors.renumber(from, to)
}

pub(super) async fn fd_datasync(call: &mut Call<'_>, fd: u32) -> Result {
    sync(call, fd, Rights::FD_DATASYNC, Sync::Data).await
}

pub(super) async fn fd_sync(call: &mut Call<'_>, fd: u32) -> Result {
    sync(call, fd, Rights::FD_SYNC, Sync::All).await
}

async fn sync(call: &mut Call<'_>, fd: u32, right: Rights, what: Sync) -> Result {
    let descriptor = call.descriptors.get(fd)?;
    match &descriptor.object {
        Object::File { file, .. } => {
            descriptor.require(right)?;
            Ok(file.sync(what).await?)
        }
        Object::Directory { directory, .. } => {
            descriptor.require(right)?;
            Ok(directory.sync().await?)
        }
        Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::INVAL.into()),
    }
}

pub(super) fn fd_fdstat_get(call: &mut Call<'_>, fd: u32, stat: u32) -> Result {
    let descriptor = call.descriptors.get(fd)?;
    let file_type = match &descriptor.object {
        Object::Stdin => stream_type(call.process.job.stdin.is_terminal()),
        Object::Stdout => stream_type(call.process.outputs().stdout().is_terminal()),
        Object::Stderr => stream_type(call.process.outputs().stderr().is_terminal()),
        Object::File { .. } => FileType::RegularFile,
        Object::Directory { .. } => FileType::Directory,
    };
    call.memory.put(
        stat,
        &layout::fdstat(file_type, descriptor.flags, descriptor.base, descriptor.inheriting),
    )
}

fn stream_type(is_terminal: bool) -> FileType {
    if is_terminal {
        FileType::CharacterDevice
    } else {
        FileType::Unknown
    }
}

pub(super) fn fd_fdstat_set_flags(call: &mut Call<'_>, fd: u32, flags: u32) -> Result {
    let flags = Flags::parse(flags)?;
    let descriptor = call.descriptors.get_mut(fd)?;
    descriptor.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    descriptor.flags = flags;
    Ok(())
}

/// Rights can only be given up.
pub(super) fn fd_fdstat_set_rights(call: &mut Call<'_>, fd: u32, base: u64, inheriting: u64) -> Result {
    let descriptor = call.descriptors.get_mut(fd)?;
    let (base, inheriting) = (Rights::from_bits(base), Rights::from_bits(inheriting));
    if !descriptor.base.contains(base) || !descriptor.inheriting.contains(inheriting) {
        return Err(Error::NotCapable);
    }
    descriptor.base = base;
    descriptor.inheriting = inheriting;
    Ok(())
}

/// Asks for no right, as `fd_seek` and `fd_tell` do not: programs open files for writing alone and look at them so.
pub(super) fn fd_filestat_get(call: &mut Call<'_>, fd: u32, stat: u32) -> Result {
    let descriptor = call.descriptors.get(fd)?;
    let stream = |inode, is_terminal| layout::stream_filestat(inode, stream_type(is_terminal));
    let filestat = match &descriptor.object {
        Object::Stdin => stream(0, call.process.job.stdin.is_terminal()),
        Object::Stdout => stream(1, call.process.outputs().stdout().is_terminal()),
        Object::Stderr => stream(2, call.process.outputs().stderr().is_terminal()),
        Object::File { file, .. } => {
            let stat = file.stat()?;
            layout::filestat(&stat, file.identity(&stat))
        }
        Object::Directory { directory, .. } => {
            let stat = directory.own_stat()?;
            layout::filestat(&stat, directory.identity(&stat))
        }
    };
    call.memory.put(stat, &filestat)
}

pub(super) fn fd_filestat_set_size(call: &mut Call<'_>, fd: u32, size: u64) -> Result {
    Ok(call
        .descriptors
        .file(fd, Rights::FD_FILESTAT_SET_SIZE)?
        .set_size(size)?)
}

pub(super) fn fd_filestat_set_times(call: &mut Call<'_>, fd: u32, accessed: u64, modified: u64, flags: u32) -> Result {
    let (accessed, modified) = new_times(call, accessed, modified, flags)?;
    let descriptor = call.descriptors.get(fd)?;
    match &descriptor.object {
        Object::File { file, .. } => {
            descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(file.set_times(accessed, modified)?)
        }
        Object::Directory { directory, .. } => {
            descriptor.require(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(directory.own_set_times(accessed, modified)?)
        }
        Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::BADF.into()),
    }
}

/// What `fstflags` ask for; now is what the guest's clock says.
pub(super) fn new_times(call: &Call<'_>, accessed: u64, modified: u64, flags: u32) -> Result<(NewTime, NewTime)> {
    let (accessed, modified) = layout::new_times(accessed, modified, flags)?;
    Ok(call.process.clocks.file_times(accessed, modified))
}

pub(super) fn fd_prestat_get(call: &mut Call<'_>, fd: u32, prestat: u32) -> Result {
    let name = preopen(call.descriptors, fd)?;
    let length = u32::try_from(name.len()).map_err(|_| Errno::OVERFLOW)?;
    call.memory.put(prestat, &layout::prestat(length))
}

pub(super) fn fd_prestat_dir_name(call: &mut Call<'_>, fd: u32, name: u32, length: u32) -> Result {
    let preopen = preopen(call.descriptors, fd)?;
    if preopen.len() > length as usize {
        return Err(Errno::NAMETOOLONG.into());
    }
    call.memory.put(name, preopen.as_bytes())
}

fn preopen(descriptors: &Descriptors, fd: u32) -> Result<&str> {
    match &descriptors.get(fd)?.object {
        Object::Directory {
            preopen: Some(name), ..
        } => Ok(name),
        _ => Err(Errno::BADF.into()),
    }
}

pub(super) fn fd_seek(call: &mut Call<'_>, fd: u32, offset: i64, whence: u32, position: u32) -> Result {
    call.memory.check(position, 8)?;
    let file = call.descriptors.file(fd, Rights::NONE)?;
    let base = match whence {
        FROM_START => 0,
        FROM_HERE => current_position(call, fd)?,
        FROM_END => file.stat()?.size,
        _ => return Err(Errno::INVAL.into()),
    };
    let new = base
        .checked_add_signed(offset)
        .filter(|new| i64::try_from(*new).is_ok())
        .ok_or(Errno::INVAL)?;
    if let Object::File { position, .. } = &mut call.descriptors.get_mut(fd)?.object {
        *position = new;
    }
    call.memory.put_u64(position, new)
}

pub(super) fn fd_tell(call: &mut Call<'_>, fd: u32, position: u32) -> Result {
    let current = current_position(call, fd)?;
    call.memory.put_u64(position, current)
}

fn current_position(call: &Call<'_>, fd: u32) -> Result<u64> {
    match call.descriptors.get(fd)?.object {
        Object::File { position, .. } => Ok(position),
        _ => Err(Errno::BADF.into()),
    }
}
