//! Giving back the room of what nobody needs any more, while others go on.
//!
//! What is needed is found first, from the facts. Then packs which mostly hold other things are moved, one after another:
//! what is needed goes to the end of the newest pack, and is on the disk before the old one is removed. A blob which
//! is put meanwhile counts as needed; whether it is, and that it is not, is decided under one lock.

use std::collections::{BTreeMap, HashSet};
use std::sync::TryLockError;
use std::time::{Duration, Instant};

use super::collected::Collected;
use super::fact::{Batch, Fact, Space, Version};
use super::pack::{Item, Location, Pack, PackId, START};
use super::record::{Record, RecordKind};
use super::{Log, Shared};
use crate::{Digest, Error, Kind, Result};

/// How long a collection waits for those to end who began before it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// Files that are gone.
    pub packs: u64,
    /// Bytes that are free now.
    pub freed: u64,
    /// Bytes that were moved for this.
    pub moved: u64,
    /// Files which should have been moved and were not, since they are damaged.
    pub damaged: u64,
}

/// What a pack holds that is needed, beside its length.
#[derive(Clone, Copy, Default)]
struct Use {
    needed: u64,
}

/// Ends a collection, however it ends.
struct Begun<'a>(&'a Shared);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        *self.0.touched() = None;
    }
}

impl Log {
    /// Removes what `needed` does not name, and versions of facts which are not the newest where `keep` does not ask for
    /// them; that gets the space, the key, and how many newer versions there are.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another collection is under way, or where those which rely on something do not end.
    pub(crate) fn collect(
        &self,
        needed: impl FnOnce() -> Result<HashSet<Digest>>,
        keep: impl Fn(Space, &[u8], usize) -> bool,
    ) -> Result<Collection> {
        let _begun = self.begin()?;
        let sweep = Sweep {
            shared: &self.shared,
            needed: needed()?,
            keep: &keep,
        };
        let mut done = Collection::default();
        for (pack, length) in sweep.worthwhile()? {
            let before = self.shared.writer().position();
            let moved = match sweep.move_out_of(pack) {
                Err(error) if error.kind() == Kind::Corrupt => {
                    tracing::warn!(pack = pack.0, %error, "a damaged pack is not collected");
                    done.damaged += 1;
                    continue;
                }
                moved => moved?,
            };
            tracing::debug!(pack = pack.0, moved, from = ?before, "collected a pack");
            done.packs += 1;
            done.moved += moved;
            done.freed += length.saturating_sub(moved);
        }
        self.keeper.wake();
        Ok(done)
    }

    fn begin(&self) -> Result<Begun<'_>> {
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.shared.leases.try_write() {
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(
                        Kind::Conflict,
                        "the store is in use for too long to be collected",
                    ));
                }
                Ok(_) | Err(TryLockError::Poisoned(_)) => {
                    let mut touched = self.shared.touched();
                    if touched.is_some() {
                        return Err(Error::new(Kind::Conflict, "the store is being collected already"));
                    }
                    *touched = Some(HashSet::new());
                    return Ok(Begun(&self.shared));
                }
            }
        }
    }
}

struct Sweep<'a> {
    shared: &'a Shared,
    needed: HashSet<Digest>,
    keep: &'a dyn Fn(Space, &[u8], usize) -> bool,
}

/// What is moved out of a pack, and what is left behind.
#[derive(Default)]
struct Facts {
    kept: Vec<(Version, Fact)>,
    dropped: Vec<(Version, Fact)>,
}

impl Sweep<'_> {
    /// The packs of which less than half is needed, those first that give most for the least, with their lengths.
    fn worthwhile(&self) -> Result<Vec<(PackId, u64)>> {
        let shared = self.shared;
        let mut uses: BTreeMap<PackId, Use> = BTreeMap::new();
        shared.catalogue.each_blob(|digest, location| {
            let needed = if self.is_needed(&digest) { location.length } else { 0 };
            uses.entry(location.pack).or_default().needed += u64::from(needed);
        })?;
        // Facts are small: each batch counts as needed if one of it is.
        let mut batches = HashSet::new();
        let mut facts = Vec::new();
        shared
            .catalogue
            .each_fact(|space, key, version, at| facts.push((space, key, version, at)))?;
        for (space, key, version, at) in facts {
            if self.is_kept(space, &key, version)? && batches.insert(at.location) {
                uses.entry(at.location.pack).or_default().needed += u64::from(at.location.length);
            }
        }
        let mut found = Vec::new();
        for id in shared.packs.ids() {
            let length = shared.packs.length(id)?;
            let needed = uses.get(&id).map_or(0, |used| used.needed);
            if length > START && needed * 2 < length {
                found.push((needed, id, length));
            }
        }
        found.sort_unstable();
        Ok(found.into_iter().map(|(_, id, length)| (id, length)).collect())
    }

    fn is_needed(&self, digest: &Digest) -> bool {
        self.needed.contains(digest)
            || self
                .shared
                .touched()
                .as_ref()
                .is_some_and(|touched| touched.contains(digest))
    }

    /// Whether a version of a fact is to stay. One which says that there is no such thing has to stay for as long as an
    /// older version is anywhere.
    fn is_kept(&self, space: Space, key: &[u8], version: Version) -> Result<bool> {
        let versions = self.shared.catalogue.versions(space, key)?;
        let Some(index) = versions.iter().position(|(found, _)| *found == version) else {
            return Ok(false);
        };
        let newer = versions.len() - 1 - index;
        let gone = versions.last().is_some_and(|(_, at)| at.gone);
        Ok(match newer {
            0 => !gone || versions.len() > 1,
            _ => !gone && (self.keep)(space, key, newer),
        })
    }

    /// Moves what is needed, removes the pack, and returns how many bytes were moved.
    fn move_out_of(&self, id: PackId) -> Result<u64> {
        let shared = self.shared;
        {
            let mut writer = shared.writer();
            if writer.pack.id() == id {
                shared.begin_pack(&mut writer)?;
            }
        }
        let Some(pack) = shared.packs.get(id)? else {
            return Ok(0);
        };
        let (facts, blobs) = self.move_records(&pack)?;
        let batch = self.settle(id, facts.kept)?;
        for (version, fact) in &facts.dropped {
            shared.catalogue.remove_fact(fact.space, &fact.key, *version);
        }
        shared.catalogue.set_mark(id, None);
        shared.packs.remove(id)?;
        shared.packs.sync()?;
        Ok(blobs + batch)
    }

    fn move_records(&self, pack: &Pack) -> Result<(Facts, u64)> {
        let (mut facts, mut moved) = (Facts::default(), 0);
        let (mut offset, end) = (START, pack.length()?);
        while let Some(item) = pack.look(offset, end)? {
            let Item::Record { offset: at, header } = item else {
                return Err(pack.damaged(offset));
            };
            let location = Location {
                pack: pack.id(),
                offset: at,
                length: header.length(),
            };
            match header.kind {
                RecordKind::Blob => moved += self.move_blob(pack, header.digest, location)?,
                RecordKind::Batch => self.sort_facts(pack, location, &mut facts)?,
            }
            offset = at + u64::from(header.length());
        }
        Ok((facts, moved))
    }

    fn move_blob(&self, pack: &Pack, digest: Digest, from: Location) -> Result<u64> {
        let shared = self.shared;
        // Whoever puts it now finds it gone, or has it counted as needed.
        let mut touched = shared.touched();
        if shared.catalogue.blob(&digest)? != Some(from) {
            return Ok(0);
        }
        let is_touched = touched.as_mut().is_some_and(|touched| touched.contains(&digest));
        if !is_touched && !self.needed.contains(&digest) {
            shared.catalogue.remove_blob(&digest);
            return Ok(0);
        }
        drop(touched);
        let (_, content) = pack.read(from)?;
        let record = Record::new(RecordKind::Blob, digest, &content)?;
        let mut writer = shared.writer();
        let to = writer.append(&record)?;
        shared.catalogue.add_blob(&digest, to);
        shared.rotate(&mut writer)?;
        Ok(u64::from(to.length))
    }

    fn sort_facts(&self, pack: &Pack, from: Location, facts: &mut Facts) -> Result<()> {
        let batch = Batch::decode(&pack.read(from)?.1)?;
        for (version, fact) in batch.facts {
            let versions = self.shared.catalogue.versions(fact.space, &fact.key)?;
            let is_here = versions
                .iter()
                .any(|(found, at)| *found == version && at.location == from);
            if !is_here {
                continue;
            }
            match self.is_kept(fact.space, &fact.key, version)? {
                true => facts.kept.push((version, fact)),
                false => facts.dropped.push((version, fact)),
            }
        }
        Ok(())
    }

    /// Moves the facts of a pack, and says that it was collected: in one batch, so that a fact is never in two packs which
    /// are both there. With that, all which was moved out of it is on the disk.
    fn settle(&self, id: PackId, mut facts: Vec<(Version, Fact)>) -> Result<u64> {
        let shared = self.shared;
        let mut collected = Collected::read(&shared.catalogue, &shared.packs)?;
        collected.add(id);
        let (location, position) = {
            let mut writer = shared.writer();
            facts.push((writer.next, collected.fact()?));
            shared.append_facts(&mut writer, facts)?
        };
        shared.sync_to(position)?;
        Ok(u64::from(location.length))
    }
}
