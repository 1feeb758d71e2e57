//! One pack: a file of records, which grows at its end and is otherwise never changed.
//!
//! It begins with a header, twice, since without the key in it nothing else can be read:
//!
//! ```text
//!  0  magic      8   "PALPACK1"
//!  8  number     8
//! 16  key       32   random
//! 48  check     16   blake3 of the 48 bytes before
//! ```

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::record::{HEADER, Header, Key, MAGIC};
use crate::{Digest, Error, Kind, Result};

const PACK_MAGIC: &[u8; 8] = b"PALPACK1";
const COPY: usize = 64;

/// Where the first record is.
pub(super) const START: u64 = 2 * COPY as u64;

/// Bytes which are looked through at a time for the next record after damage.
const WINDOW: usize = 1 << 20;

/// The number of a pack; each is used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PackId(pub u64);

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Location {
    pub pack: PackId,
    pub offset: u64,
    /// Of the whole record.
    pub length: u32,
}

#[derive(Debug)]
pub(super) struct Pack {
    id: PackId,
    key: Key,
    file: File,
}

/// What is at some place of a pack.
#[derive(Debug)]
pub(super) enum Item {
    Record {
        offset: u64,
        header: Header,
    },
    /// Bytes which are no record, up to the next one or the end.
    Damage {
        from: u64,
        to: u64,
    },
}

impl Pack {
    /// Makes the file, and writes the header. Neither is on the disk before they are synced.
    pub(super) fn create(path: &Path, id: PackId) -> Result<Self> {
        let failed = |error| Error::io(format_args!("cannot make {path:?}"), error);
        let key: Key = rand::random();
        let file = options().write(true).create_new(true).open(path).map_err(failed)?;
        let mut header = [0; COPY];
        header[..8].copy_from_slice(PACK_MAGIC);
        header[8..16].copy_from_slice(&id.0.to_le_bytes());
        header[16..48].copy_from_slice(&key);
        let check = Digest::of(&header[..48]);
        header[48..].copy_from_slice(&check.as_bytes()[..16]);
        file.write_all_at(&[header, header].concat(), 0).map_err(|error| {
            // A full disk has room for a name, but not for this. The next attempt takes the same name.
            let _ = std::fs::remove_file(path);
            failed(error)
        })?;
        Ok(Self { id, key, file })
    }

    /// Opens one that is there. `None` where its header was never written, or both copies are damaged.
    pub(super) fn open(path: &Path, id: PackId) -> Result<Option<Self>> {
        let failed = |error| Error::io(format_args!("cannot open {path:?}"), error);
        let file = options().write(true).open(path).map_err(failed)?;
        let mut copies = [0; 2 * COPY];
        let length = read_up_to(&file, &mut copies, 0).map_err(failed)?;
        let key = copies[..length].chunks_exact(COPY).find_map(|copy| key_of(copy, id));
        Ok(key.map(|key| Self { id, key, file }))
    }

    pub(super) fn id(&self) -> PackId {
        self.id
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|error| self.failed("look at", error))?;
        Ok(metadata.len())
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| self.failed("write to", error))
    }

    /// Returns once all that was written is on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| self.failed("sync", error))
    }

    /// Removes what is from `length` on.
    pub(super) fn cut(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.failed("cut", error))
    }

    /// The record at `location`, verified: its header and its content.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where it is damaged, or there is none.
    pub(super) fn read(&self, location: Location) -> Result<(Header, Vec<u8>)> {
        let mut bytes = vec![0; location.length as usize];
        let length = read_up_to(&self.file, &mut bytes, location.offset).map_err(|error| self.failed("read", error))?;
        self.decode(&bytes[..length], location.offset)
    }

    /// A record of this pack, verified.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where `bytes` are none that was written at `offset`.
    pub(super) fn decode(&self, bytes: &[u8], offset: u64) -> Result<(Header, Vec<u8>)> {
        let header = Header::decode(bytes, &self.key, offset);
        let content = header.and_then(|header| Some((header, header.content(&bytes[HEADER..])?)));
        content.ok_or_else(|| self.damaged(offset))
    }

    /// What is at `offset`: `None` at the end.
    pub(super) fn look(&self, offset: u64, end: u64) -> Result<Option<Item>> {
        if offset >= end {
            return Ok(None);
        }
        let mut bytes = [0; HEADER];
        let length = read_up_to(&self.file, &mut bytes, offset).map_err(|error| self.failed("read", error))?;
        let item = match Header::decode(&bytes[..length], &self.key, offset) {
            Some(header) if offset + u64::from(header.length()) <= end => Item::Record { offset, header },
            _ => Item::Damage {
                from: offset,
                to: self.next_record(offset + 1, end)?,
            },
        };
        Ok(Some(item))
    }

    /// Where the first whole record at or after `offset` is; `end` where there is none.
    fn next_record(&self, mut offset: u64, end: u64) -> Result<u64> {
        let mut window = vec![0; WINDOW + HEADER - 1];
        while offset < end {
            let length = read_up_to(&self.file, &mut window, offset).map_err(|error| self.failed("read", error))?;
            let window = &window[..length];
            for start in 0..length.min(WINDOW) {
                let at = offset + start as u64;
                if !window[start..].starts_with(&MAGIC) {
                    continue;
                }
                match Header::decode(&window[start..], &self.key, at) {
                    Some(header) if at + u64::from(header.length()) <= end => return Ok(at),
                    _ => {}
                }
            }
            offset += WINDOW as u64;
        }
        Ok(end)
    }

    pub(super) fn damaged(&self, offset: u64) -> Error {
        let message = format!("pack {} is damaged at offset {offset}", self.id.0);
        Error::new(Kind::Corrupt, message)
    }

    fn failed(&self, doing: &str, error: std::io::Error) -> Error {
        Error::io(format_args!("cannot {doing} pack {}", self.id.0), error)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NOFOLLOW.bits();
    options.read(true).mode(0o600).custom_flags(flags.cast_signed());
    options
}

fn key_of(copy: &[u8], id: PackId) -> Option<Key> {
    let whole = copy[..8] == *PACK_MAGIC && copy[48..] == Digest::of(&copy[..48]).as_bytes()[..16];
    (whole && copy[8..16] == id.0.to_le_bytes())
        .then(|| copy[16..].first_chunk().copied())
        .flatten()
}

/// Reads until `bytes` is full or the file ends, and returns how much.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read_at(&mut bytes[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
