//! Programs ready to run, kept in memory.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::engine::{Engines, Variant};
use super::functions::Functions;
use super::workshop::{Workshop, refuse};
use super::{Run, p1, p2};
use crate::backend::Work;
use crate::{Error, Kind, Program, Result};

/// Plug-ins for which one component is kept linked.
const MAX_OF_PLUGINS: usize = 16;

/// Programs kept ready in memory.
const MAX_READY: usize = 256;

/// A program ready to be instantiated.
#[derive(Clone)]
pub(super) enum Compiled {
    Module(wasmtime::InstancePre<p1::State>),
    Component(Arc<Linked>),
}

impl Compiled {
    /// Whether nothing has to be found out before `work` can begin.
    pub(super) fn is_ready_for(&self, work: &Work) -> bool {
        match (self, work) {
            (Self::Component(linked), Work::Call(_) | Work::Keep) => linked.functions.get().is_some(),
            _ => true,
        }
    }
}

/// A component, and what it becomes with all that any component may import.
pub(crate) struct Linked {
    pub(super) component: Component,
    /// Otherwise why it cannot be linked. A plug-in may import more.
    startable: Result<Startable, String>,
    /// What plug-ins have linked it to. They find it again for as long as it is here.
    of_plugins: Mutex<VecDeque<Arc<dyn Any + Send + Sync>>>,
    functions: OnceLock<Result<Functions, String>>,
}

/// A component ready to be instantiated.
pub(super) struct Startable {
    pub(super) instance: InstancePre<p2::State>,
    /// How it is run as a command, where it is one.
    pub(super) command: Option<CommandPre<p2::State>>,
    calls_host: bool,
}

impl Startable {
    fn new(component: &Component, linker: &Linker<p2::State>) -> wasmtime::Result<Self> {
        let instance = linker.instantiate_pre(component)?;
        let ty = component.component_type();
        let is_command = ty
            .exports(component.engine())
            .any(|(name, _)| name.starts_with("wasi:cli/run@"));
        let command = is_command.then(|| CommandPre::new(instance.clone())).transpose()?;
        let calls_host = ty.imports(component.engine()).len() > 0;
        Ok(Self {
            instance,
            command,
            calls_host,
        })
    }

    /// A store for an instance.
    pub(super) fn run(&self, state: p2::State, fuel: Option<u64>) -> Result<Run<p2::State>> {
        let engine = self.instance.engine();
        match self.calls_host {
            true => Run::new(engine, state, fuel),
            false => Run::without_host_calls(engine, state, fuel),
        }
    }
}

impl Linked {
    pub(super) fn new(component: &Component, linker: &Linker<p2::State>) -> Self {
        Self {
            component: component.clone(),
            startable: Startable::new(component, linker).map_err(|error| format!("{error:#}")),
            of_plugins: Mutex::default(),
            functions: OnceLock::new(),
        }
    }

    /// Keeps what a plug-in has linked it to, in place of the oldest where there are many.
    pub(super) fn keep(&self, linked: Arc<dyn Any + Send + Sync>) {
        let mut kept = self.of_plugins.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(MAX_OF_PLUGINS - 1);
        kept.push_front(linked);
    }

    /// What is ready to be instantiated.
    pub(super) fn startable(&self, program: &Program) -> Result<&Startable> {
        let startable = self.startable.as_ref();
        let only = "only a plug-in may import more than WASI 0.2";
        startable.map_err(|why| refuse(program, &wasmtime::format_err!("{only}: {why}")))
    }

    /// The names of what it imports.
    pub(super) fn imports(&self) -> Vec<String> {
        let ty = self.component.component_type();
        // The types of a world are imports too, and nothing that a host provides.
        let is_provided = |item: &ComponentItem| !matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
        ty.imports(self.component.engine())
            .filter(|(_, import)| is_provided(&import.ty))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Finds what of it can be called, on another thread: a component may have thousands.
    pub(super) async fn find_functions(self: &Arc<Self>) -> Result<()> {
        let linked = Arc::clone(self);
        let find = move || {
            linked.functions.get_or_init(|| linked.found());
        };
        tokio::task::spawn_blocking(find)
            .await
            .map_err(|error| Error::new(Kind::Internal, "looking for functions failed").with_source(error))
    }

    fn found(&self) -> Result<Functions, String> {
        Functions::of(self.component.engine(), &self.component)
    }

    /// What of it can be called.
    pub(super) fn functions(&self, program: &Program) -> Result<&Functions> {
        let functions = self.functions.get_or_init(|| self.found());
        functions
            .as_ref()
            .map_err(|why| Error::new(Kind::InvalidInput, format!("{:?} is no tool: {why}", program.name())))
    }
}

/// All programs of one host that are ready, and the way to make more.
pub(super) struct Programs {
    workshop: Arc<Workshop>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ready: HashMap<Key, Ready, BuildHasherDefault<ByDigest>>,
    /// What callers wait for now, by the name which an error would tell. When the last of them goes, so does what was
    /// not begun.
    making: HashMap<(Key, String), WeakShared<Making>>,
    /// The size of all that is ready, in bytes.
    bytes: u64,
    /// Counts up with every use of any of them.
    clock: u64,
}

type Key = (blake3::Hash, Variant);

/// Hashes a key by the digest in it, which nobody can choose.
#[derive(Default)]
struct ByDigest(u64);

impl Hasher for ByDigest {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 = self.0.rotate_left(1) ^ u64::from_le_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Making = BoxFuture<'static, Result<Made>>;

/// A program and its size as native code, in bytes.
pub(super) type Made = (Compiled, u64);

struct Ready {
    compiled: Compiled,
    bytes: u64,
    /// The clock at its latest use.
    used: u64,
}

impl Programs {
    pub(super) fn new(workshop: Workshop) -> Self {
        Self {
            workshop: Arc::new(workshop),
            known: Mutex::default(),
        }
    }

    pub(super) fn engines(&self) -> &Engines {
        self.workshop.engines()
    }

    /// The program, where it is ready.
    pub(super) fn find(&self, program: &Program, variant: Variant) -> Option<Compiled> {
        self.lock().find((program.digest(), variant))
    }

    /// The program, ready to run. It is made ready once for all who wait for it, off the caller's thread.
    pub(super) async fn get(&self, program: &Program, variant: Variant) -> Result<Compiled> {
        let key = (program.digest(), variant);
        let making = {
            let mut known = self.lock();
            if let Some(compiled) = known.find(key) {
                return Ok(compiled);
            }
            let make = || Arc::clone(&self.workshop).make(program.clone(), variant).boxed();
            known.making((key, program.name().to_owned()), make)
        };
        let made = making.await?;
        let compiled = made.0.clone();
        self.lock().keep(key, made, self.workshop.max_ready_bytes());
        Ok(compiled)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, key: Key) -> Option<Compiled> {
        self.clock += 1;
        let ready = self.ready.get_mut(&key)?;
        ready.used = self.clock;
        Some(ready.compiled.clone())
    }

    fn making(&mut self, key: (Key, String), make: impl FnOnce() -> Making) -> Shared<Making> {
        if let Some(making) = self.making.get(&key).and_then(WeakShared::upgrade) {
            return making;
        }
        self.making.retain(|_, making| making.upgrade().is_some());
        let making = make().shared();
        self.making.extend(making.downgrade().map(|making| (key, making)));
        making
    }

    /// Keeps what was made ready, in place of the least recently used where it would be too much.
    fn keep(&mut self, key: Key, (compiled, bytes): Made, max_bytes: u64) {
        self.making.retain(|_, making| making.upgrade().is_some());
        if self.ready.contains_key(&key) || bytes > max_bytes {
            return;
        }
        while self.ready.len() >= MAX_READY || self.bytes + bytes > max_bytes {
            let oldest = self
                .ready
                .iter()
                .min_by_key(|(_, ready)| ready.used)
                .map(|(key, _)| *key);
            let Some(removed) = oldest.and_then(|key| self.ready.remove(&key)) else {
                break;
            };
            self.bytes -= removed.bytes;
        }
        self.bytes += bytes;
        let used = self.clock;
        self.ready.insert(key, Ready { compiled, bytes, used });
    }
}
