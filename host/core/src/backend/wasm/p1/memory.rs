//! A guest's memory, every access to it checked.

use std::ops::Range;

use super::error::{Error, Result};
use crate::workspace::Errno;

/// The longest path that Linux takes, in bytes.
const PATH_MAX: u32 = 4096;

pub(super) struct Memory<'a>(&'a mut [u8]);

impl<'a> Memory<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self, at: u32, length: u32) -> Result<&[u8]> {
        self.0.get(range(at, length)?).ok_or(Error::Errno(Errno::FAULT))
    }

    pub(super) fn bytes_mut(&mut self, at: u32, length: u32) -> Result<&mut [u8]> {
        self.0.get_mut(range(at, length)?).ok_or(Error::Errno(Errno::FAULT))
    }

    /// Fails unless a result of `length` bytes can be put there once the call has done its work.
    pub(super) fn check(&self, at: u32, length: u32) -> Result {
        self.bytes(at, length).map(drop)
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Result {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
        self.bytes_mut(at, length)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Result {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Result {
        self.put(at, &value.to_le_bytes())
    }

    /// Text which is a path, or the target of a link.
    pub(super) fn path(&self, at: u32, length: u32) -> Result<&str> {
        if length > PATH_MAX {
            self.check(at, length)?;
            return Err(Errno::NAMETOOLONG.into());
        }
        let path = std::str::from_utf8(self.bytes(at, length)?).map_err(|_| Errno::ILSEQ)?;
        if path.contains('\0') {
            return Err(Errno::INVAL.into());
        }
        Ok(path)
    }

    /// The buffers of a scatter or gather list, all of them checked.
    pub(super) fn buffers(&self, list: u32, count: u32) -> Result<Buffers> {
        Buffers::check(self, list, count)
    }
}

fn range(at: u32, length: u32) -> Result<Range<usize>> {
    // Only a host of 32 bits could overflow here.
    let at = at as usize;
    Ok(at..at.checked_add(length as usize).ok_or(Errno::FAULT)?)
}

/// The most buffers that one call takes, `IOV_MAX` of Linux.
const MAX_BUFFERS: u32 = 1024;

/// A walk over the buffers of one call, and how far it has come.
///
/// The list stays in the guest's memory, where reading into an overlapping buffer may change it, so each entry is checked
/// again when it is used.
pub(super) struct Buffers {
    list: u32,
    count: u32,
    /// Bytes of the first buffer in `list` which are done.
    done: u32,
    moved: u32,
}

impl Buffers {
    const ENTRY: u32 = 8;

    fn check(memory: &Memory<'_>, list: u32, count: u32) -> Result<Self> {
        if count > MAX_BUFFERS {
            return Err(Errno::INVAL.into());
        }
        let mut total = 0u32;
        for entry in memory
            .bytes(list, count * Self::ENTRY)?
            .chunks_exact(Self::ENTRY as usize)
        {
            let (at, length) = parse_entry(entry);
            memory.check(at, length)?;
            total = total.checked_add(length).ok_or(Errno::INVAL)?;
        }
        Ok(Self {
            list,
            count,
            done: 0,
            moved: 0,
        })
    }

    /// Where the next bytes are or go; never empty.
    fn next(&mut self, memory: &Memory<'_>) -> Result<Option<(u32, u32)>> {
        while self.count > 0 {
            let (at, length) = parse_entry(memory.bytes(self.list, Self::ENTRY)?);
            let done = self.done.min(length);
            if done < length {
                return Ok(Some((at.checked_add(done).ok_or(Errno::FAULT)?, length - done)));
            }
            self.list = self.list.saturating_add(Self::ENTRY);
            self.count -= 1;
            self.done = 0;
        }
        Ok(None)
    }

    /// The next bytes to write somewhere.
    pub(super) fn source<'m>(&mut self, memory: &'m Memory<'_>) -> Result<Option<&'m [u8]>> {
        self.next(memory)?
            .map(|(at, length)| memory.bytes(at, length))
            .transpose()
    }

    /// Where the next bytes that are read go.
    pub(super) fn target<'m>(&mut self, memory: &'m mut Memory<'_>) -> Result<Option<&'m mut [u8]>> {
        self.next(memory)?
            .map(|(at, length)| memory.bytes_mut(at, length))
            .transpose()
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.done = self.done.saturating_add(bytes);
        self.moved = self.moved.saturating_add(bytes);
    }

    /// Bytes moved so far.
    pub(super) fn moved(&self) -> u32 {
        self.moved
    }
}

fn parse_entry(entry: &[u8]) -> (u32, u32) {
    let word = |at: usize| {
        entry
            .get(at..at + 4)
            .and_then(|word| word.try_into().ok())
            .map_or(0, u32::from_le_bytes)
    };
    (word(0), word(4))
}

/// A structure of the guest's, field by field; a field outside of it is zero.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0
            .get(at..at + N)
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or([0; N])
    }

    pub(super) fn u8(&self, at: usize) -> u8 {
        u8::from_le_bytes(self.array(at))
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}
