//! Whether what is stored can be read, and what is not needed any more.

use std::collections::HashSet;

use crate::head::Head;
use crate::log::{Scrubbed, Space};
use crate::snapshot::Record;
use crate::snapshots::of_key;
use crate::tree::{Blobs, Onward, Root, reach};
use crate::{Collection, Damage, Digest, Kind, Result, STATE_VERSIONS, SnapshotId, Store};

/// Paths which are told of one snapshot.
const PATHS_MAX: usize = 1000;

/// What a verification of a snapshot found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Pieces of content which were read, each once, and are what they were.
    pub blobs: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What cannot be read, of a directory all that is below it; of many paths the first thousand.
    pub damaged: Vec<Vec<u8>>,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scrub {
    /// Bytes which were read.
    pub bytes: u64,
    /// Where something is damaged.
    pub damaged: Vec<Damage>,
    /// The owners and ids of the snapshots which need any of that.
    pub snapshots: Vec<(String, SnapshotId)>,
}

impl Store {
    /// Reads everything that a snapshot needs.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; what is damaged is no error.
    pub fn verify(&self, owner: &str, id: SnapshotId) -> Result<Verification> {
        let _lease = self.log.lease();
        let root = self.record(owner, id)?.fixed.root;
        let mut whole = HashSet::new();
        let mut found = Verification::default();
        reach(&root.node, &self.log, &mut |path, digest| {
            if whole.contains(digest) {
                return Ok(Onward::No);
            }
            match self.log.get(digest) {
                Ok(content) => {
                    found.blobs += 1;
                    found.bytes += content.len() as u64;
                    whole.insert(*digest);
                    Ok(Onward::Yes)
                }
                Err(error) if error.kind() == Kind::Corrupt => {
                    if found.damaged.len() < PATHS_MAX {
                        found.damaged.push(path.to_vec());
                    }
                    Ok(Onward::No)
                }
                Err(error) => Err(error),
            }
        })?;
        Ok(found)
    }

    /// Reads all packs, and names the snapshots which need what is damaged. What a damaged blob was is stored again when
    /// it next comes in. What was said in a damaged commit is forgotten: a snapshot of it is named and gone, and of a value
    /// the version before is the newest.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the file system refuses.
    pub fn scrub(&self) -> Result<Scrub> {
        let _lease = self.log.lease();
        let Scrubbed {
            bytes,
            damaged,
            blobs,
            facts,
        } = self.log.scrub()?;
        let forgotten = facts.iter().filter(|(space, _)| *space == Space::Snapshot);
        let mut scrub = Scrub {
            bytes,
            damaged,
            snapshots: forgotten.filter_map(|(_, key)| of_key(key)).collect(),
        };
        if scrub.damaged.is_empty() {
            return Ok(scrub);
        }
        let mut whole = HashSet::new();
        for (owner, id, root) in self.roots()? {
            if self.needs_any(&root, &blobs, &mut whole) {
                scrub.snapshots.push((owner, id));
            }
        }
        scrub.snapshots.sort();
        scrub.snapshots.dedup();
        Ok(scrub)
    }

    /// Gives back the room of all that no snapshot needs. Others may go on meanwhile.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another collection is under way; [`Kind::Corrupt`] where a snapshot is so damaged that
    /// nobody can tell what it needs: it has to be deleted first, or forgotten by a scrub.
    pub fn collect(&self) -> Result<Collection> {
        let keep = |space, _: &[u8], newer| space == Space::State && newer < STATE_VERSIONS;
        self.log.collect(|| self.needed(), keep)
    }

    /// All blobs which any snapshot needs, or a rollback that was interrupted.
    fn needed(&self) -> Result<HashSet<Digest>> {
        let _lease = self.log.lease();
        let mut roots: Vec<Root> = self.roots()?.into_iter().map(|(_, _, root)| root).collect();
        for (_, _, value) in self.log.scan(Space::Head, b"")? {
            roots.extend(Head::decode(&value)?.going_back.map(|going_back| going_back.root));
        }
        let mut needed = HashSet::new();
        for root in roots {
            reach(&root.node, &self.log, &mut |_, digest| match needed.insert(*digest) {
                true => Ok(Onward::Yes),
                false => Ok(Onward::No),
            })?;
        }
        Ok(needed)
    }

    /// Whether a tree needs any of the blobs `damaged`. What is known to need none is in `whole`.
    fn needs_any(&self, root: &Root, damaged: &HashSet<Digest>, whole: &mut HashSet<Digest>) -> bool {
        let mut needs = false;
        let mut seen = Vec::new();
        let reached = reach(&root.node, &self.log, &mut |_, digest| {
            needs |= damaged.contains(digest);
            if needs || whole.contains(digest) {
                return Ok(Onward::No);
            }
            seen.push(*digest);
            Ok(Onward::Yes)
        });
        needs |= reached.is_err();
        if !needs {
            whole.extend(seen);
        }
        needs
    }

    fn roots(&self) -> Result<Vec<(String, SnapshotId, Root)>> {
        let mut roots = Vec::new();
        for (_, _, value) in self.log.scan(Space::Snapshot, b"")? {
            let record = Record::decode(&value)?;
            roots.push((record.fixed.owner.clone(), record.id()?, record.fixed.root));
        }
        Ok(roots)
    }
}
