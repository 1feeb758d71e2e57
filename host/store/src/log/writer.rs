//! The end of the newest pack, where everything is written.

use std::sync::Arc;

use super::fact::Version;
use super::pack::{Location, Pack, PackId};
use super::record::Record;
use crate::Result;

/// What is held in memory to be written at once.
const BUFFER: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Writer {
    pub pack: Arc<Pack>,
    /// What comes after `written`.
    buffer: Vec<u8>,
    written: u64,
    /// How much of the pack is on the disk for sure.
    pub synced: u64,
    /// The version of the next commit.
    pub next: Version,
}

impl Writer {
    /// At the end of a pack, all of which is on the disk.
    pub(super) fn new(pack: Arc<Pack>, end: u64, next: Version) -> Self {
        Self {
            pack,
            buffer: Vec::new(),
            written: end,
            synced: end,
            next,
        }
    }

    /// Where the next record comes.
    pub(super) fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// How much was handed to the file.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn position(&self) -> (PackId, u64) {
        (self.pack.id(), self.end())
    }

    /// A record which was not handed to the file yet.
    pub(super) fn buffered(&self, location: Location) -> Option<&[u8]> {
        let offset = location.offset.checked_sub(self.written);
        let start = usize::try_from(offset.filter(|_| location.pack == self.pack.id())?).ok()?;
        self.buffer.get(start..start.checked_add(location.length as usize)?)
    }

    /// Adds a record. A failure leaves out this record, and nothing else.
    pub(super) fn append(&mut self, record: &Record<'_>) -> Result<Location> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let offset = self.end();
        let before = self.buffer.len();
        record.write(&mut self.buffer, self.pack.key(), offset);
        Ok(Location {
            pack: self.pack.id(),
            offset,
            length: u32::try_from(self.buffer.len() - before).unwrap_or(u32::MAX),
        })
    }

    /// Takes back the last records, from `offset` on, which were not flushed.
    pub(super) fn take_back(&mut self, offset: u64) {
        let kept = offset.saturating_sub(self.written);
        self.buffer.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
    }

    /// Hands all to the file. After a failure it is all still to be written, in the same place.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.pack.write(&self.buffer, self.written) {
            // What was written of it is of no use, and takes room on a full disk.
            let _ = self.pack.cut(self.written);
            return Err(error);
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(2 * BUFFER);
        Ok(())
    }
}
