//! Programs as WebAssembly, in wasmtime.

mod apart;
mod artefacts;
mod call;
mod clocks;
mod compiled;
mod docs;
mod engine;
mod functions;
mod limiter;
pub(crate) mod p1;
pub(crate) mod p2;
pub(crate) mod plugin;
mod session;
pub(crate) mod values;
mod workshop;

use std::iter;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cap_std::fs::Dir;
use futures_util::future::BoxFuture;
use palisade_policy::Metering;
use wasmtime::{CallHook, InstancePre, Store, StoreContextMut, Trap, UpdateDeadline};
use wasmtime_wasi::p2::bindings::CommandPre;

pub use self::apart::{COMPILE_PROGRAM, compile_program};
use self::artefacts::Artefacts;
use self::clocks::{LazyClocks, RandomNumbers};
use self::compiled::{Compiled, Programs};
use self::engine::{Engines, Variant};
pub(crate) use self::workshop::Compiling;
use self::workshop::Workshop;
use crate::backend::{Backend, Ended, Instances, Job, Meter, Preparing, Running, Stop, Work};
use crate::limits::{Limit, Refusals};
use crate::stdio::Outputs;
use crate::text::shown;
use crate::tool::Description;
use crate::workspace::Errno;
use crate::{Ending, Error, Kind, Program, Result};

/// What every host call costs in fuel, beside what it charges for bytes and names: about what it costs in time, in
/// the time that an instruction takes.
const HOST_CALL_FUEL: u64 = 1000;

/// A guest keeps its fuel in a register and writes it down when it has used so much, so this is how exactly it is known
/// what a guest used which was ended by something other than its fuel.
const FUEL_STEP: u64 = 10_000_000;

/// Bytes that a host call moves for one unit of fuel.
const BYTES_PER_FUEL: u64 = 16;

/// What each name costs in fuel that a host call looks up or lists.
const NAME_FUEL: u64 = 100;

/// Settings of the backend.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where compiled programs are kept; `None`: nowhere.
    pub artefacts: Option<Arc<Dir>>,
    pub max_artefact_bytes: u64,
    pub compiling: Compiling,
    /// Instances that may live at one time, for each variant of the engine.
    pub max_instances: u32,
}

/// Runs programs in wasmtime.
#[derive(Clone)]
pub(crate) struct Wasm {
    programs: Arc<Programs>,
}

impl Wasm {
    pub(crate) fn new(settings: Settings) -> Self {
        let artefacts = settings
            .artefacts
            .map(|folder| Artefacts::new(folder, settings.max_artefact_bytes));
        let engines = Engines::new(settings.max_instances);
        let workshop = Workshop::new(engines, artefacts, settings.compiling);
        Self {
            programs: Arc::new(Programs::new(workshop)),
        }
    }
}

impl Backend for Wasm {
    fn prepare(&self, mut job: Box<Job>) -> Preparing {
        let work = mem::replace(&mut job.work, Work::Run);
        let variant = Variant {
            metering: job.metering,
            nans: job.nans,
        };
        if let Some(compiled) = self.programs.find(&job.program, variant)
            && compiled.is_ready_for(&work)
        {
            return Preparing::Done(start(compiled, work, job));
        }
        let programs = Arc::clone(&self.programs);
        Preparing::Begun(Box::pin(async move {
            let compiled = programs.get(&job.program, variant).await?;
            if let (Compiled::Component(linked), false) = (&compiled, compiled.is_ready_for(&work)) {
                linked.find_functions().await?;
            }
            start(compiled, work, job)
        }))
    }

    fn instances(&self) -> Option<Instances> {
        Some(self.programs.engines().instances())
    }

    fn describe(&self, program: Program) -> BoxFuture<'static, Result<Description>> {
        let programs = Arc::clone(&self.programs);
        Box::pin(async move {
            let Compiled::Component(linked) = programs.get(&program, Variant::default()).await? else {
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!(
                        "{:?} is a module: only a component has functions to be called",
                        program.name()
                    ),
                ));
            };
            linked.startable(&program)?;
            let work = move || linked.functions(&program)?.describe(&program, linked.imports());
            tokio::task::spawn_blocking(work)
                .await
                .map_err(|error| Error::new(Kind::Internal, "describing a component failed").with_source(error))?
        })
    }
}

/// What does `work` with a program.
fn start(compiled: Compiled, work: Work, job: Box<Job>) -> Result<Running> {
    match (compiled, work) {
        (Compiled::Module(program), Work::Run) => Ok(Box::pin(run_module(program, job))),
        (Compiled::Component(linked), Work::Run) => match &linked.startable(&job.program)?.command {
            Some(command) => Ok(Box::pin(run_component(command.clone(), job))),
            None => {
                let why = "it exports no `wasi:cli/run`, so it is a library and not a program";
                Err(workshop::refuse(&job.program, &wasmtime::format_err!("{why}")))
            }
        },
        (Compiled::Component(linked), Work::Call(call)) => call::prepare(linked, job, call),
        (Compiled::Component(linked), Work::Keep) => session::prepare(linked, job),
        (Compiled::Component(linked), Work::Visit(visit)) => visit.prepare(&linked, job),
        (Compiled::Module(_), Work::Call(_) | Work::Keep | Work::Visit(_)) => Err(Error::new(
            Kind::InvalidInput,
            format!(
                "{:?} is a module: only a component has functions to be called",
                job.program.name()
            ),
        )),
    }
}

async fn run_module(program: InstancePre<p1::State>, job: Box<Job>) -> Result<Ended> {
    let (record, fuel, limit) = (Arc::clone(&job.record), fuel(&job), job.fuel);
    let state = match p1::State::new(ProcessState::new(job)) {
        Ok(state) => state,
        Err(errno) => return no_preopens(errno, &record.refusals).map(Ended::from),
    };
    let mut run = Run::new(program.module().engine(), state, fuel)?;
    let ended = async {
        let instance = program.instantiate_async(&mut run.store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut run.store, "_start")?;
        start.call_async(&mut run.store, ()).await
    };
    match ended.await {
        Ok(()) => Ok(Ending::Exited(0).into()),
        Err(error) => ending_of(&error, limit, &record.refusals).map(Ended::from),
    }
}

async fn run_component(program: CommandPre<p2::State>, job: Box<Job>) -> Result<Ended> {
    let (record, fuel, limit) = (Arc::clone(&job.record), fuel(&job), job.fuel);
    let mut run = Run::new(program.engine(), p2::State::new(ProcessState::new(job)), fuel)?;
    let ended = async {
        let command = program.instantiate_async(&mut run.store).await?;
        command.wasi_cli_run().call_run(&mut run.store).await
    };
    match ended.await {
        Ok(result) => Ok(Ending::Exited(result.is_err().into()).into()),
        Err(error) => ending_of(&error, limit, &record.refusals).map(Ended::from),
    }
}

/// The fuel that a program starts with; `None` where none is counted.
fn fuel(job: &Job) -> Option<u64> {
    (job.metering == Metering::Fuel).then(|| job.fuel.unwrap_or(u64::MAX))
}

/// What every process has, whatever its ABI.
pub(crate) struct ProcessState {
    pub job: Box<Job>,
    pub clocks: LazyClocks,
    random: RandomNumbers,
    /// What its memories and tables hold of the sandbox's memory, in bytes.
    held: u64,
}

impl ProcessState {
    fn new(job: Box<Job>) -> Self {
        Self {
            clocks: LazyClocks::from_grant(job.clocks),
            random: RandomNumbers::from_grant(job.random),
            job,
            held: 0,
        }
    }

    fn meter(&self) -> &Meter {
        &self.job.record.meter
    }

    fn refusals(&self) -> &Refusals {
        &self.job.record.refusals
    }

    fn outputs(&self) -> &Outputs {
        &self.job.record.outputs
    }

    /// The arguments, the name of the program before them.
    fn args(&self) -> impl Iterator<Item = &str> {
        iter::once(&*self.job.name).chain(self.job.args.iter().map(String::as_str))
    }

    /// The bytes of the arguments, each ended by a zero.
    fn args_bytes(&self) -> usize {
        self.args().map(|argument| argument.len() + 1).sum()
    }

    /// The bytes of the environment as `NAME=VALUE`, each ended by a zero.
    fn env_bytes(&self) -> usize {
        self.job
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum()
    }

    /// What the host may hold for a value on its way out: a part of what the sandbox may have.
    fn max_lifted(&self) -> usize {
        usize::try_from(self.job.workspace.memory().limit() / 4)
            .unwrap_or(usize::MAX)
            .max(1 << 20)
    }
}

/// The state of either ABI.
trait HasProcess: Send + 'static {
    fn process(&mut self) -> &mut ProcessState;
}

impl HasProcess for p1::State {
    fn process(&mut self) -> &mut ProcessState {
        &mut self.process
    }
}

impl HasProcess for p2::State {
    fn process(&mut self) -> &mut ProcessState {
        &mut self.process
    }
}

/// A store under its limits; what it used is in the meter at the latest when it is gone, however it ends.
struct Run<T: HasProcess> {
    store: Store<T>,
    fuel: Option<u64>,
}

impl<T: HasProcess> Run<T> {
    fn new(engine: &wasmtime::Engine, state: T, fuel: Option<u64>) -> Result<Self> {
        let mut run = Self::without_host_calls(engine, state, fuel)?;
        if fuel.is_some() {
            run.store.call_hook(charge_host_calls());
        }
        Ok(run)
    }

    /// For what imports nothing.
    fn without_host_calls(engine: &wasmtime::Engine, state: T, fuel: Option<u64>) -> Result<Self> {
        let mut store = Store::new(engine, state);
        store.limiter(|state| state.process());
        // Not wasmtime's own way to yield: that has the guest polled again before any timer or socket is looked at.
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))));
        store.set_epoch_deadline(1);
        if let Some(fuel) = fuel {
            let failed = |error| Error::new(Kind::Internal, format!("cannot give a store its fuel: {error:#}"));
            store.set_fuel(fuel).map_err(failed)?;
            store.fuel_async_yield_interval(Some(FUEL_STEP)).map_err(failed)?;
        }
        Ok(Self { store, fuel })
    }

    /// Writes down what fuel it has used.
    fn tell_fuel(&mut self) {
        if let Some(fuel) = self.fuel {
            let used = fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
            self.store
                .data_mut()
                .process()
                .meter()
                .fuel
                .store(used, Ordering::Relaxed);
        }
    }
}

impl<T: HasProcess> Drop for Run<T> {
    fn drop(&mut self) {
        self.tell_fuel();
    }
}

/// Takes the fuel of each host call when it returns; the one place where host calls are charged.
///
/// The engine's hook also tells of calls within wasmtime, such as those which grow a memory or look at the epoch. Around
/// those a guest keeps its fuel in a register, so that it must not be touched; they are told apart by the count of our
/// calls, and by being the outermost, since a host call may have the guest allocate memory for its result.
fn charge_host_calls<T: HasProcess>()
-> impl FnMut(StoreContextMut<'_, T>, CallHook) -> wasmtime::Result<()> + Send + Sync {
    let (mut depth, mut calls_before) = (0_u32, 0);
    move |mut store, hook| {
        match hook {
            CallHook::CallingHost => {
                depth += 1;
                if depth == 1 {
                    calls_before = store.data_mut().process().meter().calls();
                }
            }
            CallHook::ReturningFromHost => {
                depth = depth.saturating_sub(1);
                if depth == 0 && store.data_mut().process().meter().calls() != calls_before {
                    return charge_host_call(&mut store);
                }
            }
            CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
        }
        Ok(())
    }
}

fn charge_host_call<T: HasProcess>(store: &mut StoreContextMut<'_, T>) -> wasmtime::Result<()> {
    let process = store.data_mut().process();
    let (moved, names) = (process.meter().take_unpaid(), process.refusals().take_unpaid_names());
    let charge = HOST_CALL_FUEL
        .saturating_add(moved / BYTES_PER_FUEL)
        .saturating_add(names.saturating_mul(NAME_FUEL));
    match store.get_fuel()?.checked_sub(charge) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}

/// A process gets no further than its preopened directories where the sandbox has no handles left for them.
fn no_preopens(errno: Errno, refusals: &Refusals) -> Result<Ending> {
    match refusals.last_limit() {
        Some(limit) => Ok(Ending::LimitReached(limit)),
        None => Err(Error::new(Kind::Internal, "cannot open the directories of a program").with_source(errno)),
    }
}

/// Tells from the error which ended it how a guest ended that had this limit of fuel; an error of ours stays one.
fn ending_of(error: &wasmtime::Error, fuel: Option<u64>, refusals: &Refusals) -> Result<Ending> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return Ok(match *stop {
            Stop::Exit(code) => Ending::Exited(code),
            Stop::Limit(limit) => Ending::LimitReached(limit),
        });
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Err(Error::new(
            Kind::Exhausted,
            "the host has no room for another instance: raise `instances`",
        ));
    }
    // Wasmtime keeps the type of this one to itself.
    if error.root_cause().to_string().contains("too much data is being copied") {
        return Ok(Ending::LimitReached(Limit::Memory));
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) {
        return Ok(match fuel {
            Some(_) => Ending::LimitReached(Limit::Fuel),
            // An instruction costs by what it asks for, done or not, so that a program can come to this in hours.
            None => Ending::Trapped("the program used more fuel than can be counted".into()),
        });
    }
    if let Some(limit) = p2::limit_of(error) {
        return Ok(Ending::LimitReached(limit));
    }
    // Whatever a guest does after a refusal which it cannot handle, it is the limit that ended it.
    if let Some(limit) = refusals.last_limit() {
        return Ok(Ending::LimitReached(limit));
    }
    Ok(Ending::Trapped(trap_message(error)))
}

/// One line: what trapped, and where in the program.
fn trap_message(error: &wasmtime::Error) -> String {
    let what = error.root_cause().to_string();
    let place = error
        .downcast_ref::<wasmtime::WasmBacktrace>()
        .and_then(|trace| trace.frames().first())
        .and_then(|frame| frame.func_name())
        .map(|function| {
            format!(
                " in `{}`",
                function.chars().take(200).collect::<String>().escape_debug()
            )
        });
    let line = what.lines().next().unwrap_or_default();
    format!("{}{}", shown(line, 500), place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_of_fuel_is_reached_where_there_is_none() {
        let ending = |fuel| ending_of(&Trap::OutOfFuel.into(), fuel, &Refusals::default()).unwrap();
        assert_eq!(ending(Some(1)), Ending::LimitReached(Limit::Fuel));
        assert!(matches!(ending(None), Ending::Trapped(_)));
        // What a store without a limit begins with, all of it used.
        let meter = Meter::default();
        meter.fuel.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(meter.fuel(), None);
    }
}
