//! Programs made ready to run: compiled, or loaded from disk, and linked.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;
use wasmtime::component::Component;
use wasmtime::{Engine, InstancePre, Linker, Module};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::artefacts::Artefacts;
use super::engine::{Engines, Variant};
use super::{p1, p2};
use crate::{Error, Format, Kind, Program, Result};

/// Programs kept ready in memory.
const MAX_READY: usize = 256;

/// A program ready to be instantiated.
#[derive(Clone)]
pub(crate) enum Compiled {
    Module(InstancePre<p1::State>),
    Component(CommandPre<p2::State>),
}

/// All programs of one host that are ready, and the way to make more.
pub(crate) struct Compiler {
    engines: Engines,
    artefacts: Option<Artefacts>,
    ready: Mutex<ReadyPrograms>,
}

#[derive(Default)]
struct ReadyPrograms {
    by_key: HashMap<Key, Ready>,
    /// Counts up with every use of any of them.
    clock: u64,
}

type Key = (blake3::Hash, Variant);

struct Ready {
    compiled: Arc<OnceCell<Compiled>>,
    /// The clock at its latest use.
    used: u64,
}

impl Compiler {
    pub(crate) fn new(engines: Engines, artefacts: Option<Artefacts>) -> Self {
        Self {
            engines,
            artefacts,
            ready: Mutex::default(),
        }
    }

    /// The program, ready to run. Compiling happens once for all who wait for it, off the caller's thread.
    pub(crate) async fn get(self: &Arc<Self>, program: &Program, variant: Variant) -> Result<Compiled> {
        let cell = self.cell((program.digest(), variant));
        if let Some(compiled) = cell.get() {
            return Ok(compiled.clone());
        }
        let make = || async {
            let (compiler, program) = (Arc::clone(self), program.clone());
            let work = tokio::task::spawn_blocking(move || compiler.make(&program, variant));
            work.await
                .map_err(|error| Error::new(Kind::Internal, "the compiler failed").with_source(error))?
        };
        cell.get_or_try_init(make).await.cloned()
    }

    fn cell(&self, key: Key) -> Arc<OnceCell<Compiled>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.clock += 1;
        let now = ready.clock;
        if let Some(entry) = ready.by_key.get_mut(&key) {
            entry.used = now;
            return Arc::clone(&entry.compiled);
        }
        if ready.by_key.len() >= MAX_READY
            && let Some(oldest) = ready
                .by_key
                .iter()
                .min_by_key(|(_, entry)| entry.used)
                .map(|(key, _)| *key)
        {
            ready.by_key.remove(&oldest);
        }
        let compiled = Arc::new(OnceCell::new());
        ready.by_key.insert(
            key,
            Ready {
                compiled: Arc::clone(&compiled),
                used: now,
            },
        );
        compiled
    }

    fn make(&self, program: &Program, variant: Variant) -> Result<Compiled> {
        let engine = self.engines.get(variant)?;
        match program.format() {
            Format::Module => {
                let module = self.load::<Module>(engine, program)?;
                link_module(engine, &module).map_err(|error| refuse(program, &error))
            }
            Format::Component => {
                let component = self.load::<Component>(engine, program)?;
                link_component(engine, &component).map_err(|error| refuse(program, &error))
            }
        }
    }

    /// From disk where it can be, otherwise compiled, and then put there.
    fn load<C: Artefact>(&self, engine: &Engine, program: &Program) -> Result<C> {
        let key = key(engine, program);
        if let Some(path) = self.artefacts.as_ref().and_then(|artefacts| artefacts.find(&key)) {
            match C::map(engine, &path) {
                Ok(loaded) => return Ok(loaded),
                Err(error) => {
                    tracing::warn!(artefact = key, %error, "a compiled program does not load; it is compiled anew");
                }
            }
        }
        let compiled = C::compile(engine, program.bytes()).map_err(|error| refuse(program, &error))?;
        if let Some(artefacts) = &self.artefacts {
            let stored = compiled.artefact().map_err(std::io::Error::other);
            if let Err(error) = stored.and_then(|bytes| artefacts.store(&key, &bytes)) {
                tracing::warn!(%error, "cannot keep a compiled program; it will be compiled again");
            }
        }
        Ok(compiled)
    }
}

fn refuse(program: &Program, error: &wasmtime::Error) -> Error {
    let what = match program.format() {
        Format::Module => "module",
        Format::Component => "component",
    };
    // Wasmtime explains over several lines; ours is one.
    let why = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    Error::new(
        Kind::InvalidInput,
        format!("{:?} is not a {what} that palisade can run: {why}", program.name()),
    )
}

/// Names an artefact by the program and everything in the engine that its code depends on.
fn key(engine: &Engine, program: &Program) -> String {
    struct Blake3(blake3::Hasher);
    impl Hasher for Blake3 {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            unreachable!("the whole digest is read instead")
        }
    }
    let mut settings = Blake3(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    let settings = settings.0.finalize().to_hex();
    format!("{}-{}", program.digest().to_hex(), &settings[..16])
}

fn link_module(engine: &Engine, module: &Module) -> wasmtime::Result<Compiled> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker(&mut linker, |state: &mut p1::State| state)?;
    let ready = match linker.instantiate_pre(module) {
        Ok(ready) => ready,
        Err(error) => match error.downcast_ref::<wasmtime::UnknownImportError>() {
            Some(import) => wasmtime::bail!(
                "it imports `{}::{}`, which is not provided: only `{}` is",
                import.module().escape_debug(),
                import.name().escape_debug(),
                p1::MODULE,
            ),
            None => return Err(error),
        },
    };
    match module.get_export("_start") {
        Some(wasmtime::ExternType::Func(function)) if function.params().len() == 0 && function.results().len() == 0 => {
        }
        Some(_) => wasmtime::bail!("its `_start` is not a function without parameters and results"),
        None => wasmtime::bail!("it exports no `_start`, so it is a library and not a program"),
    }
    Ok(Compiled::Module(ready))
}

fn link_component(engine: &Engine, component: &Component) -> wasmtime::Result<Compiled> {
    let mut linker = wasmtime::component::Linker::new(engine);
    p2::add_to_linker(&mut linker)?;
    let ty = component.component_type();
    if !ty.exports(engine).any(|(name, _)| name.starts_with("wasi:cli/run@")) {
        wasmtime::bail!("it exports no `wasi:cli/run`, so it is a library and not a program");
    }
    Ok(Compiled::Component(CommandPre::new(
        linker.instantiate_pre(component)?,
    )?))
}

/// What modules and components do alike.
trait Artefact: Sized {
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self>;
    fn artefact(&self) -> wasmtime::Result<Vec<u8>>;
    /// Maps a file which [`Artefacts::find`] has checked.
    fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Self>;
}

impl Artefact for Module {
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        Module::from_binary(engine, bytes)
    }

    fn artefact(&self) -> wasmtime::Result<Vec<u8>> {
        self.serialize()
    }

    #[expect(unsafe_code, reason = "mapping precompiled code")]
    fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Self> {
        // SAFETY: the file is in a folder that only this user can write to, and its digest is that of what this
        // user's palisade put there, so it is the unmodified output of `serialize`.
        unsafe { Module::deserialize_file(engine, path) }
    }
}

impl Artefact for Component {
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        Component::from_binary(engine, bytes)
    }

    fn artefact(&self) -> wasmtime::Result<Vec<u8>> {
        self.serialize()
    }

    #[expect(unsafe_code, reason = "mapping precompiled code")]
    fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Self> {
        // SAFETY: as for a module.
        unsafe { Component::deserialize_file(engine, path) }
    }
}
