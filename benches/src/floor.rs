//! The floor: bare wasmtime and wasmtime-wasi, set up as palisade sets them up, doing nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::Result;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Lift, Lower, ResourceTable, TypedFunc};
use wasmtime::error::Context;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, PoolingAllocationConfig, Store,
};
use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// An engine with the features that palisade's has by default: fuel, epochs, the pool.
pub(crate) fn engine(instances: u32) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * 4)
        .total_memories(instances)
        .total_tables(instances * 4)
        .total_stacks(instances)
        .total_gc_heaps(instances.min(1000))
        .table_elements(100_000)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_exceptions(true)
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let engine = Engine::new(&config)?;
    let ticking = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = ticking.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    Ok(engine)
}

/// What one run gives.
pub(crate) struct Run<'a> {
    pub args: &'a [&'a str],
    /// Seen as `/`.
    pub directory: Option<&'a Path>,
}

impl Run<'_> {
    fn wasi(&self, output: &MemoryOutputPipe) -> Result<WasiCtxBuilder> {
        let mut builder = WasiCtx::builder();
        builder.args(self.args).stdout(output.clone());
        if let Some(directory) = self.directory {
            builder.preopened_dir(PathBuf::from(directory), "/", FsPerms::ReadWrite)?;
        }
        Ok(builder)
    }
}

/// The most that a program prints here.
const OUTPUT: usize = 64 << 20;

fn prepare<T>(store: &mut Store<T>) -> Result<()> {
    store.epoch_deadline_async_yield_and_update(1);
    store.set_epoch_deadline(1);
    store.set_fuel(u64::MAX)?;
    Ok(())
}

fn limits() -> StoreLimits {
    StoreLimitsBuilder::new().memory_size(2 << 30).build()
}

/// A core module over wasmtime-wasi's preview 1.
pub(crate) struct CoreProgram {
    engine: Engine,
    ready: InstancePre<CoreState>,
}

struct CoreState {
    wasi: WasiP1Ctx,
    limits: StoreLimits,
}

impl CoreProgram {
    pub(crate) fn new(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |state: &mut CoreState| &mut state.wasi)?;
        let ready = linker.instantiate_pre(&Module::new(engine, bytes)?)?;
        Ok(Self {
            engine: engine.clone(),
            ready,
        })
    }

    /// Runs `_start` in a fresh store and gives what it printed.
    pub(crate) async fn run(&self, run: &Run<'_>) -> Result<Vec<u8>> {
        let output = MemoryOutputPipe::new(OUTPUT);
        let state = CoreState {
            wasi: run.wasi(&output)?.build_p1(),
            limits: limits(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        prepare(&mut store)?;
        let instance = self.ready.instantiate_async(&mut store).await?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        ended_well(start.call_async(&mut store, ()).await)?;
        drop(store);
        Ok(output.contents().to_vec())
    }
}

fn ended_well(result: wasmtime::Result<()>) -> Result<()> {
    match result {
        Err(error)
            if error
                .downcast_ref::<wasmtime_wasi::I32Exit>()
                .is_some_and(|exit| exit.0 == 0) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => Ok(()),
    }
}

/// A component over wasmtime-wasi's preview 2.
pub(crate) struct ComponentProgram {
    engine: Engine,
    ready: CommandPre<ComponentState>,
}

pub(crate) struct ComponentState {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for ComponentState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl ComponentProgram {
    pub(crate) fn new(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        let mut linker = wasmtime::component::Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let ready = CommandPre::new(linker.instantiate_pre(&Component::new(engine, bytes)?)?)?;
        Ok(Self {
            engine: engine.clone(),
            ready,
        })
    }

    /// Runs the command in a fresh store and gives what it printed.
    pub(crate) async fn run(&self, run: &Run<'_>) -> Result<Vec<u8>> {
        let output = MemoryOutputPipe::new(OUTPUT);
        let state = ComponentState {
            wasi: run.wasi(&output)?.build(),
            table: ResourceTable::new(),
            limits: limits(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        prepare(&mut store)?;
        let command = self.ready.instantiate_async(&mut store).await?;
        let ended = command.wasi_cli_run().call_run(&mut store).await;
        ended_well(ended.map(|_| ()))?;
        drop(store);
        Ok(output.contents().to_vec())
    }
}

/// One function of a component, called with its own types.
pub(crate) struct Tool<T: ToolState> {
    engine: Engine,
    ready: wasmtime::component::InstancePre<T>,
    function: ComponentExportIndex,
}

/// What the store of a tool has: [`StoreLimits`] for one which imports nothing, [`ComponentState`] for one which imports WASI.
pub(crate) trait ToolState: Send + 'static {
    fn new() -> Self;
    fn limits(&mut self) -> &mut StoreLimits;
    fn add_to_linker(linker: &mut wasmtime::component::Linker<Self>) -> Result<()>
    where
        Self: Sized;
}

impl ToolState for StoreLimits {
    fn new() -> Self {
        limits()
    }

    fn limits(&mut self) -> &mut StoreLimits {
        self
    }

    fn add_to_linker(_: &mut wasmtime::component::Linker<Self>) -> Result<()> {
        Ok(())
    }
}

impl ToolState for ComponentState {
    fn new() -> Self {
        let mut wasi = WasiCtx::builder();
        wasi.preopened_dir(std::env::temp_dir(), "/", FsPerms::ReadWrite)
            .expect("there is a folder for temporary files");
        Self {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            limits: limits(),
        }
    }

    fn limits(&mut self) -> &mut StoreLimits {
        &mut self.limits
    }

    fn add_to_linker(linker: &mut wasmtime::component::Linker<Self>) -> Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)
    }
}

impl<T: ToolState> Tool<T> {
    pub(crate) fn new(component: &Component, function: &str) -> Result<Self> {
        let engine = component.engine();
        let mut linker = wasmtime::component::Linker::new(engine);
        T::add_to_linker(&mut linker)?;
        Ok(Self {
            engine: engine.clone(),
            ready: linker.instantiate_pre(component)?,
            function: component
                .get_export_index(None, function)
                .with_context(|| format!("it exports no {function}"))?,
        })
    }

    /// Calls the function in a fresh store.
    pub(crate) async fn call<P, R>(&self, arguments: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.keep().await?.call(arguments).await
    }

    /// An instance to be called more than once.
    pub(crate) async fn keep<P, R>(&self) -> Result<Kept<T, P, R>>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let mut store = Store::new(&self.engine, T::new());
        store.limiter(|state| state.limits());
        prepare(&mut store)?;
        let instance = self.ready.instantiate_async(&mut store).await?;
        let function = instance.get_typed_func::<P, R>(&mut store, &self.function)?;
        Ok(Kept { store, function })
    }
}

/// An instance which is kept, and a function of it.
pub(crate) struct Kept<T: ToolState, P, R> {
    store: Store<T>,
    function: TypedFunc<P, R>,
}

impl<T: ToolState, P, R> Kept<T, P, R>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    pub(crate) async fn call(&mut self, arguments: P) -> Result<R> {
        self.function.call_async(&mut self.store, arguments).await
    }
}
