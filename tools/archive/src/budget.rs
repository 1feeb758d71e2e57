//! How much an archive may be.

use std::cell::Cell;
use std::io::{self, Read};

const MAX_ENTRIES: u32 = 10_000;
const MAX_BYTES: u64 = 256 << 20;

/// The most that data may grow by being unpacked. Text becomes 10 times, in rare cases 100 times as long; a bomb 1,000
/// times.
const MAX_RATIO: u64 = 200;

/// Small archives may grow by more: a file of zeros is no bomb.
const FREE_BYTES: u64 = 1 << 20;

/// What is left for an archive.
pub struct Budget {
    entries: Cell<u32>,
    bytes: Cell<u64>,
}

impl Budget {
    /// That of an archive of that size.
    pub fn of(archive_bytes: u64) -> Result<Self, String> {
        if archive_bytes > MAX_BYTES {
            return Err(format!(
                "refused: the archive has {archive_bytes} bytes, the most is {MAX_BYTES}"
            ));
        }
        Ok(Budget {
            entries: Cell::new(MAX_ENTRIES),
            bytes: Cell::new(MAX_BYTES.min(FREE_BYTES.max(archive_bytes * MAX_RATIO))),
        })
    }

    /// That of files which are to be packed.
    pub fn for_packing() -> Self {
        Budget {
            entries: Cell::new(MAX_ENTRIES),
            bytes: Cell::new(MAX_BYTES),
        }
    }

    /// Takes one entry.
    pub fn take_entry(&self) -> Result<(), String> {
        let left = self.entries.get().checked_sub(1);
        self.entries
            .set(left.ok_or_else(|| format!("refused: more than {MAX_ENTRIES} entries"))?);
        Ok(())
    }

    /// A reader whose bytes are taken.
    pub fn meter<R: Read>(&self, inner: R) -> Metered<'_, R> {
        Metered { budget: self, inner }
    }
}

/// It fails when the budget is spent.
pub struct Metered<'a, R> {
    budget: &'a Budget,
    inner: R,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let left = self.budget.bytes.get().checked_sub(length as u64);
        let spent = || io::Error::other("refused: its contents are too large, or too large for its size");
        self.budget.bytes.set(left.ok_or_else(spent)?);
        Ok(length)
    }
}
