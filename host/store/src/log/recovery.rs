//! What is done when a log is opened: the catalogue is brought up to the packs, and a torn end is cut off.
//!
//! Only the newest pack can have a torn end, since one is synced before the next is made. In it, all before the `synced`
//! of a batch which is whole itself was on the disk, so damage there is damage, and is left alone and told. Damage after
//! that belongs to what was never acknowledged: the pack is cut there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::{Catalogue, FactAt};
use super::collected::Collected;
use super::fact::{Batch, Version};
use super::pack::{Item, Location, Pack, PackId, START};
use super::packs::Packs;
use super::record::{Header, RecordKind};
use super::writer::Writer;
use crate::Result;

/// What opening a store found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether the catalogue was made anew from all packs.
    pub rebuilt: bool,
    /// Bytes of packs which were added to the catalogue.
    pub replayed: u64,
    /// Bytes of a torn end, which was cut off: of commits that were never acknowledged.
    pub cut: u64,
    /// What cannot be read. Snapshots which need it are named by a verification.
    pub damaged: Vec<Damage>,
    /// The numbers of packs which are gone, and were not collected.
    pub lost: Vec<u64>,
}

/// Bytes of a pack which are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The number of the pack.
    pub pack: u64,
    /// The first of them.
    pub from: u64,
    /// What comes after the last.
    pub to: u64,
}

/// What recovery makes.
pub(super) struct Recovered {
    pub catalogue: Catalogue,
    pub writer: Writer,
    pub recovery: Recovery,
}

/// Reads what `packs` hold and the catalogue at `path` does not.
pub(super) fn recover(packs: &Packs, path: &Path) -> Result<Recovered> {
    let newest = packs.ids().last().copied();
    if let Some(newest) = newest
        && packs.is_stillborn(newest)?
    {
        packs.remove(newest)?;
    }
    let mut replay = match open_fitting(packs, path)? {
        Some(catalogue) => Replay::new(packs, catalogue, false),
        None => Replay::new(packs, Catalogue::make(path)?, true),
    };
    let end = match replay.all() {
        Ok(end) => end,
        // The catalogue can turn out to be damaged as late as now.
        Err(error) if !replay.recovery.rebuilt => {
            tracing::warn!(%error, "the catalogue cannot be used: it is made anew");
            drop(replay);
            replay = Replay::new(packs, Catalogue::make(path)?, true);
            replay.all()?
        }
        Err(error) => return Err(error),
    };
    replay.finish(end)
}

/// The catalogue, unless it says more than the packs do.
fn open_fitting(packs: &Packs, path: &Path) -> Result<Option<Catalogue>> {
    let Some(catalogue) = Catalogue::open(path)? else {
        return Ok(None);
    };
    let Ok(marks) = catalogue.marks() else {
        return Ok(None);
    };
    for (pack, mark) in marks {
        if packs.contains(pack) && packs.length(pack)? < mark {
            tracing::warn!(
                pack = pack.0,
                "the catalogue knows more of a pack than is in it: it is made anew"
            );
            return Ok(None);
        }
    }
    Ok(Some(catalogue))
}

struct Replay<'a> {
    packs: &'a Packs,
    catalogue: Catalogue,
    recovery: Recovery,
    next: Version,
}

/// A record or damage in the newest pack.
struct Piece {
    from: u64,
    to: u64,
    what: What,
}

enum What {
    Blob(Header),
    Batch(Batch),
    Damage,
}

impl<'a> Replay<'a> {
    fn new(packs: &'a Packs, catalogue: Catalogue, rebuilt: bool) -> Self {
        Self {
            packs,
            catalogue,
            recovery: Recovery {
                rebuilt,
                ..Recovery::default()
            },
            next: Version(1),
        }
    }

    /// Goes through all packs; returns the newest, and where it ends.
    fn all(&mut self) -> Result<Option<(Arc<Pack>, u64)>> {
        let marks = self.catalogue.marks()?;
        self.next = self.next.max(self.catalogue.next()?);
        // What was moved out of one which is still there must not be taken for what is in it. The list cannot be read where
        // it was moved itself since; then none of those it names is there, for each is removed before the next.
        let collected = Collected::read(&self.catalogue, self.packs).unwrap_or_default();
        let ids = self.packs.ids();
        let mut end = None;
        for id in ids.iter().filter(|id| !collected.contains(**id)) {
            let start = marks.get(id).copied().unwrap_or(START);
            let is_newest = Some(id) == ids.last();
            let length = self.packs.length(*id)?;
            if start >= length && !is_newest {
                continue;
            }
            let Ok(Some(pack)) = self.packs.get(*id) else {
                self.damage(*id, 0, length);
                continue;
            };
            let reached = match is_newest {
                true => self.newest(&pack, start, length)?,
                false => self.older(&pack, start, length)?,
            };
            self.recovery.replayed += reached - start;
            self.catalogue.set_mark(*id, Some(reached));
            end = Some((pack, reached)).filter(|_| is_newest);
        }
        self.compare_with_collected(&marks)?;
        Ok(end)
    }

    /// A pack which was synced as a whole: contents are verified when they are read.
    fn older(&mut self, pack: &Pack, start: u64, end: u64) -> Result<u64> {
        let mut offset = start;
        while let Some(item) = pack.look(offset, end)? {
            offset = match item {
                Item::Damage { from, to } => {
                    self.damage(pack.id(), from, to);
                    to
                }
                Item::Record { offset, header } => {
                    let location = locate(pack, offset, &header);
                    match header.kind {
                        RecordKind::Blob => self.catalogue.add_blob(&header.digest, location),
                        RecordKind::Batch => match read_batch(pack, location) {
                            Ok(batch) => self.add_facts(&batch, location),
                            Err(_) => self.damage(pack.id(), offset, offset + u64::from(header.length())),
                        },
                    }
                    offset + u64::from(header.length())
                }
            };
        }
        Ok(end)
    }

    /// The newest pack: all is verified, and a torn end is cut off.
    fn newest(&mut self, pack: &Pack, start: u64, end: u64) -> Result<u64> {
        let pieces = pieces(pack, start, end)?;
        let proven = proven(&pieces, start);
        let torn = pieces
            .iter()
            .find(|piece| matches!(piece.what, What::Damage) && piece.from >= proven);
        let reached = torn.map_or(end, |piece| piece.from);
        for piece in pieces.iter().take_while(|piece| piece.from < reached) {
            match &piece.what {
                What::Blob(header) => self
                    .catalogue
                    .add_blob(&header.digest, locate(pack, piece.from, header)),
                What::Batch(batch) => self.add_facts(batch, location(pack, piece.from, piece.to)),
                What::Damage => self.damage(pack.id(), piece.from, piece.to),
            }
        }
        if reached < end {
            tracing::warn!(
                pack = pack.id().0,
                from = reached,
                bytes = end - reached,
                "cut off a torn end"
            );
            self.recovery.cut = end - reached;
            pack.cut(reached)?;
        }
        // What is known of from now on must not be lost later.
        pack.sync()?;
        Ok(reached)
    }

    fn add_facts(&mut self, batch: &Batch, location: Location) {
        for (index, (version, fact)) in (0..).zip(&batch.facts) {
            let gone = fact.value.is_none();
            let at = FactAt { location, index, gone };
            self.catalogue.add_fact(fact.space, &fact.key, *version, at);
            self.next = self.next.max(Version(version.0 + 1));
        }
    }

    fn damage(&mut self, pack: PackId, from: u64, to: u64) {
        tracing::warn!(pack = pack.0, from, to, "a pack is damaged");
        let pack = pack.0;
        self.recovery.damaged.push(Damage { pack, from, to });
    }

    /// Finishes collections which were interrupted, and notes packs which are gone without one.
    fn compare_with_collected(&mut self, marks: &BTreeMap<PackId, u64>) -> Result<()> {
        let collected = Collected::read(&self.catalogue, self.packs)?;
        let there = self.packs.ids();
        let last = there.last().copied().max(marks.keys().last().copied());
        for id in (1..=last.map_or(0, |pack| pack.0)).map(PackId) {
            match (collected.contains(id), there.contains(&id)) {
                (true, false) if !marks.contains_key(&id) => {}
                (true, is_there) => {
                    self.catalogue.forget(id)?;
                    is_there.then(|| self.packs.remove(id)).transpose()?;
                }
                (false, true) => {}
                (false, false) => {
                    tracing::warn!(pack = id.0, "a pack is gone");
                    self.recovery.lost.push(id.0);
                }
            }
        }
        Ok(())
    }

    /// Puts the end of all in order, from which the log goes on.
    fn finish(self, end: Option<(Arc<Pack>, u64)>) -> Result<Recovered> {
        let (pack, end) = match end {
            Some(end) => end,
            None => {
                let last = self.packs.ids().last().map_or(0, |pack| pack.0);
                let last = last.max(self.recovery.lost.last().copied().unwrap_or(0));
                (self.packs.create(PackId(last + 1))?, START)
            }
        };
        self.packs.sync()?;
        self.catalogue.set_next(self.next);
        self.catalogue.finish();
        self.catalogue.take_new();
        self.catalogue.drain()?;
        Ok(Recovered {
            catalogue: self.catalogue,
            writer: Writer::new(pack, end, self.next),
            recovery: self.recovery,
        })
    }
}

/// All that is in a pack from `start` on, verified.
fn pieces(pack: &Pack, start: u64, end: u64) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut offset = start;
    while let Some(item) = pack.look(offset, end)? {
        let piece = match item {
            Item::Damage { from, to } => Piece {
                from,
                to,
                what: What::Damage,
            },
            Item::Record { offset, header } => Piece {
                from: offset,
                to: offset + u64::from(header.length()),
                what: what(pack, offset, header),
            },
        };
        offset = piece.to;
        pieces.push(piece);
    }
    Ok(pieces)
}

fn what(pack: &Pack, offset: u64, header: Header) -> What {
    let location = locate(pack, offset, &header);
    match header.kind {
        RecordKind::Blob => pack.read(location).map_or(What::Damage, |_| What::Blob(header)),
        RecordKind::Batch => read_batch(pack, location).map_or(What::Damage, What::Batch),
    }
}

/// How far the pack was on the disk for sure, by the last batch which is there with all that it may need.
fn proven(pieces: &[Piece], start: u64) -> u64 {
    let mut damaged_to = 0;
    let mut proven = start;
    for piece in pieces {
        match &piece.what {
            What::Batch(batch) if batch.synced >= damaged_to => proven = proven.max(batch.synced),
            What::Damage => damaged_to = piece.to,
            What::Batch(_) | What::Blob(_) => {}
        }
    }
    proven
}

fn locate(pack: &Pack, offset: u64, header: &Header) -> Location {
    location(pack, offset, offset + u64::from(header.length()))
}

fn location(pack: &Pack, from: u64, to: u64) -> Location {
    Location {
        pack: pack.id(),
        offset: from,
        length: u32::try_from(to - from).unwrap_or(u32::MAX),
    }
}

fn read_batch(pack: &Pack, location: Location) -> Result<Batch> {
    Batch::decode(&pack.read(location)?.1)
}
