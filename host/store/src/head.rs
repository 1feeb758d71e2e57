//! Where an owner's directory stands: after which snapshot, and whether it is on its way back to one.

use serde::{Deserialize, Serialize};

use crate::log::{Change, Expected, Fact, Space};
use crate::tree::Root;
use crate::{Error, Kind, Result, SnapshotId, Store, owner};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// What the directory was at last that is known.
    pub snapshot: Option<SnapshotId>,
    pub going_back: Option<GoingBack>,
}

/// What a rollback intends, from before it touches anything until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GoingBack {
    pub target: SnapshotId,
    /// What the directory is to be: that of the target, but for what is kept.
    pub root: Root,
}

impl Store {
    pub(crate) fn head(&self, owner: &str) -> Result<Head> {
        let Some((_, value)) = self.log.newest(Space::Head, &owner::prefix(owner)?)? else {
            return Ok(Head::default());
        };
        Head::decode(&value)
    }
}

impl Head {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let decoded = postcard::from_bytes(bytes);
        decoded.map_err(|error| {
            Error::new(
                Kind::Corrupt,
                format!("cannot decode where a directory stands: {error}"),
            )
        })
    }

    pub(crate) fn change(&self, owner: &str) -> Result<Change> {
        let value = postcard::to_stdvec(self);
        let value = value.map_err(|error| Error::new(Kind::InvalidInput, format!("cannot encode: {error}")))?;
        let fact = Fact {
            space: Space::Head,
            key: owner::prefix(owner)?,
            value: Some(value),
        };
        Ok(Change {
            fact,
            expected: Expected::Any,
        })
    }
}
