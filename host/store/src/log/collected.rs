//! Which packs were collected, so that one which is lost is missed.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;
use super::fact::{Fact, Space};
use super::pack::PackId;
use super::packs::Packs;
use crate::{Error, Kind, Result};

/// The one key of its space.
const KEY: &[u8] = b"packs";

/// The numbers of packs, as ranges of which both ends belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Collected {
    ranges: Vec<(u64, u64)>,
}

impl Collected {
    /// As it was said last.
    pub(super) fn read(catalogue: &Catalogue, packs: &Packs) -> Result<Self> {
        let Some((_, at)) = catalogue.newest(Space::Collected, KEY)? else {
            return Ok(Self::default());
        };
        let value = packs.fact(at)?.1.value;
        let read = value.and_then(|value| postcard::from_bytes(&value).ok());
        read.ok_or_else(|| Error::new(Kind::Corrupt, "the list of collected packs is damaged"))
    }

    pub(super) fn contains(&self, PackId(id): PackId) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&id))
    }

    pub(super) fn add(&mut self, PackId(id): PackId) {
        self.ranges.push((id, id));
        self.ranges.sort_unstable();
        let ranges = std::mem::take(&mut self.ranges);
        for (first, last) in ranges {
            match self.ranges.last_mut().filter(|before| first <= before.1 + 1) {
                Some(before) => before.1 = before.1.max(last),
                None => self.ranges.push((first, last)),
            }
        }
    }

    /// What has to be said for this to be remembered.
    pub(super) fn fact(&self) -> Result<Fact> {
        let value = postcard::to_stdvec(self);
        let value = value.map_err(|error| Error::new(Kind::InvalidInput, format!("cannot encode: {error}")))?;
        Ok(Fact {
            space: Space::Collected,
            key: KEY.to_vec(),
            value: Some(value),
        })
    }
}
