//! Where programs are made ready: loaded from disk or compiled, and linked.
//!
//! Compiling is work for a guest which is no fuel of its own, and hostile input makes it take hours, or all memory. So
//! the size of a program and of each function is bounded, and few are compiled at one time, by threads which are the
//! last to get a processor. What stops it wherever it is, is a process of its own: see [`apart`](super::apart).

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use palisade_policy::ByteSize;
use rayon_core::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wasmparser::{Parser, Payload};
use wasmtime::component::Component;
use wasmtime::{ExternType, Module};

use super::artefacts::Artefacts;
use super::compiled::{Compiled, Linked, Made};
use super::engine::{Engine, Engines, Variant};
use super::{apart, p1};
use crate::text::shown;
use crate::{Error, Format, Kind, Program, Result};

/// What is told of why a program is refused, in characters.
const MAX_REASON: usize = 500;

/// Programs compiled at one time: what bounds the memory that compiling takes.
const COMPILATIONS: usize = 2;

/// Programs loaded from disk at one time; loading one reads it all.
const LOADS: usize = 8;

/// The most native code that is taken for one program, as a multiple of the largest program.
const MAX_GROWTH: u64 = 8;

/// The largest function, in bytes. The time to compile one grows faster than its size. The longest of the common
/// interpreters have about 200,000.
const MAX_FUNCTION: usize = 512 << 10;

/// By how much the threads which compile are nicer than others.
pub(super) const NICE: i32 = 10;

/// What compiling may take.
#[derive(Debug, Clone)]
pub(crate) struct Compiling {
    /// The size of a program.
    pub max_program: ByteSize,
    /// How long compiling one may take, once its turn has come.
    pub time: Duration,
    /// What a process which compiles may hold.
    pub memory: ByteSize,
    /// The program which compiles in a process of its own; `None`: this process does.
    pub compiler: Option<PathBuf>,
}

pub(super) struct Workshop {
    engines: Engines,
    artefacts: Option<Artefacts>,
    compiling: Compiling,
    places: Arc<Semaphore>,
    loads: Arc<Semaphore>,
    threads: OnceLock<ThreadPool>,
}

impl Workshop {
    pub(super) fn new(engines: Engines, artefacts: Option<Artefacts>, compiling: Compiling) -> Self {
        Self {
            engines,
            artefacts,
            compiling,
            places: Arc::new(Semaphore::new(COMPILATIONS)),
            loads: Arc::new(Semaphore::new(LOADS)),
            threads: OnceLock::new(),
        }
    }

    pub(super) fn engines(&self) -> &Engines {
        &self.engines
    }

    /// How much native code is kept ready in memory: as much as on disk, so that what is unlinked there and still
    /// mapped here is bounded.
    pub(super) fn max_ready_bytes(&self) -> u64 {
        self.artefacts.as_ref().map_or(u64::MAX, Artefacts::max_bytes)
    }

    /// Makes a program ready, on other threads. Dropping the future gives up what was not begun, and ends a process which
    /// compiles.
    pub(super) async fn make(self: Arc<Self>, program: Program, variant: Variant) -> Result<Made> {
        check_size(&program, self.compiling.max_program)?;
        let found = {
            let (workshop, program) = (Arc::clone(&self), program.clone());
            let turn = Arc::clone(&self.loads).acquire_owned().await.map_err(failed)?;
            tokio::task::spawn_blocking(move || {
                let _turn = turn;
                workshop.find(&program, variant)
            })
        };
        if let Some(found) = found.await.map_err(failed)?? {
            return Ok(found);
        }
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(failed)?;
        let time = self.compiling.time;
        let late = format!("{:?} is not compiled after {} s", program.name(), time.as_secs_f32());
        let compiled = tokio::time::timeout(time, self.compile(program, variant, place)).await;
        compiled.map_err(|_| Error::new(Kind::Timeout, late))?
    }

    async fn compile(self: Arc<Self>, program: Program, variant: Variant, place: OwnedSemaphorePermit) -> Result<Made> {
        let Some(compiler) = &self.compiling.compiler else {
            return self.compile_here(program, variant, place).await;
        };
        let most = self.compiling.max_program.as_bytes().saturating_mul(MAX_GROWTH);
        let artefact = apart::compile(compiler, &program, variant, &self.compiling, most).await?;
        let workshop = Arc::clone(&self);
        let work = move || {
            let _place = place;
            workshop.take_in(&program, variant, &artefact)
        };
        tokio::task::spawn_blocking(work).await.map_err(failed)?
    }

    async fn compile_here(
        self: Arc<Self>,
        program: Program,
        variant: Variant,
        place: OwnedSemaphorePermit,
    ) -> Result<Made> {
        let (done, made) = oneshot::channel();
        let workshop = Arc::clone(&self);
        self.threads()?.spawn(move || {
            let made = workshop.find_or_compile(&program, variant);
            // The place is held by the work itself, which goes on when nobody waits for it.
            drop(place);
            let _ = done.send(made);
        });
        made.await.map_err(failed)?
    }

    /// A program which was compiled before and kept on disk.
    fn find(&self, program: &Program, variant: Variant) -> Result<Option<Made>> {
        let engine = self.engines.get(variant)?;
        match program.format() {
            Format::Module => self.load::<Module>(engine, program),
            Format::Component => self.load::<Component>(engine, program),
        }
    }

    fn find_or_compile(&self, program: &Program, variant: Variant) -> Result<Made> {
        // Somebody who no longer waits for it may have had it compiled meanwhile.
        if let Some(compiled) = self.find(program, variant)? {
            return Ok(compiled);
        }
        let artefact = compile(&self.engines.get(variant)?.wasmtime, program)?;
        self.take_in(program, variant, &artefact)
    }

    /// Keeps what was compiled, and loads it.
    fn take_in(&self, program: &Program, variant: Variant, artefact: &[u8]) -> Result<Made> {
        let engine = self.engines.get(variant)?;
        if wasmtime::Engine::detect_precompiled(artefact).is_none() {
            let message = format!("what the compiler made of {:?} is no compiled program", program.name());
            return Err(Error::new(Kind::Unavailable, message));
        }
        if let Some(artefacts) = &self.artefacts {
            if let Err(error) = artefacts.store(&key(&engine.wasmtime, program), artefact) {
                tracing::warn!(%error, "cannot keep a compiled program; it will be compiled again");
            } else if let Some(found) = self.find(program, variant)? {
                return Ok(found);
            }
        }
        let compiled = match program.format() {
            Format::Module => self.load_copy::<Module>(engine, program, artefact),
            Format::Component => self.load_copy::<Component>(engine, program, artefact),
        };
        Ok((compiled?, artefact.len() as u64))
    }

    fn load_copy<C: Artefact>(&self, engine: &Engine, program: &Program, artefact: &[u8]) -> Result<Compiled> {
        let loaded = C::load(&engine.wasmtime, artefact).map_err(|error| {
            // It would be found, and not be of use, each time.
            if let Some(artefacts) = &self.artefacts {
                artefacts.remove(&key(&engine.wasmtime, program));
            }
            refuse(program, &error)
        })?;
        loaded.link(engine).map_err(|error| refuse(program, &error))
    }

    fn load<C: Artefact>(&self, engine: &Engine, program: &Program) -> Result<Option<Made>> {
        let key = key(&engine.wasmtime, program);
        let Some(file) = self.artefacts.as_ref().and_then(|artefacts| artefacts.find(&key)) else {
            return Ok(None);
        };
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        match C::map(&engine.wasmtime, file) {
            Ok(loaded) => loaded
                .link(engine)
                .map(|compiled| Some((compiled, bytes)))
                .map_err(|error| refuse(program, &error)),
            Err(error) => {
                tracing::warn!(artefact = key, %error, "a compiled program does not load; it is compiled anew");
                Ok(None)
            }
        }
    }

    /// The threads which compile, made when they are first needed.
    fn threads(&self) -> Result<&ThreadPool> {
        if let Some(threads) = self.threads.get() {
            return Ok(threads);
        }
        let threads = ThreadPoolBuilder::new()
            .thread_name(|index| format!("palisade-compile-{index}"))
            // On Linux a thread's niceness is its own. Where it cannot be changed, compiling only gets more time.
            .start_handler(|_| {
                let _ = rustix::process::nice(NICE);
            })
            // Who waits for the work is told by its channel.
            .panic_handler(|_| tracing::error!("the compiler panicked"))
            .build()
            .map_err(|error| {
                Error::new(Kind::Unavailable, "cannot start the threads which compile").with_source(error)
            })?;
        Ok(self.threads.get_or_init(|| threads))
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Internal, "the compiler failed").with_source(error)
}

fn check_size(program: &Program, most: ByteSize) -> Result<()> {
    let bytes = program.size();
    if bytes <= most.as_bytes() {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{:?} has {bytes} bytes; this host takes programs of at most {most}",
            program.name()
        ),
    ))
}

/// Compiles a program to an artefact.
pub(super) fn compile(engine: &wasmtime::Engine, program: &Program) -> Result<Vec<u8>> {
    let bytes = program.bytes()?;
    check_functions(program, &bytes)?;
    match program.format() {
        Format::Module => engine.precompile_module(&bytes),
        Format::Component => engine.precompile_component(&bytes),
    }
    .map_err(|error| refuse(program, &error))
}

fn check_functions(program: &Program, bytes: &[u8]) -> Result<()> {
    for payload in Parser::new(0).parse_all(bytes) {
        // What cannot be parsed is for the compiler to explain.
        let Ok(Payload::CodeSectionEntry(function)) = payload else {
            continue;
        };
        let bytes = function.range().len();
        if bytes > MAX_FUNCTION {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{:?} has a function of {bytes} bytes, at offset {}; at most {MAX_FUNCTION} are taken",
                    program.name(),
                    function.range().start
                ),
            ));
        }
    }
    Ok(())
}

pub(super) fn refuse(program: &Program, error: &wasmtime::Error) -> Error {
    let what = match program.format() {
        Format::Module => "module",
        Format::Component => "component",
    };
    // Wasmtime explains over several lines, with names of the guest's in them.
    let why = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
    let why = shown(&why, MAX_REASON);
    Error::new(
        Kind::InvalidInput,
        format!("{:?} is not a {what} that palisade can run: {why}", program.name()),
    )
}

/// Names an artefact by the program and everything in the engine that its code depends on.
fn key(engine: &wasmtime::Engine, program: &Program) -> String {
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

/// What modules and components do alike.
trait Artefact: Sized {
    /// Copies an artefact which was compiled just now.
    fn load(engine: &wasmtime::Engine, artefact: &[u8]) -> wasmtime::Result<Self>;
    /// Maps a file which [`Artefacts::find`] has checked.
    fn map(engine: &wasmtime::Engine, file: File) -> wasmtime::Result<Self>;
    fn link(&self, engine: &Engine) -> wasmtime::Result<Compiled>;
}

impl Artefact for Module {
    #[expect(unsafe_code, reason = "loading precompiled code")]
    fn load(engine: &wasmtime::Engine, artefact: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: it comes from `compile`, here or in a process which this user set as the compiler.
        unsafe { Module::deserialize(engine, artefact) }
    }

    #[expect(unsafe_code, reason = "mapping precompiled code")]
    fn map(engine: &wasmtime::Engine, file: File) -> wasmtime::Result<Self> {
        // SAFETY: only this user can write to the file, and its digest is that of what this user's palisade put there,
        // so it is the unmodified output of `serialize`.
        unsafe { Module::deserialize_open_file(engine, file) }
    }

    fn link(&self, engine: &Engine) -> wasmtime::Result<Compiled> {
        let ready = match engine.modules.instantiate_pre(self) {
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
        match self.get_export("_start") {
            Some(ExternType::Func(start)) if start.params().len() == 0 && start.results().len() == 0 => {}
            Some(_) => wasmtime::bail!("its `_start` is not a function without parameters and results"),
            None => wasmtime::bail!("it exports no `_start`, so it is a library and not a program"),
        }
        Ok(Compiled::Module(ready))
    }
}

impl Artefact for Component {
    #[expect(unsafe_code, reason = "loading precompiled code")]
    fn load(engine: &wasmtime::Engine, artefact: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: it comes from `compile`, here or in a process which this user set as the compiler.
        unsafe { Component::deserialize(engine, artefact) }
    }

    #[expect(unsafe_code, reason = "mapping precompiled code")]
    fn map(engine: &wasmtime::Engine, file: File) -> wasmtime::Result<Self> {
        // The open file by its one name which nobody can put another in place of.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // SAFETY: as for a module.
        unsafe { Component::deserialize_file(engine, path) }
    }

    fn link(&self, engine: &Engine) -> wasmtime::Result<Compiled> {
        Ok(Compiled::Component(Arc::new(Linked::new(self, &engine.components))))
    }
}
