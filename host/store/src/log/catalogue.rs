//! The catalogue: where each blob and each fact is. It says nothing which the packs do not say too.
//!
//! It is kept by sled, which is written behind: what is new is in memory until [`Catalogue::drain`], and is there only
//! once the packs which it points to are on the disk. So what sled has after a crash is the past, never a future which
//! did not come.
//!
//! ```text
//! b DIGEST                                 where that blob is
//! f SPACE KEY 0 1 VERSION                  where that fact is; zeros in KEY are followed by 255
//! p PACK                                   up to where the pack is in the catalogue
//! v                                        the form of all this
//! ```

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::fact::{Space, Version};
use super::pack::{Location, PackId};
use crate::{Digest, Error, Kind, Result};

/// The form of keys and values. A catalogue of another is made anew.
const FORM: &[u8] = b"1";

const CACHE_BYTES: u64 = 32 << 20;

/// How long the file may be in use by an earlier catalogue.
const LEFT_WITHIN: Duration = Duration::from_secs(10);

type Bytes = Vec<u8>;

/// What is to be said of keys; `None` removes one.
type Changes = BTreeMap<Bytes, Option<Bytes>>;

pub(super) struct Catalogue {
    path: PathBuf,
    sled: sled::Db,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    new: Changes,
    /// What is being written to sled now.
    leaving: Arc<Changes>,
}

/// Where a fact is: in which batch, and which one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FactAt {
    pub location: Location,
    pub index: u32,
    /// Whether it says that there is no such thing any more.
    pub gone: bool,
}

impl Catalogue {
    /// Opens it. `None` where there is none, or it cannot be used and was removed.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        wait_until_left(&path.join("db"))?;
        let opened = Self::open_or_make(path).and_then(|catalogue| {
            let form = catalogue.get(b"v")?;
            Ok((form.as_deref() == Some(FORM)).then_some(catalogue))
        });
        match opened {
            Ok(Some(catalogue)) => return Ok(Some(catalogue)),
            Ok(None) => tracing::warn!("the catalogue is of another form, or was never finished: it is made anew"),
            Err(error) => tracing::warn!(%error, "the catalogue cannot be used: it is made anew"),
        }
        Ok(None)
    }

    /// Makes an empty one, in place of any that is there. It cannot be opened before [`finish`](Self::finish).
    pub(super) fn make(path: &Path) -> Result<Self> {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format_args!("cannot remove {path:?}"), error))
            }
            _ => Self::open_or_make(path),
        }
    }

    fn open_or_make(path: &Path) -> Result<Self> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        Ok(Self {
            path: path.to_owned(),
            sled: guarded(|| config.open())?,
            waiting: Mutex::default(),
        })
    }

    /// Says that it holds all that the packs do, but for what comes after its marks.
    pub(super) fn finish(&self) {
        self.waiting().new.insert(b"v".to_vec(), Some(FORM.to_vec()));
    }

    /// Where a blob is.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<Location>> {
        Ok(self.get(&blob_key(digest))?.as_deref().and_then(location))
    }

    pub(super) fn add_blob(&self, digest: &Digest, location: Location) {
        self.waiting()
            .new
            .insert(blob_key(digest), Some(location_bytes(location)));
    }

    pub(super) fn remove_blob(&self, digest: &Digest) {
        self.waiting().new.insert(blob_key(digest), None);
    }

    /// The newest version of a fact, and where it is.
    pub(super) fn newest(&self, space: Space, key: &[u8]) -> Result<Option<(Version, FactAt)>> {
        let last = self.last(&fact_prefix(space, key, Whole::Yes))?;
        Ok(last.and_then(|(key, value)| version_of(&key).zip(fact_at(&value))))
    }

    /// All versions of a fact, the oldest first.
    pub(super) fn versions(&self, space: Space, key: &[u8]) -> Result<Vec<(Version, FactAt)>> {
        let mut versions = Vec::new();
        self.each(&fact_prefix(space, key, Whole::Yes), |key, value| {
            versions.extend(version_of(key).zip(fact_at(value)));
        })?;
        Ok(versions)
    }

    /// The newest version of each fact whose key begins with `prefix`, by key; of those too which are gone.
    pub(super) fn scan(&self, space: Space, prefix: &[u8]) -> Result<Vec<(Bytes, Version, FactAt)>> {
        let mut found: Vec<(Bytes, Version, FactAt)> = Vec::new();
        self.each(&fact_prefix(space, prefix, Whole::No), |catalogued, value| {
            let Some(((key, version), at)) = key_of(catalogued).zip(version_of(catalogued)).zip(fact_at(value)) else {
                return;
            };
            match found.last_mut().filter(|last| last.0 == key) {
                Some(last) => *last = (key, version, at),
                None => found.push((key, version, at)),
            }
        })?;
        Ok(found)
    }

    pub(super) fn add_fact(&self, space: Space, key: &[u8], version: Version, at: FactAt) {
        let mut value = location_bytes(at.location);
        value.extend(at.index.to_be_bytes());
        value.push(at.gone.into());
        self.waiting().new.insert(fact_key(space, key, version), Some(value));
    }

    pub(super) fn remove_fact(&self, space: Space, key: &[u8], version: Version) {
        self.waiting().new.insert(fact_key(space, key, version), None);
    }

    /// Up to where each pack is in sled.
    pub(super) fn marks(&self) -> Result<BTreeMap<PackId, u64>> {
        let mut marks = BTreeMap::new();
        self.each(b"p", |key, value| {
            if let (Some(pack), Some(offset)) = (number(&key[1..]), number(value)) {
                marks.insert(PackId(pack), offset);
            }
        })?;
        Ok(marks)
    }

    pub(super) fn set_mark(&self, pack: PackId, offset: Option<u64>) {
        let key = [b"p", &pack.0.to_be_bytes()[..]].concat();
        let value = offset.map(|offset| offset.to_be_bytes().to_vec());
        self.waiting().new.insert(key, value);
    }

    /// The version of the next commit, as it was set last.
    pub(super) fn next(&self) -> Result<Version> {
        let next = self.get(b"n")?;
        Ok(Version(next.as_deref().and_then(number).unwrap_or(1)))
    }

    pub(super) fn set_next(&self, next: Version) {
        self.waiting()
            .new
            .insert(b"n".to_vec(), Some(next.0.to_be_bytes().to_vec()));
    }

    /// Calls `visit` with every blob.
    pub(super) fn each_blob(&self, mut visit: impl FnMut(Digest, Location)) -> Result<()> {
        self.each(b"b", |key, value| {
            let digest = key[1..].first_chunk().copied().map(Digest::from_bytes);
            if let (Some(digest), Some(location)) = (digest, location(value)) {
                visit(digest, location);
            }
        })
    }

    /// Calls `visit` with every version of every fact.
    pub(super) fn each_fact(&self, mut visit: impl FnMut(Space, Bytes, Version, FactAt)) -> Result<()> {
        self.each(b"f", |key, value| {
            let found = space_of(key).zip(key_of(key)).zip(version_of(key)).zip(fact_at(value));
            if let Some((((space, key), version), at)) = found {
                visit(space, key, version, at);
            }
        })
    }

    /// How many changes wait to be written.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting().new.len()
    }

    /// Takes what is new out of the way, to be written by [`drain`](Self::drain). Whatever it points to must be on the
    /// disk by then.
    pub(super) fn take_new(&self) {
        let mut waiting = self.waiting();
        let mut changes = Arc::unwrap_or_clone(std::mem::take(&mut waiting.leaving));
        changes.append(&mut waiting.new);
        waiting.leaving = Arc::new(changes);
    }

    /// Forgets everything that is in a pack which was collected.
    pub(super) fn forget(&self, pack: PackId) -> Result<()> {
        let mut blobs = Vec::new();
        self.each_blob(|digest, location| blobs.extend((location.pack == pack).then_some(digest)))?;
        let mut facts = Vec::new();
        self.each_fact(|space, key, version, at| {
            facts.extend((at.location.pack == pack).then_some((space, key, version)));
        })?;
        blobs.iter().for_each(|digest| self.remove_blob(digest));
        facts
            .iter()
            .for_each(|(space, key, version)| self.remove_fact(*space, key, *version));
        self.set_mark(pack, None);
        Ok(())
    }

    /// Writes to sled what was taken: all of it, or nothing.
    pub(super) fn drain(&self) -> Result<()> {
        let leaving = Arc::clone(&self.waiting().leaving);
        if leaving.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for (key, value) in &*leaving {
            match value {
                Some(value) => batch.insert(&**key, &**value),
                None => batch.remove(&**key),
            }
        }
        guarded(|| self.sled.apply_batch(batch))?;
        self.waiting().leaving = Arc::default();
        Ok(())
    }

    /// Returns once sled has what was drained on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        guarded(|| self.sled.flush())?;
        // Flushing writes, and does not sync.
        let file = self.path.join("db");
        let synced = File::open(&file).and_then(|file| file.sync_all());
        synced.map_err(|error| Error::io(format_args!("cannot sync {file:?}"), error))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        {
            let waiting = self.waiting();
            if let Some(value) = waiting.new.get(key).or_else(|| waiting.leaving.get(key)) {
                return Ok(value.clone());
            }
        }
        Ok(guarded(|| self.sled.get(key))?.map(|value| value.to_vec()))
    }

    /// The last of the keys which are `prefix` and a version, whatever their number.
    fn last(&self, prefix: &[u8]) -> Result<Option<(Bytes, Bytes)>> {
        let range = prefix.to_vec()..=[prefix, &[255; 8]].concat();
        let newer = {
            let waiting = self.waiting();
            let there = |(key, value): (&Bytes, &Option<Bytes>)| Some((key.clone(), value.clone()?));
            let new = waiting.new.range(range.clone()).rev().find_map(there);
            let leaving = waiting.leaving.range(range.clone()).rev();
            let mut leaving = leaving.filter(|(key, _)| !waiting.new.contains_key(*key));
            new.max(leaving.find_map(there))
        };
        let mut older = self.sled.range(range).rev();
        while let Some((key, _)) = guarded(|| older.next().transpose())? {
            if newer.as_ref().is_some_and(|(newer, _)| newer[..] >= key[..]) {
                break;
            }
            // It may have been removed.
            if let Some(value) = self.get(&key)? {
                return Ok(Some((key.to_vec(), value)));
            }
        }
        Ok(newer)
    }

    /// Calls `visit` with every key which begins with `prefix`, in order.
    fn each(&self, prefix: &[u8], mut visit: impl FnMut(&[u8], &[u8])) -> Result<()> {
        let mut newer = self.newer(prefix).into_iter().peekable();
        let mut older = self.sled.scan_prefix(prefix);
        while let Some((key, value)) = guarded(|| older.next().transpose())? {
            while let Some((newer_key, newer_value)) = newer.next_if(|(newer_key, _)| newer_key[..] < key[..]) {
                newer_value.into_iter().for_each(|value| visit(&newer_key, &value));
            }
            match newer.next_if(|(newer_key, _)| newer_key[..] == key[..]) {
                Some((_, Some(value))) => visit(&key, &value),
                Some((_, None)) => {}
                None => visit(&key, &value),
            }
        }
        for (key, value) in newer {
            value.into_iter().for_each(|value| visit(&key, &value));
        }
        Ok(())
    }

    /// What waits, of keys which begin with `prefix`.
    fn newer(&self, prefix: &[u8]) -> Changes {
        let waiting = self.waiting();
        let of = |changes: &Changes| -> Changes {
            let from = changes.range(prefix.to_vec()..);
            let found = from.take_while(|(key, _)| key.starts_with(prefix));
            found.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let mut newer = of(&waiting.leaving);
        newer.extend(of(&waiting.new));
        newer
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until sled has let go of its file, which threads of it may hold for a moment after it was dropped.
fn wait_until_left(path: &Path) -> Result<()> {
    let patience = Instant::now() + LEFT_WITHIN;
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > patience {
            return Err(Error::new(Kind::Unavailable, format!("somebody has {path:?} open")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// What sled does; it may panic over damaged files.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => Err(Error::io("cannot use the catalogue", error)),
        Ok(Err(error)) => Err(damaged(&error.to_string())),
        Err(panic) => Err(damaged(&said(&*panic))),
    }
}

fn damaged(why: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("the catalogue is damaged, and is made anew when the store is opened: {why}"),
    )
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "it cannot be read".to_owned())
}

/// Whether a key is all of a key, or how some begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn blob_key(digest: &Digest) -> Bytes {
    [b"b", &digest.as_bytes()[..]].concat()
}

fn fact_key(space: Space, key: &[u8], version: Version) -> Bytes {
    let mut bytes = fact_prefix(space, key, Whole::Yes);
    bytes.extend(version.0.to_be_bytes());
    bytes
}

/// Keys sort as they are, and none begins with another.
fn fact_prefix(space: Space, key: &[u8], whole: Whole) -> Bytes {
    let mut bytes = vec![b'f', space as u8];
    for byte in key {
        bytes.push(*byte);
        if *byte == 0 {
            bytes.push(255);
        }
    }
    if whole == Whole::Yes {
        bytes.extend([0, 1]);
    }
    bytes
}

fn space_of(catalogued: &[u8]) -> Option<Space> {
    Space::ALL
        .into_iter()
        .find(|space| catalogued.get(1) == Some(&(*space as u8)))
}

fn key_of(catalogued: &[u8]) -> Option<Bytes> {
    let escaped = catalogued.get(2..catalogued.len().checked_sub(10)?)?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        key.push(*byte);
        if *byte == 0 {
            bytes.next();
        }
    }
    Some(key)
}

fn version_of(catalogued: &[u8]) -> Option<Version> {
    catalogued
        .last_chunk()
        .map(|version| Version(u64::from_be_bytes(*version)))
}

fn location_bytes(location: Location) -> Bytes {
    let mut bytes = Vec::with_capacity(25);
    bytes.extend(location.pack.0.to_be_bytes());
    bytes.extend(location.offset.to_be_bytes());
    bytes.extend(location.length.to_be_bytes());
    bytes
}

fn location(bytes: &[u8]) -> Option<Location> {
    Some(Location {
        pack: PackId(number(bytes)?),
        offset: number(bytes.get(8..)?)?,
        length: u32::from_be_bytes(*bytes.get(16..)?.first_chunk()?),
    })
}

fn fact_at(bytes: &[u8]) -> Option<FactAt> {
    Some(FactAt {
        location: location(bytes)?,
        index: u32::from_be_bytes(*bytes.get(20..)?.first_chunk()?),
        gone: *bytes.get(24)? != 0,
    })
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|number| u64::from_be_bytes(*number))
}
