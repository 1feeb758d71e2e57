//! Files, symlinks, modes and times, written as they are in a store.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, ftruncate, futimens, openat, symlinkat,
    utimensat,
};
use rustix::io::{Errno, pwrite};

use super::contents::{BLOCK, is_zero};
use super::failure::{Io, Shown, failed};
use super::node::{Blobs, CHUNK, Chunks, Content, File, Meta, Time};
use crate::{Error, Kind, Result};

/// A place for messages: a function, for a path is rarely needed.
pub(super) type Path<'a> = &'a dyn Fn() -> Vec<u8>;

/// Makes a file which is not there.
pub(super) fn make_file(
    directory: BorrowedFd<'_>,
    name: &CStr,
    (file, meta): (&File, &Meta),
    blobs: &impl Blobs,
    path: Path<'_>,
) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = openat(directory, name, flags, Mode::RUSR | Mode::WUSR);
    let fd = made.map_err(|errno| failed("make", &path(), errno))?;
    fill(fd.as_fd(), file, blobs, path)?;
    set_meta(fd.as_fd(), meta).map_err(|errno| failed("make", &path(), errno))
}

/// Makes a symlink which is not there.
pub(super) fn make_symlink(directory: BorrowedFd<'_>, name: &CStr, target: &[u8], modified: Time) -> Io<()> {
    symlinkat(target, directory, name)?;
    utimensat(directory, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW)
}

/// Sets the mode and the time of a file or directory. Nothing may be written afterwards.
pub(super) fn set_meta(fd: BorrowedFd<'_>, meta: &Meta) -> Io<()> {
    fchmod(fd, Mode::from_raw_mode(meta.mode))?;
    // The kernel leaves this bit out without a word if the group is none of ours.
    if meta.mode & 0o2000 != 0 && fstat(fd)?.st_mode & 0o2000 == 0 {
        return Err(Errno::PERM);
    }
    futimens(fd, &times(meta.modified))
}

/// Writes the contents of a file. One with holes must be empty before; a longer one has to be cut afterwards.
pub(super) fn fill(fd: BorrowedFd<'_>, file: &File, blobs: &impl Blobs, path: Path<'_>) -> Result<()> {
    let output = Output {
        fd,
        sparse: file.sparse,
        path,
    };
    match &file.content {
        Content::Empty if file.size == 0 => return Ok(()),
        Content::Empty => return Err(output.corrupt()),
        Content::Whole(digest) => {
            let bytes = blobs.get(digest)?;
            if bytes.len() as u64 != file.size {
                return Err(output.corrupt());
            }
            output.write(&bytes, 0)?;
        }
        Content::Chunked(digest) => output.chunks(&Chunks::get(blobs, digest)?, file.size, blobs)?,
    }
    if file.sparse {
        ftruncate(fd, file.size).map_err(|errno| failed("write", &path(), errno))?;
    }
    Ok(())
}

struct Output<'a> {
    fd: BorrowedFd<'a>,
    sparse: bool,
    path: Path<'a>,
}

impl Output<'_> {
    fn chunks(&self, chunks: &Chunks, size: u64, blobs: &impl Blobs) -> Result<()> {
        let count = chunks.runs.iter().try_fold(0_u64, |sum, run| sum.checked_add(run.1));
        if count != Some(size.div_ceil(CHUNK as u64)) {
            return Err(self.corrupt());
        }
        let mut at = 0;
        for (digest, times) in &chunks.runs {
            let bytes = blobs.get(digest)?;
            let expected = CHUNK as u64 * times.saturating_sub(1) + bytes.len() as u64;
            let is_last = at + expected == size;
            if *times == 0 || bytes.len() > CHUNK || (bytes.len() < CHUNK && !(*times == 1 && is_last)) {
                return Err(self.corrupt());
            }
            if !(self.sparse && is_zero(&bytes)) {
                (0..*times).try_for_each(|index| self.write(&bytes, at + index * CHUNK as u64))?;
            }
            at += expected;
        }
        if at == size { Ok(()) } else { Err(self.corrupt()) }
    }

    /// Writes what is not zero, or all of it where there are to be no holes.
    fn write(&self, bytes: &[u8], at: u64) -> Result<()> {
        if !self.sparse {
            return self.write_all(bytes, at);
        }
        let mut start = 0;
        for run in bytes
            .chunks(BLOCK)
            .collect::<Vec<_>>()
            .chunk_by(|one, other| is_zero(one) == is_zero(other))
        {
            let length: usize = run.iter().map(|block| block.len()).sum();
            if !is_zero(run[0]) {
                self.write_all(&bytes[start..start + length], at + start as u64)?;
            }
            start += length;
        }
        Ok(())
    }

    fn write_all(&self, mut bytes: &[u8], mut at: u64) -> Result<()> {
        while !bytes.is_empty() {
            let written = match pwrite(self.fd, bytes, at) {
                Err(Errno::INTR) => 0,
                Ok(0) => return Err(failed("write", &(self.path)(), Errno::NOSPC)),
                written => written.map_err(|errno| failed("write", &(self.path)(), errno))?,
            };
            bytes = &bytes[written..];
            at += written as u64;
        }
        Ok(())
    }

    fn corrupt(&self) -> Error {
        let message = format!("what is stored of {} does not have its size", Shown(&(self.path)()));
        Error::new(Kind::Corrupt, message)
    }
}

fn times(modified: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified.seconds,
            tv_nsec: modified.nanoseconds.into(),
        },
    }
}
