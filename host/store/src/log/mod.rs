//! The log: blobs and facts in packs, and the catalogue over them.
//!
//! ```text
//!  put ──> writer ──> newest pack      commit: a batch of facts, then one sync of the pack, then the acknowledgement
//!            │                         keeper: what is in the packs and on the disk goes to sled, behind all this
//!            └──> catalogue
//! ```
//!
//! A fact is there when its batch is. Blobs come before the batch which needs them, in the same pack or an older one, and
//! an older one is synced before the next is made. So one sync puts a whole commit on the disk, and others' with it.

mod catalogue;
mod collect;
mod collected;
mod fact;
mod keeper;
mod pack;
mod packs;
mod record;
mod recovery;
mod scrub;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};

use self::catalogue::{Catalogue, FactAt};
pub use self::collect::Collection;
use self::fact::Batch;
pub use self::fact::Version;
pub(crate) use self::fact::{Fact, Space};
use self::keeper::Keeper;
use self::pack::{Location, Pack, PackId};
use self::packs::Packs;
use self::record::{Header, Record, RecordKind};
use self::recovery::recover;
pub use self::recovery::{Damage, Recovery};
pub(crate) use self::scrub::Scrubbed;
use self::writer::Writer;
use crate::tree::Blobs;
use crate::{Digest, Durability, Error, Kind, Result};

/// How large a pack gets before the next is begun.
const PACK_BYTES: u64 = 64 << 20;

/// Changes which wait for sled before it is written in the midst of a commit.
const MANY_WAITING: usize = 4_000;

/// Changes which may wait in memory.
const MAX_WAITING: usize = 400_000;

/// How long who writes waits for room.
const ROOM_WITHIN: Duration = Duration::from_secs(10);

/// How often something is looked for again that was moved to another pack meanwhile.
const MOVES: usize = 5;

pub(crate) struct Log {
    shared: Arc<Shared>,
    keeper: Keeper,
    /// Held for as long as nobody else may open it.
    _lock: File,
}

/// What the log and its keeper have in common.
struct Shared {
    packs: Packs,
    catalogue: Catalogue,
    writer: Mutex<Writer>,
    /// Held by the one who syncs; others find that it is done.
    turn: Mutex<()>,
    /// Held by the one who writes the catalogue.
    catching_up: Mutex<()>,
    /// Why nothing can be written any more.
    failed: OnceLock<Error>,
    pack_bytes: u64,
    /// Held for reading by whoever relies on what is there, for writing while a collection begins.
    leases: RwLock<()>,
    /// Blobs which were put since the collection began that is under way.
    touched: Mutex<Option<HashSet<Digest>>>,
}

/// While it is held, what was reachable when it was taken stays.
pub(crate) type Lease<'a> = RwLockReadGuard<'a, ()>;

/// One thing which a commit says.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub fact: Fact,
    pub expected: Expected,
}

/// A key, its newest version, and what that says.
pub(crate) type Found = (Vec<u8>, Version, Vec<u8>);

/// What must be the newest version before a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// There is no such thing.
    Absent,
    /// This one.
    Exactly(Version),
}

impl Log {
    /// Opens the log in `folder`, or makes it.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another process has it open.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Recovery)> {
        Self::open_with(folder, PACK_BYTES)
    }

    pub(crate) fn open_with(folder: &Path, pack_bytes: u64) -> Result<(Self, Recovery)> {
        let packs = folder.join("packs");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&packs);
        made.map_err(|error| Error::io(format_args!("cannot make {packs:?}"), error))?;
        let lock = lock(folder)?;
        sync_names(folder)?;
        let packs = Packs::open(&packs)?;
        let recovered = recover(&packs, &folder.join("catalogue"))?;
        let shared = Arc::new(Shared {
            packs,
            catalogue: recovered.catalogue,
            writer: Mutex::new(recovered.writer),
            turn: Mutex::default(),
            catching_up: Mutex::default(),
            failed: OnceLock::new(),
            pack_bytes,
            leases: RwLock::default(),
            touched: Mutex::default(),
        });
        let keeper = Keeper::start(Arc::clone(&shared))?;
        let log = Self {
            shared,
            keeper,
            _lock: lock,
        };
        Ok((log, recovered.recovery))
    }

    /// Makes all `changes`, or none.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where a newest version is not the expected one. After [`Kind::Unavailable`] it shows when the
    /// store is opened again whether they were made; after any other, they were not.
    pub(crate) fn commit(&self, changes: Vec<Change>, durability: Durability) -> Result<Version> {
        self.shared.wait_for_room()?;
        let (version, position) = self.shared.append(changes)?;
        match durability {
            Durability::Synced => self.shared.sync_to(position)?,
            Durability::Soon => {}
        }
        self.keeper.wake();
        Ok(version)
    }

    /// The newest version of something, and what it says; `None` where there is none, or none any more.
    pub(crate) fn newest(&self, space: Space, key: &[u8]) -> Result<Option<(Version, Vec<u8>)>> {
        let Some((version, at)) = self.shared.catalogue.newest(space, key)? else {
            return Ok(None);
        };
        Ok(self.shared.fact(space, key, version, at)?.map(|value| (version, value)))
    }

    /// Everything of `space` whose key begins with `prefix`, by key: the newest version of each, but for what is gone.
    pub(crate) fn scan(&self, space: Space, prefix: &[u8]) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for (key, version, at) in self.shared.catalogue.scan(space, prefix)? {
            if let Some(value) = self.shared.fact(space, &key, version, at)? {
                found.push((key, version, value));
            }
        }
        Ok(found)
    }

    /// The keys of `space` that begin with `prefix`, in order, with their newest versions; not of what is gone.
    pub(crate) fn versions(&self, space: Space, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Version)>> {
        let found = self.shared.catalogue.scan(space, prefix)?.into_iter();
        Ok(found
            .filter(|(_, _, at)| !at.gone)
            .map(|(key, version, _)| (key, version))
            .collect())
    }

    /// All versions of something which are kept, the oldest first; `None` in those which say that it was removed.
    pub(crate) fn history(&self, space: Space, key: &[u8]) -> Result<Vec<(Version, Option<Vec<u8>>)>> {
        let versions = self.shared.catalogue.versions(space, key)?;
        let read = |(version, at)| Ok((version, self.shared.fact(space, key, version, at)?));
        versions.into_iter().map(read).collect()
    }

    /// Keeps what is reachable now from being collected; may be taken again by who has it. To be taken before it is looked whether something is there
    /// that is relied upon, and held until what needs it is committed, or was read.
    pub(crate) fn lease(&self) -> Lease<'_> {
        self.shared.leases.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the records of a pack end.
    fn end_of(&self, pack: &Pack) -> Result<u64> {
        let writer = self.shared.writer();
        match writer.pack.id() == pack.id() {
            true => Ok(writer.written()),
            false => pack.length(),
        }
    }

    /// Returns once all that was said is on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        let position = self.shared.writer().position();
        self.shared.sync_to(position)
    }
}

impl Blobs for Log {
    fn put(&self, content: &[u8]) -> Result<Digest> {
        if self.shared.catalogue.waiting_count() > MANY_WAITING {
            self.keeper.wake();
            self.shared.wait_for_room()?;
        }
        self.shared.put(content)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        self.shared.get(digest)
    }
}

impl Shared {
    fn put(&self, content: &[u8]) -> Result<Digest> {
        self.check()?;
        let digest = Digest::of(content);
        if self.has(&digest)? {
            return Ok(digest);
        }
        let record = Record::new(RecordKind::Blob, digest, content)?;
        let mut writer = self.writer();
        let location = writer.append(&record)?;
        self.catalogue.add_blob(&digest, location);
        self.rotate(&mut writer)?;
        Ok(digest)
    }

    /// Waits while so much is to be written to sled that it would take all memory.
    fn wait_for_room(&self) -> Result<()> {
        let patience = Instant::now() + ROOM_WITHIN;
        while self.catalogue.waiting_count() > MAX_WAITING {
            if Instant::now() > patience {
                let message = "the catalogue cannot be written, and too much waits for it";
                return Err(Error::new(Kind::Exhausted, message));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Whether a blob is there. It stays for who has a lease, and so does one that is put now.
    fn has(&self, digest: &Digest) -> Result<bool> {
        let mut touched = self.touched();
        let location = self.catalogue.blob(digest)?;
        let has = location.is_some_and(|location| self.packs.contains(location.pack));
        if let Some(touched) = touched.as_mut() {
            touched.insert(*digest);
        }
        Ok(has)
    }

    fn get(&self, digest: &Digest) -> Result<Vec<u8>> {
        let missing = || Error::new(Kind::Corrupt, format!("there is no blob {digest}"));
        for _ in 0..MOVES {
            let location = self.catalogue.blob(digest)?.ok_or_else(missing)?;
            if let Some((header, content)) = self.read(location)? {
                let right = header.kind == RecordKind::Blob && header.digest == *digest;
                return right.then_some(content).ok_or_else(missing);
            }
        }
        Err(missing())
    }

    /// What a fact says, wherever it was moved to. All are handed to the file when they are said.
    fn fact(&self, space: Space, key: &[u8], version: Version, mut at: FactAt) -> Result<Option<Vec<u8>>> {
        if at.gone {
            return Ok(None);
        }
        let missing = || {
            let key = String::from_utf8_lossy(key);
            Error::new(
                Kind::Corrupt,
                format!("there is no {space:?} {key:?} of version {}", version.0),
            )
        };
        for _ in 0..MOVES {
            if self.packs.contains(at.location.pack) {
                let (found, fact) = self.packs.fact(at)?;
                let right = found == version && fact.space == space && fact.key == key;
                return right.then_some(fact.value).ok_or_else(missing);
            }
            let versions = self.catalogue.versions(space, key)?;
            let moved = versions.into_iter().find(|(found, _)| *found == version);
            at = moved.ok_or_else(missing)?.1;
        }
        Err(missing())
    }

    /// What is at `location`; `None` where the pack was collected. What was not handed to the file yet is read from memory,
    /// so that a full disk can be read.
    fn read(&self, location: Location) -> Result<Option<(Header, Vec<u8>)>> {
        let buffered = {
            let writer = self.writer();
            let bytes = writer.buffered(location).map(<[u8]>::to_vec);
            bytes.map(|bytes| (Arc::clone(&writer.pack), bytes))
        };
        match buffered {
            Some((pack, bytes)) => pack.decode(&bytes, location.offset).map(Some),
            None => self
                .packs
                .get(location.pack)?
                .map(|pack| pack.read(location))
                .transpose(),
        }
    }

    fn append(&self, changes: Vec<Change>) -> Result<(Version, (PackId, u64))> {
        self.check()?;
        let mut writer = self.writer();
        let version = writer.next;
        for change in &changes {
            self.check_expected(change)?;
        }
        let facts = changes.into_iter().map(|change| (version, change.fact)).collect();
        let (_, position) = self.append_facts(&mut writer, facts)?;
        Ok((version, position))
    }

    /// Says facts in one batch; those which are new have the version `writer.next`. Gives where it is, and up to where
    /// must be synced.
    fn append_facts(&self, writer: &mut Writer, facts: Vec<(Version, Fact)>) -> Result<(Location, (PackId, u64))> {
        let batch = Batch {
            synced: writer.synced,
            facts,
        };
        let location = self.write_batch(writer, &batch)?;
        for (index, (version, fact)) in (0..).zip(&batch.facts) {
            let gone = fact.value.is_none();
            let at = FactAt { location, index, gone };
            self.catalogue.add_fact(fact.space, &fact.key, *version, at);
        }
        writer.next = Version(writer.next.0 + 1);
        let position = writer.position();
        if let Err(error) = self.rotate(writer) {
            // It is made all the same, and the next call tries again.
            tracing::warn!(%error, "cannot begin a new pack");
        }
        Ok((location, position))
    }

    /// Hands a batch to the file, with all before it; leaves nothing of it where that fails.
    fn write_batch(&self, writer: &mut Writer, batch: &Batch) -> Result<Location> {
        let content = batch.encode()?;
        let record = Record::new(RecordKind::Batch, Digest::of(&content), &content)?;
        let location = writer.append(&record)?;
        writer.flush().inspect_err(|_| writer.take_back(location.offset))?;
        Ok(location)
    }

    fn check_expected(&self, change: &Change) -> Result<()> {
        let Fact { space, key, .. } = &change.fact;
        let newest = match change.expected {
            Expected::Any => return Ok(()),
            Expected::Absent | Expected::Exactly(_) => self.catalogue.newest(*space, key)?,
        };
        let newest = newest.filter(|(_, at)| !at.gone).map(|(version, _)| version);
        let wanted = match change.expected {
            Expected::Exactly(version) => Some(version),
            Expected::Absent | Expected::Any => None,
        };
        if newest == wanted {
            return Ok(());
        }
        let say = |version: Option<Version>| version.map_or("none".to_owned(), |version| version.0.to_string());
        let key = String::from_utf8_lossy(key);
        let message = format!(
            "the newest version of {space:?} {key:?} is {}, not {}",
            say(newest),
            say(wanted)
        );
        Err(Error::new(Kind::Conflict, message))
    }

    /// Begins the next pack once this one is large enough.
    fn rotate(&self, writer: &mut Writer) -> Result<()> {
        match writer.end() < self.pack_bytes {
            true => Ok(()),
            false => self.begin_pack(writer),
        }
    }

    fn begin_pack(&self, writer: &mut Writer) -> Result<()> {
        writer.flush()?;
        self.or_fail(writer.pack.sync())?;
        writer.synced = writer.end();
        let next = self.packs.create(PackId(writer.pack.id().0 + 1))?;
        self.catalogue.set_mark(writer.pack.id(), Some(writer.end()));
        *writer = Writer::new(next, pack::START, writer.next);
        Ok(())
    }

    /// Returns once everything before `position` is on the disk.
    fn sync_to(&self, position: (PackId, u64)) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        let (pack, end) = {
            let mut writer = self.writer();
            let synced = (writer.pack.id(), writer.synced);
            if synced >= position {
                return Ok(());
            }
            let flushed = writer.flush();
            if (writer.pack.id(), writer.written()) < position {
                // Otherwise there is no room for what others have put since, and that is for them to be told.
                flushed?;
            }
            (Arc::clone(&writer.pack), writer.written())
        };
        self.or_fail(pack.sync())?;
        let mut writer = self.writer();
        if writer.pack.id() == pack.id() {
            writer.synced = writer.synced.max(end);
        }
        Ok(())
    }

    /// Writes to sled what it does not have yet, after the packs are on the disk.
    fn catch_up(&self) -> Result<()> {
        let _catching_up = self.catching_up.lock().unwrap_or_else(PoisonError::into_inner);
        self.check()?;
        let position = {
            let mut writer = self.writer();
            writer.flush()?;
            let (pack, end) = writer.position();
            self.catalogue.set_mark(pack, Some(end));
            self.catalogue.set_next(writer.next);
            self.catalogue.take_new();
            (pack, end)
        };
        self.sync_to(position)?;
        self.catalogue.drain()
    }

    /// After a sync has failed, nobody knows what is on the disk.
    fn or_fail(&self, synced: Result<()>) -> Result<()> {
        synced.map_err(|error| {
            let message = format!("the store takes nothing any more, and has to be opened again: {error}");
            self.failed
                .get_or_init(|| Error::new(Kind::Unavailable, message))
                .clone()
        })
    }

    fn check(&self) -> Result<()> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    fn touched(&self) -> MutexGuard<'_, Option<HashSet<Digest>>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the names of a folder and of what is in it on the disk: without them, all below would be lost with the power.
fn sync_names(folder: &Path) -> Result<()> {
    let above = folder.parent().map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    for folder in above.into_iter().chain([folder]) {
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            // Who made the folder for us, and lets us do nothing but go through it, has to sync it as well.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(|error| Error::io(format_args!("cannot sync {folder:?}"), error))?,
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(&path);
    let file = opened.map_err(|error| Error::io(format_args!("cannot open {path:?}"), error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
        rustix::io::Errno::WOULDBLOCK => {
            Error::new(Kind::Conflict, format!("another process has the store {folder:?} open"))
        }
        errno => Error::io(format_args!("cannot lock {path:?}"), errno),
    })?;
    Ok(file)
}
