//! Reading everything, to find what is damaged before somebody needs it.

use std::collections::HashSet;

use super::pack::{Item, Location, START};
use super::{Damage, Log, Space};
use crate::{Digest, Kind, Result};

/// What was found.
pub(crate) struct Scrubbed {
    pub bytes: u64,
    pub damaged: Vec<Damage>,
    /// The blobs which are damaged.
    pub blobs: HashSet<Digest>,
    /// What was said in batches which are damaged.
    pub facts: Vec<(Space, Vec<u8>)>,
}

impl Log {
    /// Reads all packs. Blobs which are damaged are no longer taken to be there, so that they are stored again when they
    /// next come in. What was said in a damaged batch is forgotten, as it is when the catalogue is made anew: otherwise
    /// nothing more could be said of any of that.
    pub(crate) fn scrub(&self) -> Result<Scrubbed> {
        let shared = &self.shared;
        shared.writer().flush()?;
        let mut scrubbed = Scrubbed {
            bytes: 0,
            damaged: Vec::new(),
            blobs: HashSet::new(),
            facts: Vec::new(),
        };
        for id in shared.packs.ids() {
            match shared.packs.get(id) {
                // Collected meanwhile.
                Ok(None) => {}
                Ok(Some(pack)) => {
                    let end = self.end_of(&pack)?;
                    let mut offset = START;
                    while let Some(item) = pack.look(offset, end)? {
                        let from = offset;
                        let (to, whole) = match item {
                            Item::Damage { to, .. } => (to, false),
                            Item::Record { offset, header } => {
                                let length = header.length();
                                let location = Location {
                                    pack: id,
                                    offset,
                                    length,
                                };
                                (offset + u64::from(length), is_whole(pack.read(location))?)
                            }
                        };
                        if !whole {
                            let pack = id.0;
                            scrubbed.damaged.push(Damage { pack, from, to });
                        }
                        scrubbed.bytes += to - from;
                        offset = to;
                    }
                }
                Err(_) => scrubbed.damaged.push(Damage {
                    pack: id.0,
                    from: 0,
                    to: shared.packs.length(id)?,
                }),
            }
        }
        self.forget_damaged(&mut scrubbed)?;
        Ok(scrubbed)
    }

    fn forget_damaged(&self, scrubbed: &mut Scrubbed) -> Result<()> {
        let Scrubbed {
            damaged, blobs, facts, ..
        } = scrubbed;
        if damaged.is_empty() {
            return Ok(());
        }
        let is_damaged = |location: Location| {
            let end = location.offset + u64::from(location.length);
            let touches =
                |damage: &Damage| damage.pack == location.pack.0 && damage.from < end && location.offset < damage.to;
            damaged.iter().any(touches) || !self.shared.packs.contains(location.pack)
        };
        let catalogue = &self.shared.catalogue;
        let (mut found, mut said) = (Vec::new(), Vec::new());
        catalogue.each_blob(|digest, at| found.extend(is_damaged(at).then_some((digest, at))))?;
        catalogue.each_fact(|space, key, version, at| {
            said.extend(is_damaged(at.location).then_some((space, key, version, at)));
        })?;
        // A collection may have moved some of it meanwhile.
        let _writer = self.shared.writer();
        for (digest, at) in found {
            if catalogue.blob(&digest)? == Some(at) {
                catalogue.remove_blob(&digest);
                blobs.insert(digest);
            }
        }
        for (space, key, version, at) in said {
            if catalogue.versions(space, &key)?.contains(&(version, at)) {
                catalogue.remove_fact(space, &key, version);
                facts.push((space, key));
            }
        }
        Ok(())
    }
}

/// What cannot be read now may be whole all the same.
fn is_whole<T>(read: Result<T>) -> Result<bool> {
    match read {
        Err(error) if error.kind() != Kind::Corrupt => Err(error),
        read => Ok(read.is_ok()),
    }
}
