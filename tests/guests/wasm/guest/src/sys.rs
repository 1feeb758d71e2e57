//! What std does not offer on both previews: a few calls to libc and to the machine.
#![expect(
    unsafe_code,
    reason = "foreign functions and raw memory; each call says why it is sound"
)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Whether a link as the last part of a path is followed.
pub enum Links {
    Follow,
    Keep,
}

/// What `stat` tells.
pub struct Status {
    pub kind: &'static str,
    pub size: i64,
    pub links: u64,
    pub identity: (u64, u64),
    pub accessed: Duration,
    pub modified: Duration,
}

pub fn status(path: &str, links: Links) -> io::Result<Status> {
    let path = CString::new(path)?;
    let flags = match links {
        Links::Follow => 0,
        Links::Keep => libc::AT_SYMLINK_NOFOLLOW,
    };
    // SAFETY: a `stat` of zeros is valid, `path` ends with a zero, and both outlive the call.
    let (result, stat) = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstatat(libc::AT_FDCWD, path.as_ptr(), &raw mut stat, flags), stat)
    };
    check(result)?;
    Ok(from_stat(&stat))
}

#[cfg(target_os = "wasi")]
fn from_stat(stat: &libc::stat) -> Status {
    let time = |time: libc::timespec| Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    let (accessed, modified) = (time(stat.st_atim), time(stat.st_mtim));
    let identity = (stat.st_dev, stat.st_ino);
    Status {
        kind: kind(stat),
        size: stat.st_size,
        links: stat.st_nlink,
        identity,
        accessed,
        modified,
    }
}

#[cfg(not(target_os = "wasi"))]
fn from_stat(stat: &libc::stat) -> Status {
    let (accessed, modified) = (stat.st_atime.unsigned_abs(), stat.st_mtime.unsigned_abs());
    let (accessed, modified) = (Duration::from_secs(accessed), Duration::from_secs(modified));
    let identity = (stat.st_dev, stat.st_ino);
    Status {
        kind: kind(stat),
        size: stat.st_size,
        links: stat.st_nlink,
        identity,
        accessed,
        modified,
    }
}

fn kind(stat: &libc::stat) -> &'static str {
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => "file",
        libc::S_IFDIR => "folder",
        libc::S_IFLNK => "link",
        libc::S_IFCHR => "device",
        _ => "other",
    }
}

/// The inode number which a listing of `directory` has for `name`.
pub fn listed_inode(directory: &str, name: &str) -> io::Result<u64> {
    let (directory, name) = (CString::new(directory)?, CString::new(name)?);
    // SAFETY: `directory` ends with a zero, and the stream is open until the end. An entry is valid until the next is
    // read, and its name ends with a zero.
    unsafe {
        let stream = libc::opendir(directory.as_ptr());
        if stream.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut found = Err(io::Error::from_raw_os_error(libc::ENOENT));
        while let Some(entry) = libc::readdir(stream).as_ref() {
            if CStr::from_ptr((&raw const entry.d_name).cast()) == &*name {
                found = Ok(entry.d_ino);
                break;
            }
        }
        libc::closedir(stream);
        found
    }
}

pub fn symlink(target: &str, path: &str) -> io::Result<()> {
    let (target, path) = (CString::new(target)?, CString::new(path)?);
    // SAFETY: both end with a zero and outlive the call.
    check(unsafe { libc::symlink(target.as_ptr(), path.as_ptr()) })
}

/// Not by `link`, for which one of the C libraries has a single buffer for both paths: each name is given in its opened
/// directory.
pub fn hard_link(from: &str, to: &str) -> io::Result<()> {
    let parts = |path: &str| {
        let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
        let directory = if directory.is_empty() { "/" } else { directory };
        io::Result::Ok((File::open(directory)?, CString::new(name)?))
    };
    let ((from_directory, from), (to_directory, to)) = (parts(from)?, parts(to)?);
    // SAFETY: both names end with a zero, and everything outlives the call.
    check(unsafe {
        libc::linkat(
            from_directory.as_raw_fd(),
            from.as_ptr(),
            to_directory.as_raw_fd(),
            to.as_ptr(),
            0,
        )
    })
}

pub fn set_times(path: &str, access: Duration, modification: Duration) -> io::Result<()> {
    let path = CString::new(path)?;
    // SAFETY: a `timespec` of zeros is valid, `path` ends with a zero, and both outlive the call.
    check(unsafe {
        let mut times: [libc::timespec; 2] = std::mem::zeroed();
        for (time, wanted) in times.iter_mut().zip([access, modification]) {
            time.tv_sec = wanted.as_secs().cast_signed();
        }
        libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0)
    })
}

/// Gives a file the time of now, which it leaves to the machine to know.
pub fn touch(path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    // SAFETY: no times stand for now, and `path` ends with a zero and outlives the call.
    check(unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) })
}

/// As `touch`, for an open file.
pub fn touch_open(file: &File) -> io::Result<()> {
    // SAFETY: no times stand for now, and the file is open during the call.
    check(unsafe { libc::futimens(file.as_raw_fd(), std::ptr::null()) })
}

/// The reading of the monotonic clock, which std shows only as differences.
pub fn monotonic() -> Duration {
    // SAFETY: a `timespec` of zeros is valid and outlives the call.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
        time
    };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Adds pages of 64 KiB to the memory and returns them, or `None` when that is refused.
#[cfg(target_arch = "wasm32")]
pub fn grow_memory(pages: usize) -> Option<&'static mut [u8]> {
    use core::arch::wasm32::memory_grow;
    const PAGE_BYTES: usize = 65536;
    let before = memory_grow::<0>(pages);
    // SAFETY: the pages are new, so nothing else refers to them, and memory never shrinks. The allocator leaves alone
    // what it has not grown by itself.
    (before != usize::MAX)
        .then(|| unsafe { std::slice::from_raw_parts_mut((before * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES) })
}

#[cfg(not(target_arch = "wasm32"))]
pub fn grow_memory(_: usize) -> Option<&'static mut [u8]> {
    None
}

pub fn memory_pages() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}

pub fn unreachable() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}

/// Reads where no memory is.
pub fn read_outside() -> ! {
    // SAFETY: unsound on purpose. The address lies beyond any memory below 4 GiB, so WebAssembly traps.
    let byte = unsafe { std::ptr::read_volatile(std::ptr::without_provenance::<u8>(0xffff_fff0)) };
    unreachable!("read {byte} outside of the memory")
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
