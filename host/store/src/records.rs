//! What has to be known again of each owner after the process has ended.

use std::collections::BTreeSet;

use crate::log::{Change, Expected, Fact, Space};
use crate::{Durability, Error, Kind, Result, Store, Version, owner};

/// The largest record, in bytes.
pub const RECORD_MAX: usize = 1 << 20;

impl Store {
    /// Keeps a record of an owner, in place of the one before. The store does not look into it.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] for more than [`RECORD_MAX`] bytes; [`Kind::Exhausted`] on a full disk.
    pub fn put_record(&self, owner: &str, record: &[u8], durability: Durability) -> Result<Version> {
        if record.len() > RECORD_MAX {
            let message = format!(
                "the record of {owner} has {} bytes: it may have {RECORD_MAX}",
                record.len()
            );
            return Err(Error::new(Kind::InvalidInput, message));
        }
        self.log
            .commit(vec![record_change(owner, Some(record.to_vec()))?], durability)
    }

    /// All owners that have a record, and those.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub fn records(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let found = self.log.scan(Space::Record, b"")?.into_iter();
        let named = found.map(|(key, _, record)| (owner::of(&key), record));
        Ok(named.collect())
    }

    /// Forgets everything of an owner: the record, the state, where its directory stands, and the snapshots with their
    /// names, pinned ones too.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] on a full disk.
    pub fn forget(&self, owner: &str, durability: Durability) -> Result<()> {
        let prefix = owner::prefix(owner)?;
        let mut changes = Vec::new();
        for space in OWNED {
            let known = self.log.versions(space, &prefix)?;
            changes.extend(known.into_iter().map(|(key, _)| removal(space, key)));
        }
        if !changes.is_empty() {
            self.log.commit(changes, durability)?;
        }
        Ok(())
    }

    /// All owners of anything.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where the catalogue cannot be read.
    pub fn owners(&self) -> Result<BTreeSet<String>> {
        let mut owners = BTreeSet::new();
        for space in OWNED {
            let known = self.log.versions(space, b"")?;
            owners.extend(known.iter().map(|(key, _)| owner::of(key)));
        }
        Ok(owners)
    }
}

/// What belongs to owners.
const OWNED: [Space; 5] = [Space::Record, Space::Head, Space::State, Space::Snapshot, Space::Name];

fn record_change(owner: &str, value: Option<Vec<u8>>) -> Result<Change> {
    let change = removal(Space::Record, owner::prefix(owner)?);
    let fact = Fact { value, ..change.fact };
    Ok(Change { fact, ..change })
}

fn removal(space: Space, key: Vec<u8>) -> Change {
    let value = None;
    Change {
        fact: Fact { space, key, value },
        expected: Expected::Any,
    }
}
