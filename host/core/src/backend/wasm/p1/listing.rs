//! `fd_readdir`.

use super::Call;
use super::error::Result;
use super::layout;
use super::rights::Rights;
use super::table::Object;
use crate::workspace::{Directory, Entry, Errno};

/// Fills the buffer with entries from `cookie` on; the last one is cut off where the buffer ends, which tells the guest
/// that there is more. The entries are those at the time of the first call, until a call with cookie 0 lists anew.
pub(super) async fn fd_readdir(
    call: &mut Call<'_>,
    fd: u32,
    buffer: u32,
    length: u32,
    cookie: u64,
    used: u32,
) -> Result {
    call.memory.check(used, 4)?;
    let bytes = call.memory.bytes_mut(buffer, length)?;
    let descriptor = call.descriptors.get_mut(fd)?;
    let allowed = descriptor.require(Rights::FD_READDIR);
    let Object::Directory { directory, listing, .. } = &mut descriptor.object else {
        return Err(Errno::NOTDIR.into());
    };
    allowed?;
    if cookie == 0 {
        // The old one is given back first, as both may not fit the sandbox's memory.
        *listing = None;
    }
    let listing = match listing {
        Some(listing) => listing,
        None => listing.insert(directory.list_in_slices().await?),
    };
    let first = usize::try_from(cookie).unwrap_or(usize::MAX);
    let filled = fill(
        bytes,
        directory,
        (first..listing.len()).map_while(|index| Some((index, listing.get(index)?))),
    );
    call.process.meter().charge_bytes(filled);
    call.memory
        .put_u32(used, u32::try_from(filled).map_err(|_| Errno::OVERFLOW)?)
}

/// How many bytes of `buffer` it filled.
fn fill<'a>(buffer: &mut [u8], directory: &Directory, entries: impl Iterator<Item = (usize, Entry<'a>)>) -> usize {
    let mut filled = 0;
    for (index, entry) in entries {
        // Names on Linux have at most 255 bytes.
        let name_length = u32::try_from(entry.name.len()).unwrap_or(u32::MAX);
        let header = layout::dirent(index as u64 + 1, directory.inode_of(&entry), name_length, entry.kind);
        for part in [&header[..], entry.name.as_bytes()] {
            let room = &mut buffer[filled..];
            let fits = part.len().min(room.len());
            room[..fits].copy_from_slice(&part[..fits]);
            filled += fits;
        }
        if filled == buffer.len() {
            break;
        }
    }
    filled
}
