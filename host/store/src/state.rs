//! Values by key, for each owner, of which every change is a new version.

use crate::log::{Change, Fact, Space};
use crate::{Durability, Error, Expected, Kind, Result, Store, Version};

/// The longest key of a value, in bytes.
pub const STATE_KEY_MAX: usize = 256;

/// The largest value, in bytes.
pub const STATE_VALUE_MAX: usize = 64 << 10;

/// How many versions of a value stay when the store is collected.
pub const STATE_VERSIONS: usize = 100;

/// A value, and which version it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// What was put.
    pub value: Vec<u8>,
    /// The commit which put it.
    pub version: Version,
}

impl Store {
    /// The newest value of `key`; `None` where there is none.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] for a key which cannot be.
    pub fn state(&self, owner: &str, key: &str) -> Result<Option<StateEntry>> {
        let newest = self.log.newest(Space::State, &state_key(owner, key)?)?;
        Ok(newest.map(|(version, value)| StateEntry { value, version }))
    }

    /// Puts a value, if the newest version is the expected one, and returns the version which it is now.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where another came first, [`Kind::InvalidInput`] for a key or a value which is too long.
    pub fn put_state(
        &self,
        owner: &str,
        key: &str,
        value: &[u8],
        expected: Expected,
        durability: Durability,
    ) -> Result<Version> {
        if value.len() > STATE_VALUE_MAX {
            let message = format!(
                "the value of {key:?} has {} bytes: it may have {STATE_VALUE_MAX}",
                value.len()
            );
            return Err(Error::new(Kind::InvalidInput, message));
        }
        self.change_state(owner, key, Some(value.to_vec()), expected, durability)
    }

    /// Removes a value, if the newest version is the expected one. What it was stays in the history until the store is
    /// collected.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where another came first.
    pub fn remove_state(&self, owner: &str, key: &str, expected: Expected, durability: Durability) -> Result<Version> {
        self.change_state(owner, key, None, expected, durability)
    }

    /// The keys that begin with `prefix`, in order, with their newest versions.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] for a prefix which no key can have.
    pub fn state_keys(&self, owner: &str, prefix: &str) -> Result<Vec<(String, Version)>> {
        let from = crate::owner::key(owner, prefix)?;
        let versions = self.log.versions(Space::State, &from)?;
        let key = |key: Vec<u8>| String::from_utf8_lossy(&key[owner.len() + 1..]).into_owned();
        Ok(versions
            .into_iter()
            .map(|(found, version)| (key(found), version))
            .collect())
    }

    /// The versions of a value, the oldest first, `None` where it was removed: at least the latest [`STATE_VERSIONS`], but
    /// for those which were there when the store was collected while the value was removed.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] for a key which cannot be.
    pub fn state_history(&self, owner: &str, key: &str) -> Result<Vec<(Version, Option<Vec<u8>>)>> {
        self.log.history(Space::State, &state_key(owner, key)?)
    }

    /// Puts again what was the value in `version`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where the history has no such version, or it is one of a removal.
    pub fn restore_state(&self, owner: &str, key: &str, version: Version, durability: Durability) -> Result<Version> {
        let history = self.state_history(owner, key)?;
        let found = history.into_iter().find(|(found, _)| *found == version);
        let value = found.and_then(|(_, value)| value);
        let value = value.ok_or_else(|| {
            let message = format!("{key:?} has no value of version {}", version.as_u64());
            Error::new(Kind::NotFound, message)
        })?;
        self.put_state(owner, key, &value, Expected::Any, durability)
    }

    fn change_state(
        &self,
        owner: &str,
        key: &str,
        value: Option<Vec<u8>>,
        expected: Expected,
        durability: Durability,
    ) -> Result<Version> {
        let fact = Fact {
            space: Space::State,
            key: state_key(owner, key)?,
            value,
        };
        self.log.commit(vec![Change { fact, expected }], durability)
    }
}

fn state_key(owner: &str, key: &str) -> Result<Vec<u8>> {
    if key.is_empty() || key.len() > STATE_KEY_MAX {
        let message = format!("a key of {} bytes: it has 1 to {STATE_KEY_MAX}", key.len());
        return Err(Error::new(Kind::InvalidInput, message));
    }
    crate::owner::key(owner, key)
}
