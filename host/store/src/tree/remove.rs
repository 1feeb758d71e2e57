//! Removing whatever a name stands for.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, unlinkat};
use rustix::io::Errno;

use super::descent::Descent;
use super::failure::failed;
use super::open::{Access, list};
use crate::Result;

/// Removes everything in a directory.
pub(crate) fn clear(top: BorrowedFd<'_>) -> Result<()> {
    let mut descent = Descent::start(top, Access::Change).map_err(|errno| failed("open", b"", errno))?;
    let mut found = Vec::new();
    let listed = list(descent.here(), |name| found.push(name.name));
    listed.map_err(|errno| failed("list", b"", errno))?;
    found.iter().try_for_each(|name| remove(&mut descent, name))
}

/// Removes a name in the directory which the descent is in, with all below it. It is no error if it is not there.
///
/// What is mounted below it is not touched, and is a conflict.
pub(super) fn remove(descent: &mut Descent, name: &CStr) -> Result<()> {
    match unlinkat(descent.here(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => remove_directory(descent, name),
        Err(errno) => Err(failed("remove", &descent.path_of(name.to_bytes()), errno)),
    }
}

fn remove_directory(descent: &mut Descent, name: &CStr) -> Result<()> {
    let mut left = vec![enter(descent, name)?];
    while let Some(folder) = left.last_mut() {
        if let Some(next) = folder.pop() {
            let below = enter(descent, &next)?;
            left.push(below);
            continue;
        }
        left.pop();
        let name = descent.level().name.clone();
        let removed = descent
            .leave()
            .and_then(|_| unlinkat(descent.here(), &name, AtFlags::REMOVEDIR));
        removed.map_err(|errno| failed("remove", &descent.path_of(name.to_bytes()), errno))?;
    }
    Ok(())
}

/// Goes into a directory, removes what is in it but for directories, and gives their names.
fn enter(descent: &mut Descent, name: &CStr) -> Result<Vec<CString>> {
    let entered = descent.enter(name);
    entered.map_err(|errno| failed("remove", &descent.path_of(name.to_bytes()), errno))?;
    let mut found = Vec::new();
    let listed = list(descent.here(), |name| found.push(name));
    listed.map_err(|errno| failed("list", &descent.path_of(b""), errno))?;
    let (folders, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.kind == FileType::Directory);
    for other in others {
        let removed = unlinkat(descent.here(), &other.name, AtFlags::empty());
        removed.map_err(|errno| failed("remove", &descent.path_of(other.name.to_bytes()), errno))?;
    }
    Ok(folders.into_iter().map(|folder| folder.name).collect())
}
