//! The folder of packs: which there are, and those that are open.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalogue::FactAt;
use super::fact::{Batch, Fact, Version};
use super::pack::{Location, Pack, PackId, START};
use super::record::RecordKind;
use crate::{Error, Kind, Result};

/// Packs which are held open to be read.
const MAX_OPEN: usize = 128;

#[derive(Debug)]
pub(super) struct Packs {
    folder: PathBuf,
    /// Each that is there; `None` where it is not open.
    known: Mutex<BTreeMap<PackId, Option<Arc<Pack>>>>,
}

impl Packs {
    /// Looks what is in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let failed = |error| Error::io(format_args!("cannot list {folder:?}"), error);
        let mut known = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            if let Some(id) = entry.map_err(failed)?.file_name().to_str().and_then(id_of) {
                known.insert(id, None);
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// All that are there, the oldest first.
    pub(super) fn ids(&self) -> Vec<PackId> {
        self.known().keys().copied().collect()
    }

    /// One of them; `None` where there is none, since it was collected.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where its header is damaged.
    pub(super) fn get(&self, id: PackId) -> Result<Option<Arc<Pack>>> {
        let mut known = self.known();
        match known.get(&id) {
            None => return Ok(None),
            Some(Some(pack)) => return Ok(Some(Arc::clone(pack))),
            Some(None) => {}
        }
        let pack = Pack::open(&self.path(id), id)?.map(Arc::new);
        let pack = pack.ok_or_else(|| Error::new(Kind::Corrupt, format!("the header of pack {} is damaged", id.0)))?;
        if known.values().flatten().count() >= MAX_OPEN {
            known.values_mut().for_each(|open| *open = None);
        }
        known.insert(id, Some(Arc::clone(&pack)));
        Ok(Some(pack))
    }

    /// The fact which is there, with its version.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where there is none, or it is damaged.
    pub(super) fn fact(&self, at: FactAt) -> Result<(Version, Fact)> {
        let missing = || {
            let Location { pack, offset, .. } = at.location;
            Error::new(
                Kind::Corrupt,
                format!("pack {} has no facts at offset {offset}", pack.0),
            )
        };
        let pack = self.get(at.location.pack)?.ok_or_else(missing)?;
        let (header, content) = pack.read(at.location)?;
        let batch = (header.kind == RecordKind::Batch).then(|| Batch::decode(&content));
        let mut facts = batch.transpose()?.map(|batch| batch.facts).unwrap_or_default();
        let index = usize::try_from(at.index).ok().filter(|index| *index < facts.len());
        index.map(|index| facts.swap_remove(index)).ok_or_else(missing)
    }

    pub(super) fn contains(&self, id: PackId) -> bool {
        self.known().contains_key(&id)
    }

    /// Makes a new one, whose name and header are on the disk.
    pub(super) fn create(&self, id: PackId) -> Result<Arc<Pack>> {
        let pack = Arc::new(Pack::create(&self.path(id), id)?);
        pack.sync().and_then(|()| self.sync()).inspect_err(|_| {
            // The next attempt takes the same name.
            let _ = std::fs::remove_file(self.path(id));
        })?;
        self.known().insert(id, Some(Arc::clone(&pack)));
        Ok(pack)
    }

    pub(super) fn remove(&self, id: PackId) -> Result<()> {
        self.known().remove(&id);
        let path = self.path(id);
        std::fs::remove_file(&path).map_err(|error| Error::io(format_args!("cannot remove {path:?}"), error))
    }

    /// Bytes of one, with its header; nothing where it is not there.
    pub(super) fn length(&self, id: PackId) -> Result<u64> {
        let path = self.path(id);
        let metadata = path.symlink_metadata();
        let metadata = metadata.map_err(|error| Error::io(format_args!("cannot look at {path:?}"), error))?;
        Ok(metadata.len())
    }

    /// Whether a pack holds nothing, not even a header: its host ended while it was made.
    pub(super) fn is_stillborn(&self, id: PackId) -> Result<bool> {
        Ok(self.length(id)? <= START && Pack::open(&self.path(id), id)?.is_none())
    }

    /// Returns once the names of packs are on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Error::io(format_args!("cannot sync {:?}", self.folder), error))
    }

    fn path(&self, id: PackId) -> PathBuf {
        self.folder.join(format!("{:016x}.pack", id.0))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<PackId, Option<Arc<Pack>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id_of(name: &str) -> Option<PackId> {
    let digits = name.strip_suffix(".pack").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(PackId)
}
