//! Snapshots of a sandbox's files, and going back to them.
//!
//! A snapshot has what is in the sandbox's own directory. Directories of the host which are mounted in it are outside:
//! they are in no snapshot, and a rollback tells what changed in them that it could not undo.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use palisade_store::{
    Changes, Comparison, Details, Difference, DifferenceKind, Durability, Item, ItemKind, Retention, Scope, Snapshot,
    SnapshotId, Truncated, Verification, Way,
};
pub use palisade_store::{Collection, Damage, Scrub};
use palisade_store::{Line, Since, Store};
use similar::TextDiff;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::events::Event;
use crate::lifecycle::Input;
use crate::workspace::Frozen;
use crate::{Error, Host, Kind, Result, Sandbox, State, session};

/// Paths outside of which a change is remembered.
const OUTSIDE_MAX: usize = 1000;

/// Snapshots of one sandbox. Those which a rollback takes count, and are taken all the same.
pub const SNAPSHOTS_MAX: usize = 10_000;

/// What a sandbox remembers from one snapshot to the next.
pub(crate) struct Memory {
    line: Line,
    /// At least as many snapshots as there are, where that is known.
    counted: Option<usize>,
    /// What changed in mounted directories, and when that was noticed last.
    outside: HashMap<String, SystemTime>,
    /// When something was noticed last which is not in there, since there is too much.
    outside_more: Option<SystemTime>,
}

/// The snapshots of one sandbox. Cheap to clone.
///
/// They go with the sandbox when it is destroyed, pinned ones too. What these methods do to an end is
/// done on a thread that may block; dropping the future lets it go on.
#[derive(Clone, Debug)]
pub struct Snapshots {
    sandbox: Sandbox,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rollback {
    /// The files as they were before. Going back to this snapshot undoes the rollback.
    pub before: Snapshot,
    /// What came back, or went: the first thousand differences between before and after.
    pub undone: Comparison,
    /// Guest paths in mounted directories which changed since the snapshot was taken, and were not undone.
    pub outside: Vec<String>,
    /// Whether there are more of them: a thousand are remembered.
    pub outside_truncated: Truncated,
    #[expect(missing_docs, reason = "says it")]
    pub way: Way,
}

impl Memory {
    pub(crate) fn new(owner: String) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            line: Line::new(owner),
            counted: None,
            outside: HashMap::new(),
            outside_more: None,
        }))
    }

    /// Refuses one snapshot more than there may be. How many there are is looked up where there may be too many.
    fn check_room(&mut self, store: &Store) -> Result<()> {
        if self.counted.is_none_or(|count| count >= SNAPSHOTS_MAX) {
            self.counted = Some(store.count_snapshots(self.line.owner())?);
        }
        let count = self.counted.get_or_insert_default();
        if *count >= SNAPSHOTS_MAX {
            let message =
                format!("the sandbox has {count} snapshots, as many as it may: delete some, or have some expire");
            return Err(Error::new(Kind::Exhausted, message));
        }
        *count += 1;
        Ok(())
    }

    /// Takes the set of changes of a workspace.
    fn note(&mut self, frozen: &Frozen<'_>) -> Since {
        let changed = frozen.take_changes();
        let now = SystemTime::now();
        for path in changed.outside {
            if self.outside.len() < OUTSIDE_MAX || self.outside.contains_key(&path) {
                self.outside.insert(path, now);
            } else {
                self.outside_more = Some(now);
            }
        }
        changed.since
    }
}

impl Snapshots {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        Self {
            sandbox: sandbox.clone(),
        }
    }

    /// Takes a snapshot of all files, as they are between two operations on them. Programs wait meanwhile when they open
    /// or change a file; where nothing is known of what changed, as at the first snapshot, they stand still.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the name is taken, the sandbox has failed or is being destroyed, or another host has the
    /// snapshots of this state directory open; [`Kind::InvalidInput`] for details which cannot be; [`Kind::Exhausted`]
    /// on a full disk, or where there are [`SNAPSHOTS_MAX`]; [`Kind::Unsupported`] where all files are in a mounted directory.
    pub async fn take(&self, details: Details, durability: Durability) -> Result<Snapshot> {
        let memory = self.memory().await;
        let _still = match memory.line.is_known() {
            true => None,
            false => self.sandbox.hold_still().await,
        };
        let taken = self
            .blocking(move |sandbox, store| {
                sandbox.check_takes_snapshots()?;
                let mut memory = memory;
                memory.check_room(store)?;
                let taken = sandbox.workspace().frozen(|frozen| {
                    let since = memory.note(&frozen);
                    // It is synced when nobody waits for the files any more.
                    let soon = Durability::Soon;
                    Ok(store.take(&mut memory.line, frozen.directory, since, &details, soon)?)
                })?;
                if durability == Durability::Synced {
                    store.sync()?;
                }
                Ok(taken)
            })
            .await?;
        let (sandbox, snapshot) = (self.sandbox.id(), taken.id);
        self.sandbox.publish(|| Event::SnapshotTaken { sandbox, snapshot });
        Ok(taken)
    }

    /// Makes the files what they were in a snapshot, or a part of them. It ends all processes first, and takes a snapshot
    /// with these `details`, so that it can be undone. Sessions go on with fresh instances.
    ///
    /// A host which is killed meanwhile leaves the files on their way.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for the snapshot; [`Kind::Conflict`] in a state which does not allow it, or while a file is
    /// being transferred; [`Kind::InvalidInput`] for a path which cannot be; otherwise as [`take`](Self::take). Then
    /// the files are what they were, but processes may have ended. Where the file system refuses in the middle of it, and
    /// again when it is tried a second time, the sandbox has failed.
    pub async fn roll_back(
        &self,
        to: SnapshotId,
        scope: Scope,
        details: Details,
        durability: Durability,
    ) -> Result<Rollback> {
        check_scope(&scope)?;
        self.blocking(move |sandbox, store| Ok(store.snapshot(&owner(sandbox), to)?))
            .await?;
        let memory = self.memory().await;
        let going = self.sandbox.begin_rollback().await?;
        let rolled_back = self
            .blocking(move |sandbox, store| {
                let _going = going;
                let mut memory = memory;
                let done = roll_back(sandbox, store, &mut memory, to, &scope, &details, durability);
                if done.is_err() {
                    finish_or_fail(sandbox, store, &mut memory);
                }
                done
            })
            .await?;
        let (sandbox, snapshot) = (self.sandbox.id(), to);
        self.sandbox.publish(|| Event::RolledBack { sandbox, snapshot });
        Ok(rolled_back)
    }

    /// All of them, the oldest first.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub async fn list(&self) -> Result<Vec<Snapshot>> {
        self.blocking(|sandbox, store| Ok(store.snapshots(&owner(sandbox))?))
            .await
    }

    /// The one which is meant by a name, an id, or at least six digits with which one id alone begins.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for none, [`Kind::Conflict`] for several.
    pub async fn find(&self, text: &str) -> Result<Snapshot> {
        let text = text.to_owned();
        self.blocking(move |sandbox, store| {
            let owner = owner(sandbox);
            Ok(store.snapshot(&owner, store.find_snapshot(&owner, &text)?)?)
        })
        .await
    }

    /// What differs between two of them, or from no files at all: the first `limit` paths.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Corrupt`].
    pub async fn compare(&self, before: Option<SnapshotId>, after: SnapshotId, limit: usize) -> Result<Comparison> {
        self.blocking(move |sandbox, store| Ok(store.compare(&owner(sandbox), before, after, limit)?))
            .await
    }

    /// The first `limit` bytes of a file in a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Corrupt`].
    pub async fn read(&self, id: SnapshotId, path: &str, limit: usize) -> Result<Vec<u8>> {
        let path = path.trim_start_matches('/').as_bytes().to_vec();
        self.blocking(move |sandbox, store| Ok(store.read(&owner(sandbox), id, &path, limit)?))
            .await
    }

    /// The lines of a file which differ between two of them, in the unified form, with the mode and the time left out;
    /// where one does not have the file, all of the other's lines.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where neither has it; [`Kind::Unsupported`] for more than 1 MiB, or what is no UTF-8.
    pub async fn compare_text(&self, before: Option<SnapshotId>, after: SnapshotId, path: &str) -> Result<String> {
        let path = path.trim_start_matches('/').to_owned();
        self.blocking(move |sandbox, store| {
            let owner = owner(sandbox);
            let text = |id| lines_of(store, &owner, id, &path);
            let (before, after) = (before.map(text).transpose()?.flatten(), text(after)?);
            if before.is_none() && after.is_none() {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("no file {path:?} in either snapshot"),
                ));
            }
            Ok(unified(&path, before.as_deref(), after.as_deref()))
        })
        .await
    }

    /// Reads everything that a snapshot needs, and tells what is damaged.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn verify(&self, id: SnapshotId) -> Result<Verification> {
        self.blocking(move |sandbox, store| Ok(store.verify(&owner(sandbox), id)?))
            .await
    }

    /// Changes description, labels and pin by `edit`, which is called again where somebody else was first.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::InvalidInput`] for details which cannot be.
    pub async fn describe(&self, id: SnapshotId, edit: impl Fn(&mut Details) + Send + 'static) -> Result<Snapshot> {
        self.blocking(move |sandbox, store| Ok(store.describe(&owner(sandbox), id, edit)?))
            .await
    }

    /// Has a name lead to a snapshot, and no longer to another.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for the snapshot, [`Kind::InvalidInput`] for what cannot be a name.
    pub async fn set_name(&self, name: &str, id: SnapshotId) -> Result<()> {
        let name = name.to_owned();
        self.blocking(move |sandbox, store| Ok(store.set_name(&owner(sandbox), &name, id)?))
            .await
    }

    /// Removes a name. The snapshot stays.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub async fn remove_name(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.blocking(move |sandbox, store| Ok(store.remove_name(&owner(sandbox), &name)?))
            .await
    }

    /// Deletes a snapshot, with the names which lead to it.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where it is pinned.
    pub async fn delete(&self, id: SnapshotId) -> Result<()> {
        self.blocking(move |sandbox, store| Ok(store.delete(&owner(sandbox), id)?))
            .await
    }

    /// Deletes those which nothing keeps, and returns their ids.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub async fn expire(&self, retention: Retention) -> Result<Vec<SnapshotId>> {
        self.blocking(move |sandbox, store| Ok(store.expire(&owner(sandbox), &retention, SystemTime::now())?))
            .await
    }

    /// Deletes all of them.
    pub(crate) async fn forget(&self) -> Result<()> {
        self.blocking(|sandbox, store| Ok(store.forget(&owner(sandbox), Durability::Soon)?))
            .await
    }

    async fn memory(&self) -> OwnedMutexGuard<Memory> {
        self.sandbox.memory().lock_owned().await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sandbox, &Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let sandbox = self.sandbox.clone();
        self.sandbox
            .host()?
            .with_store(move |store| work(&sandbox, store))
            .await
    }
}

fn owner(sandbox: &Sandbox) -> String {
    sandbox.id().to_string()
}

/// The largest file whose lines are compared, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// How long lines are compared before they are taken to differ.
const TEXT_TIME: Duration = Duration::from_secs(1);

/// The text of a file; `None` where the snapshot has no such file.
fn lines_of(store: &Store, owner: &str, id: SnapshotId, path: &str) -> Result<Option<String>> {
    let bytes = match store.read(owner, id, path.as_bytes(), TEXT_MAX + 1) {
        Err(error) if error.kind() == palisade_store::Kind::NotFound => {
            // The snapshot itself has to be there.
            return store.snapshot(owner, id).map(|_| None).map_err(Error::from);
        }
        bytes => bytes?,
    };
    let shown = bytes.len() <= TEXT_MAX;
    let text = shown.then(|| String::from_utf8(bytes).ok()).flatten();
    text.map(Some).ok_or_else(|| {
        let message = format!("{path:?} is no text of at most {TEXT_MAX} bytes");
        Error::new(Kind::Unsupported, message)
    })
}

fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let differences = TextDiff::configure()
        .timeout(TEXT_TIME)
        .diff_lines(before.unwrap_or_default(), after.unwrap_or_default());
    let name = |side: &str, text: Option<&str>| text.map_or("/dev/null".to_owned(), |_| format!("{side}/{path}"));
    let (before, after) = (name("a", before), name("b", after));
    differences.unified_diff().header(&before, &after).to_string()
}

fn roll_back(
    sandbox: &Sandbox,
    store: &Store,
    memory: &mut Memory,
    to: SnapshotId,
    scope: &Scope,
    details: &Details,
    durability: Durability,
) -> Result<Rollback> {
    let target = store.snapshot(&owner(sandbox), to)?;
    let (done, outside) = sandbox.workspace().frozen(|frozen| {
        match frozen.open_files() {
            0 => {}
            open => {
                let message = format!("sandbox {}: {open} of its files are being transferred", sandbox.id());
                return Err(Error::new(Kind::Conflict, message));
            }
        }
        let since = memory.note(&frozen);
        let (line, directory) = (&mut memory.line, frozen.directory);
        let done = store.roll_back(line, directory, since, to, scope, details, durability)?;
        let (files, bytes) = frozen.charged();
        let counted = match done.way {
            Way::Patched => false,
            Way::Rebuilt => frozen.recount().is_ok(),
        };
        if !counted {
            frozen.charge(
                (files + done.files).saturating_sub(done.before.files),
                (bytes + done.bytes).saturating_sub(done.before.bytes),
            );
        }
        let mut outside: Vec<_> = memory.outside.iter().filter(|(_, at)| **at > target.taken).collect();
        outside.sort();
        Ok((done, outside.into_iter().map(|(path, _)| path.clone()).collect()))
    })?;
    let more = memory.outside_more.is_some_and(|at| at > target.taken);
    Ok(Rollback {
        before: done.before,
        undone: done.undone,
        outside,
        outside_truncated: if more { Truncated::Yes } else { Truncated::No },
        way: done.way,
    })
}

/// Does the rest of a rollback which went wrong halfway, by making all anew. Where that goes wrong too, nobody may take the
/// files for what they were to be.
fn finish_or_fail(sandbox: &Sandbox, store: &Store, memory: &mut Memory) {
    if matches!(store.interrupted(&owner(sandbox)), Ok(None)) {
        return;
    }
    let resumed = sandbox.workspace().frozen(|frozen| {
        store.resume(&mut memory.line, frozen.directory, Durability::Synced)?;
        frozen.recount()
    });
    if let Err(error) = resumed {
        tracing::error!(sandbox_id = %sandbox.id(), %error, "a rollback stopped halfway");
        sandbox.fail();
    }
}

/// Paths which a rollback may name.
const PATHS_MAX: usize = 1000;

/// The longest of them, in bytes.
const PATH_MAX: usize = 4096;

/// Refuses what no rollback can do, before anything is ended for it.
fn check_scope(scope: &Scope) -> Result<()> {
    let paths = || scope.paths.iter().chain(&scope.keep);
    if paths().count() > PATHS_MAX {
        let message = format!("{} paths: a rollback may name {PATHS_MAX}", paths().count());
        return Err(Error::new(Kind::InvalidInput, message));
    }
    let is_good = |path: &[u8]| {
        let names = path.split(|byte| *byte == b'/');
        path.len() <= PATH_MAX && names.into_iter().all(|name| !matches!(name, b"" | b"." | b".."))
    };
    match paths().find(|path| !path.is_empty() && !is_good(path)) {
        None => Ok(()),
        Some(bad) => {
            let shown: String = String::from_utf8_lossy(bad).chars().take(100).collect();
            let message = format!("{shown:?} is no path: one has names with `/` between them, and no `..`");
            Err(Error::new(Kind::InvalidInput, message))
        }
    }
}

impl Sandbox {
    /// Its snapshots.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(self)
    }

    fn check_takes_snapshots(&self) -> Result<()> {
        match self.state() {
            State::Ready | State::Running | State::Suspended | State::Stopped => Ok(()),
            state => {
                let message = format!("sandbox {}: no snapshot is taken of one which is {state:?}", self.id());
                Err(Error::new(Kind::Conflict, message))
            }
        }
    }
}

impl Host {
    /// Whether snapshots were needed since it was opened, so that this host has those of its state directory.
    pub fn has_snapshot_store(&self) -> bool {
        self.store_is_open()
    }

    /// Gives back the room of what no snapshot needs, of any sandbox. Snapshots are taken meanwhile.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another collection is under way; [`Kind::Corrupt`] where a snapshot is so damaged that
    /// nobody can tell what it needs: it has to be deleted first.
    pub async fn collect_snapshots(&self) -> Result<Collection> {
        self.with_store(|store| Ok(store.collect()?)).await
    }

    /// Reads all that is stored of snapshots, and names those which need what is damaged.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the file system refuses.
    pub async fn scrub_snapshots(&self) -> Result<Scrub> {
        self.with_store(|store| Ok(store.scrub()?)).await
    }
}

/// How long it takes at most until a process which computes sees that it is to stand still: some ticks of the engine.
const UNTIL_STILL: Duration = Duration::from_millis(25);

/// Processes which stand still until this is dropped.
struct Still(Sandbox);

impl Drop for Still {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

impl Sandbox {
    /// Has the processes stand still, so that they do not wait on a thread of the runtime's while all files are looked at.
    async fn hold_still(&self) -> Option<Still> {
        let still = self.hold().then(|| Still(self.clone()))?;
        tokio::time::sleep(UNTIL_STILL).await;
        Some(still)
    }
}

/// A sandbox whose files go back. When this is dropped it takes processes again, and its sessions have fresh instances.
struct GoingBack {
    sandbox: Sandbox,
    sessions: Vec<Arc<session::Inner>>,
}

impl Drop for GoingBack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sandbox.fail();
        }
        // It is refused in no state.
        let _ = self.sandbox.enter_state(Input::RolledBack);
        for session in &self.sessions {
            if let Err(error) = session.renew() {
                tracing::warn!(sandbox_id = %self.sandbox.id(), %error, "a session ended with a rollback");
            }
        }
    }
}

impl Sandbox {
    /// Ends all processes, and lets none begin.
    async fn begin_rollback(&self) -> Result<GoingBack> {
        self.enter_state(Input::RollBack)?;
        let mut sessions = self.sessions();
        sessions.retain(|session| session.begin_renewal());
        let going = GoingBack {
            sandbox: self.clone(),
            sessions,
        };
        self.kill_all();
        self.wait_for_processes().await;
        Ok(going)
    }
}
