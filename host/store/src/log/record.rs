//! The form of a record: a header which says what follows it, then the content, compressed where that makes it smaller.
//!
//! ```text
//!  0  magic       4   "PSR1"
//!  4  kind        1   1 blob, 2 batch
//!  5  encoding    1   0 as it is, 1 zstd
//!  6  zero        2
//!  8  stored      4   bytes which follow the header, little-endian as all numbers
//! 12  raw         4   bytes of the content
//! 16  digest     32   blake3 of the content
//! 48  check       8   keyed blake3 of the 48 bytes before, and of the offset in the pack
//! ```
//!
//! The key is the pack's, random and known to nobody else. So what a guest wrote into a file is never taken for a
//! record, even where a reader has to look for the next one after damage.

use std::borrow::Cow;
use std::cell::RefCell;

use crate::{Digest, Error, Kind, Result};

pub(super) const HEADER: usize = 56;
pub(super) const MAGIC: [u8; 4] = *b"PSR1";

/// The most content of one record.
const MAX: usize = 256 << 20;

/// What is not compressed: it would hardly get smaller.
const SMALL: usize = 64;

/// The secret of one pack.
pub(super) type Key = [u8; 32];

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Content which is found by its digest.
    Blob,
    /// The facts of one commit.
    Batch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: RecordKind,
    encoding: Encoding,
    stored: u32,
    raw: u32,
    pub digest: Digest,
}

/// A record before it has a place.
pub(super) struct Record<'a> {
    header: Header,
    stored: Cow<'a, [u8]>,
}

thread_local! {
    /// Making one takes longer than most of what it is used for.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

impl<'a> Record<'a> {
    /// One of `content`, of which `digest` is the digest.
    pub(super) fn new(kind: RecordKind, digest: Digest, content: &'a [u8]) -> Result<Self> {
        let raw = u32::try_from(content.len()).ok().filter(|_| content.len() <= MAX);
        let raw = raw.ok_or_else(|| {
            let message = format!("a record of {} bytes: there may be {MAX}", content.len());
            Error::new(Kind::InvalidInput, message)
        })?;
        let (encoding, stored) = match compressed(content) {
            Some(smaller) => (Encoding::Zstd, Cow::Owned(smaller)),
            None => (Encoding::Plain, Cow::Borrowed(content)),
        };
        let header = Header {
            kind,
            encoding,
            stored: u32::try_from(stored.len()).unwrap_or(raw),
            raw,
            digest,
        };
        Ok(Self { header, stored })
    }

    /// Appends it to `buffer`, as it is at `offset` of the pack with that key.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, key: &Key, offset: u64) {
        buffer.extend(self.header.encode(key, offset));
        buffer.extend(&*self.stored);
    }
}

impl Header {
    /// Bytes of the whole record.
    pub(super) fn length(&self) -> u32 {
        self.stored + HEADER as u32
    }

    fn encode(&self, key: &Key, offset: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = match self.kind {
            RecordKind::Blob => 1,
            RecordKind::Batch => 2,
        };
        bytes[5] = match self.encoding {
            Encoding::Plain => 0,
            Encoding::Zstd => 1,
        };
        bytes[8..12].copy_from_slice(&self.stored.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.raw.to_le_bytes());
        bytes[16..48].copy_from_slice(self.digest.as_bytes());
        let check = check(&bytes[..48], key, offset);
        bytes[48..].copy_from_slice(&check);
        bytes
    }

    /// The header which was written at `offset` of the pack with that key; `None` where there is none, or a damaged one.
    pub(super) fn decode(bytes: &[u8], key: &Key, offset: u64) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        if bytes[..4] != MAGIC || bytes[48..] != check(&bytes[..48], key, offset) {
            return None;
        }
        Some(Self {
            kind: match bytes[4] {
                1 => RecordKind::Blob,
                2 => RecordKind::Batch,
                _ => return None,
            },
            encoding: match bytes[5] {
                0 => Encoding::Plain,
                1 => Encoding::Zstd,
                _ => return None,
            },
            stored: u32::from_le_bytes(*bytes[8..].first_chunk()?),
            raw: u32::from_le_bytes(*bytes[12..].first_chunk()?),
            digest: Digest::from_bytes(*bytes[16..].first_chunk()?),
        })
    }

    /// The content, from what follows the header; `None` where it is damaged.
    pub(super) fn content(&self, stored: &[u8]) -> Option<Vec<u8>> {
        if stored.len() != self.stored as usize {
            return None;
        }
        let content = match self.encoding {
            Encoding::Plain => stored.to_vec(),
            Encoding::Zstd => decompressed(stored, self.raw as usize)?,
        };
        (content.len() == self.raw as usize && Digest::of(&content) == self.digest).then_some(content)
    }
}

fn check(header: &[u8], key: &Key, offset: u64) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(header).update(&offset.to_le_bytes());
    let mut check = [0; 8];
    hasher.finalize_xof().fill(&mut check);
    check
}

/// `content` in fewer bytes; `None` where it does not get smaller.
fn compressed(content: &[u8]) -> Option<Vec<u8>> {
    if content.len() < SMALL {
        return None;
    }
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = zstd::bulk::Compressor::new(1).ok();
        }
        // A target too small for the result is what says that it is not smaller.
        let mut smaller = vec![0; content.len() - 1];
        let length = compressor.as_mut()?.compress_to_buffer(content, &mut smaller).ok()?;
        smaller.truncate(length);
        Some(smaller)
    })
}

fn decompressed(stored: &[u8], raw: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        if decompressor.is_none() {
            *decompressor = zstd::bulk::Decompressor::new().ok();
        }
        decompressor.as_mut()?.decompress(stored, raw).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [7; 32];

    fn written(content: &[u8], offset: u64) -> Vec<u8> {
        let record = Record::new(RecordKind::Blob, Digest::of(content), content).unwrap();
        let mut bytes = Vec::new();
        record.write(&mut bytes, &KEY, offset);
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let random: Vec<u8> = (0..5000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for content in [&b""[..], b"a", &[b'a'; 100_000], &random] {
            let bytes = written(content, 9);
            let header = Header::decode(&bytes, &KEY, 9).unwrap();
            assert_eq!(header.length() as usize, bytes.len());
            assert_eq!(header.content(&bytes[HEADER..]).unwrap(), content);
        }
        assert!(written(&[b'a'; 100_000], 9).len() < 200);
    }

    #[test]
    fn a_flipped_bit_is_noticed_unless_it_changes_nothing() {
        for content in [&b"some words"[..], &[b'a'; 1000]] {
            let bytes = written(content, 0);
            for bit in 0..bytes.len() * 8 {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let read = Header::decode(&bytes, &KEY, 0).and_then(|header| header.content(&bytes[HEADER..]));
                // Some bits of a compressed form mean nothing.
                assert!(read.is_none_or(|read| read == content), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_is_none_elsewhere_or_in_another_pack() {
        let bytes = written(b"some words", 100);
        assert!(Header::decode(&bytes, &KEY, 100).is_some());
        assert!(Header::decode(&bytes, &KEY, 101).is_none());
        assert!(Header::decode(&bytes, &[8; 32], 100).is_none());
    }
}
