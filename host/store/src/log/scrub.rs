//! Reading everything, to find what is damaged before somebody needs it.

use std::collections::HashSet;

use super::pack::{Item, Location, START};
use super::{Damage, Log};
use crate::{Digest, Result};

/// What was found.
pub(crate) struct Scrubbed {
    pub bytes: u64,
    pub damaged: Vec<Damage>,
    /// The blobs which are damaged.
    pub blobs: HashSet<Digest>,
}

impl Log {
    /// Reads all packs. Blobs which are damaged are no longer taken to be there, so that they are stored again when they
    /// next come in.
    pub(crate) fn scrub(&self) -> Result<Scrubbed> {
        let shared = &self.shared;
        shared.writer().flush()?;
        let mut scrubbed = Scrubbed {
            bytes: 0,
            damaged: Vec::new(),
            blobs: HashSet::new(),
        };
        for id in shared.packs.ids() {
            let end = self.end_of(id)?;
            match shared.packs.get(id) {
                // Collected meanwhile.
                Ok(None) => {}
                Ok(Some(pack)) => {
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
                                (offset + u64::from(length), pack.read(location).is_ok())
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
                    to: end,
                }),
            }
        }
        self.forget_damaged(&mut scrubbed)?;
        Ok(scrubbed)
    }

    fn forget_damaged(&self, scrubbed: &mut Scrubbed) -> Result<()> {
        let Scrubbed { damaged, blobs, .. } = scrubbed;
        if damaged.is_empty() {
            return Ok(());
        }
        self.shared.catalogue.each_blob(|digest, location| {
            let end = location.offset + u64::from(location.length);
            let touches =
                |damage: &Damage| damage.pack == location.pack.0 && damage.from < end && location.offset < damage.to;
            if damaged.iter().any(touches) || !self.shared.packs.contains(location.pack) {
                blobs.insert(digest);
            }
        })?;
        let _writer = self.shared.writer();
        blobs
            .iter()
            .for_each(|digest| self.shared.catalogue.remove_blob(digest));
        Ok(())
    }
}
