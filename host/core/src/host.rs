//! The host: everything that lives long.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use palisade_policy::ByteSize;
use palisade_store::{Durability, Recovery, Store};
use tokio::sync::Semaphore;

use crate::admission::{self, Admission};
use crate::backend::Backend;
use crate::backend::wasm::{self, Compiling, Wasm};
use crate::events::{Bus, Event, Events};
use crate::sandbox::Sandbox;
use crate::state_dir::StateDir;
use crate::{Error, Instances, Kind, Result, SandboxId, SandboxSpec, Tools, Totals};

/// What is done at snapshots at one time.
const STORE_TURNS: usize = 8;

/// Settings of a [`Host`].
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where it keeps compiled programs and the files of its sandboxes; made when it is missing. Only the user who
    /// runs the host may be able to write to it.
    pub state_dir: PathBuf,
    /// Disk space for compiled programs; the least recently used go first. 4 GiB by default.
    pub artefact_cache: ByteSize,
    /// Sandboxes at one time. 10,000 by default.
    pub max_sandboxes: usize,
    /// Wasm instances at one time. Address space is set aside for each, so this is bounded: 1,000 by default, and at
    /// most about 10,000 on a machine with the usual settings. Each may leave a stack of up to 4 MiB behind for the next,
    /// which no sandbox pays for.
    pub max_instances: u32,
    /// The largest program taken. 128 MiB by default.
    pub max_program: ByteSize,
    /// How long compiling a program may take, once its turn has come, before its start fails with [`Kind::Timeout`].
    /// 5 minutes by default. Two programs are compiled at a time, at low priority; others wait for their turn.
    pub compile_time: Duration,
    /// What a [`compiler`](Self::compiler) may hold. 4 GiB by default.
    pub compile_memory: ByteSize,
    /// The program which compiles others, each in a process of its own, with [`COMPILE_PROGRAM`](crate::COMPILE_PROGRAM)
    /// as its argument: the `palisade` command, or one which calls [`compile_program`](crate::compile_program).
    ///
    /// Compiling cannot be interrupted, and a small hostile program can make it take hours and all memory. So give one
    /// when programs are not yours: the process is ended when nobody waits for it any more, and its memory is bounded.
    /// It is started without an environment. `None`, the default, compiles in this process, where what has begun goes
    /// on to its end.
    pub compiler: Option<PathBuf>,
}

impl HostConfig {
    /// The defaults, with this state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            artefact_cache: ByteSize::from_gib(4),
            max_sandboxes: 10_000,
            max_instances: 1_000,
            max_program: ByteSize::from_mib(128),
            compile_time: Duration::from_secs(300),
            compile_memory: ByteSize::from_gib(4),
            compiler: None,
        }
    }
}

/// Owns the engines, the sandboxes and what they left on disk. Cheap to clone; its sandboxes end with its last clone.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    backend: Arc<dyn Backend>,
    state: StateDir,
    /// Opened when it is first needed.
    store: Mutex<Option<Arc<Store>>>,
    store_turns: Arc<Semaphore>,
    tools: Tools,
    bus: Arc<Bus>,
    max_sandboxes: usize,
    sandboxes: RwLock<Sandboxes>,
}

#[derive(Default)]
struct Sandboxes {
    live: HashMap<SandboxId, Sandbox>,
    /// What those used which are gone, and what was refused before there was one.
    gone: Totals,
}

impl Host {
    /// Opens the state directory and sets up a host on it. Several hosts may share one directory. Blocks on the file
    /// system for a moment.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the directory cannot be used, [`Kind::InvalidInput`] where others can write to it.
    pub fn open(config: HostConfig) -> Result<Self> {
        let state = StateDir::open(&config.state_dir)?;
        let backend = Wasm::new(wasm::Settings {
            artefacts: Some(Arc::clone(state.artefacts())),
            max_artefact_bytes: config.artefact_cache.as_bytes(),
            compiling: Compiling {
                max_program: config.max_program,
                time: config.compile_time,
                memory: config.compile_memory,
                compiler: config.compiler,
            },
            max_instances: config.max_instances,
        });
        Ok(Self::with_backend(state, config.max_sandboxes, Arc::new(backend)))
    }

    pub(crate) fn with_backend(state: StateDir, max_sandboxes: usize, backend: Arc<dyn Backend>) -> Self {
        let sandboxes = RwLock::default();
        Self {
            inner: Arc::new(Inner {
                tools: Tools::new(Arc::clone(state.tools()), Arc::clone(&backend)),
                backend,
                state,
                store: Mutex::default(),
                store_turns: Arc::new(Semaphore::new(STORE_TURNS)),
                bus: Arc::new(Bus::new()),
                max_sandboxes,
                sandboxes,
            }),
        }
    }

    /// Makes a sandbox as `spec` asks, if its policy grants that. Its directory appears with its first file.
    ///
    /// # Errors
    /// As [`admit`](Self::admit) and [`create_admitted`](Self::create_admitted).
    pub fn create(&self, spec: SandboxSpec) -> Result<Sandbox> {
        self.create_admitted(&self.admit(&spec)?)
    }

    /// Has `spec` judged by its policy, and opens the directories that it mounts. Who makes many sandboxes alike does
    /// this once.
    ///
    /// # Errors
    /// [`Kind::Denied`], with every denial, where the policy does not grant it; [`Kind::InvalidInput`] or
    /// [`Kind::NotFound`] for a mount which cannot be, and [`Kind::InvalidInput`] for an environment over 128 KiB.
    pub fn admit(&self, spec: &SandboxSpec) -> Result<Admission> {
        admission::admit(spec, self.inner.state.path()).inspect_err(|error| {
            if error.kind() == Kind::Denied {
                let denials = error.denials().len() as u64;
                self.inner.change_sandboxes().gone.note_refusals(denials, &[]);
                self.inner.bus.publish(|| Event::RequestDenied {
                    sandbox: None,
                    denials: error.denials().to_vec(),
                });
            }
        })
    }

    /// Makes a sandbox of what was granted.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] when there are too many sandboxes.
    pub fn create_admitted(&self, admission: &Admission) -> Result<Sandbox> {
        let id = SandboxId::random();
        let sandbox = Sandbox::new(
            id,
            Arc::downgrade(&self.inner),
            &self.inner.bus,
            self.inner.state.scratch(),
            Arc::clone(&admission.0),
        )?;
        {
            let mut sandboxes = self.inner.change_sandboxes();
            let count = sandboxes.live.len();
            if count >= self.inner.max_sandboxes {
                return Err(Error::new(
                    Kind::Exhausted,
                    format!("there are {count} sandboxes, as many as this host takes"),
                ));
            }
            sandboxes.live.insert(id, sandbox.clone());
        }
        self.inner.bus.publish(|| Event::SandboxCreated { sandbox: id });
        Ok(sandbox)
    }

    /// A sandbox by its id.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn sandbox(&self, id: SandboxId) -> Result<Sandbox> {
        let found = self.inner.sandboxes().live.get(&id).cloned();
        found.ok_or_else(|| Error::new(Kind::NotFound, format!("no sandbox {id}")))
    }

    /// Every sandbox, in no order.
    pub fn sandboxes(&self) -> Vec<Sandbox> {
        self.inner.sandboxes().live.values().cloned().collect()
    }

    /// What it has used since it was opened, by sandboxes which are gone too.
    pub fn totals(&self) -> Totals {
        let sandboxes = self.inner.sandboxes();
        let mut totals = sandboxes.gone;
        for sandbox in sandboxes.live.values() {
            totals.add(&sandbox.totals());
        }
        totals
    }

    /// How full the fullest of its pools of instances is; `None` where it has none.
    pub fn instances(&self) -> Option<Instances> {
        self.inner.backend.instances()
    }

    /// The tools of this host.
    pub fn tools(&self) -> &Tools {
        &self.inner.tools
    }

    pub(crate) fn store_is_open(&self) -> bool {
        let store = self.inner.store.lock();
        store.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        Arc::clone(&self.inner).with_store(work).await
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        self.inner.bus.subscribe()
    }

    /// The state directory, absolute and without symbolic links.
    pub fn state_dir(&self) -> &Path {
        self.inner.state.path()
    }
}

impl Inner {
    pub(crate) fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Where snapshots are. Opening it blocks, for longer where the host was killed.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another host has that of this state directory.
    fn store(&self) -> Result<Arc<Store>> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*store {
            return Ok(Arc::clone(store));
        }
        let (opened, recovery) = Store::open(&self.state.store()?)?;
        if recovery != Recovery::default() {
            tracing::info!(?recovery, "opened the store of snapshots");
        }
        self.forget_orphans(&opened)?;
        Ok(Arc::clone(store.insert(Arc::new(opened))))
    }

    /// Deletes what is kept of sandboxes which are gone: they end with their host.
    fn forget_orphans(&self, store: &Store) -> Result<()> {
        for owner in store.owners()? {
            let id = owner.parse();
            if id.is_ok_and(|id| self.sandboxes().live.contains_key(&id)) {
                continue;
            }
            tracing::info!(sandbox_id = owner, "deleting the snapshots of a sandbox which is gone");
            store.forget(&owner, Durability::Soon)?;
        }
        Ok(())
    }

    /// Does work on snapshots, when its turn has come, on a thread which may block.
    pub(crate) async fn with_store<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.store_turns).acquire_owned().await;
        let turn = turn.expect("nothing closes the semaphore");
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&*self.store()?)
        });
        done.await
            .map_err(|error| Error::new(Kind::Internal, "the work on snapshots failed").with_source(error))?
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn forget(&self, id: SandboxId) {
        let mut sandboxes = self.change_sandboxes();
        if let Some(sandbox) = sandboxes.live.remove(&id) {
            sandboxes.gone.add(&sandbox.totals());
        }
    }

    fn sandboxes(&self) -> RwLockReadGuard<'_, Sandboxes> {
        self.sandboxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_sandboxes(&self) -> RwLockWriteGuard<'_, Sandboxes> {
        self.sandboxes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for sandbox in self.sandboxes().live.values() {
            sandbox.kill_all();
        }
    }
}
