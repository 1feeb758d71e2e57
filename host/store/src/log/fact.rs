//! Facts: what is known by a key, of which each change is a new version.

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

/// What a fact is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub(crate) enum Space {
    /// Which packs were collected: without this, one that is lost would not be missed.
    Collected = 0,
    Snapshot = 1,
    Name = 2,
    Record = 3,
    State = 4,
    Head = 5,
}

impl Space {
    pub(super) const ALL: [Self; 6] = [
        Self::Collected,
        Self::Snapshot,
        Self::Name,
        Self::Record,
        Self::State,
        Self::Head,
    ];
}

/// Counts commits: what a later one says has a greater version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub(crate) u64);

impl Version {
    /// Its number, from 1.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// One key, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    pub space: Space,
    pub key: Vec<u8>,
    /// `None`: there is no such thing any more.
    pub value: Option<Vec<u8>>,
}

/// All that one commit says, or that a collection keeps of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Batch {
    /// How much of its pack was on the disk for sure when this was written. What is between there and here belongs to
    /// commits which may never have been acknowledged.
    pub synced: u64,
    pub facts: Vec<(Version, Fact)>,
}

impl Batch {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        postcard::to_stdvec(self)
            .map_err(|error| Error::new(Kind::InvalidInput, format!("cannot encode facts: {error}")))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).map_err(|error| Error::new(Kind::Corrupt, format!("cannot decode facts: {error}")))
    }
}
