//! Wasmtime engines: one for each combination of what has to be compiled in.

use std::sync::OnceLock;
use std::time::Duration;

use palisade_policy::{Metering, Nans};
use wasmtime::component;
use wasmtime::{Config, Enabled, EngineWeak, InstanceAllocationStrategy, Linker, PoolingAllocationConfig};

use super::limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use super::{p1, p2};
use crate::{Error, Instances, Kind, Result};

/// How often a running guest comes back to its supervisor.
const TICK: Duration = Duration::from_millis(10);

/// The stack of a guest: room for what recurses as deep as languages let it, such as the 1,000 calls of Python, each of
/// which takes a few kilobytes in its interpreter.
const GUEST_STACK: usize = 2 << 20;

/// The stack on which a guest and the host calls under it run: a guest which has used its part may call the host, and so
/// a function of an embedder's.
const STACK: usize = GUEST_STACK + HOST_STACK;
const HOST_STACK: usize = 2 << 20;

/// What differs between engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Variant {
    pub metering: Metering,
    pub nans: Nans,
}

impl Variant {
    fn index(self) -> usize {
        let metering = match self.metering {
            Metering::Fuel => 0,
            Metering::Time => 1,
        };
        let nans = match self.nans {
            Nans::Native => 0,
            Nans::Canonical => 2,
        };
        metering + nans
    }
}

/// An engine, with all that programs may import.
pub(super) struct Engine {
    pub(super) wasmtime: wasmtime::Engine,
    pub(super) modules: Linker<p1::State>,
    pub(super) components: component::Linker<p2::State>,
}

impl Engine {
    fn new(variant: Variant, max_instances: u32) -> wasmtime::Result<Self> {
        let wasmtime = wasmtime::Engine::new(&config(variant, max_instances))?;
        let mut modules = Linker::new(&wasmtime);
        p1::add_to_linker(&mut modules, |state: &mut p1::State| state)?;
        let mut components = component::Linker::new(&wasmtime);
        p2::add_to_linker(&mut components)?;
        Ok(Self {
            wasmtime,
            modules,
            components,
        })
    }
}

/// The engines of one host, each made when it is first asked for.
pub(crate) struct Engines {
    max_instances: u32,
    made: [OnceLock<Engine>; 4],
}

impl Engines {
    pub(crate) fn new(max_instances: u32) -> Self {
        Self {
            max_instances,
            made: Default::default(),
        }
    }

    pub(super) fn get(&self, variant: Variant) -> Result<&Engine> {
        let slot = &self.made[variant.index()];
        if let Some(engine) = slot.get() {
            return Ok(engine);
        }
        let engine = Engine::new(variant, self.max_instances).map_err(|error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot set up the WebAssembly engine: {error:#}"),
            )
        })?;
        // Two callers may race here; the loser's engine is dropped unused.
        if slot.set(engine).is_ok() {
            start_ticking(slot.get().expect("it was set above").wasmtime.weak())?;
        }
        Ok(slot.get().expect("it is set by now"))
    }

    /// How full the fullest pool is, of instances of components or of memories.
    pub(crate) fn instances(&self) -> Instances {
        let pools = self.made.iter().filter_map(OnceLock::get);
        let pools = pools.filter_map(|engine| engine.wasmtime.pooling_allocator_metrics());
        let used = pools.map(|pool| pool.component_instances().max(pool.memories() as u64));
        Instances {
            used: used.max().unwrap_or(0),
            most: self.max_instances.into(),
        }
    }
}

pub(super) fn config(variant: Variant, max_instances: u32) -> Config {
    let mut config = Config::new();
    config
        .strategy(wasmtime::Strategy::Cranelift)
        .consume_fuel(variant.metering == Metering::Fuel)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(variant.nans == Nans::Canonical)
        .relaxed_simd_deterministic(variant.nans == Nans::Canonical)
        .wasm_exceptions(true)
        // No WASI has 64-bit pointers.
        .wasm_memory64(false)
        // A shared memory would pass the limiter by.
        .shared_memory(false)
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(STACK)
        .memory_init_cow(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(max_instances)));
    config
}

fn pool(max_instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        // Of these a component has several.
        .total_core_instances(max_instances.saturating_mul(16))
        .total_tables(max_instances.saturating_mul(16))
        // Of memories it has one; each takes several gigabytes of address space.
        .total_memories(max_instances)
        .max_core_instances_per_component(MAX_INSTANCES)
        .max_tables_per_component(MAX_TABLES)
        .max_memories_per_component(MAX_MEMORIES)
        .total_stacks(max_instances)
        .total_gc_heaps(max_instances.min(1000))
        .table_elements(100_000)
        .max_memories_per_module(MAX_MEMORIES)
        .max_tables_per_module(16)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the engine's epoch until the engine is gone.
fn start_ticking(engine: EngineWeak) -> Result<()> {
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new()
        .name("palisade-epoch".into())
        .spawn(tick)
        .map(drop)
        .map_err(|error| Error::new(Kind::Unavailable, "cannot start the epoch thread").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Winch has had miscompilations that Cranelift has not.
    #[test]
    fn every_engine_uses_cranelift() {
        for metering in [Metering::Fuel, Metering::Time] {
            for nans in [Nans::Native, Nans::Canonical] {
                let engine = Engine::new(Variant { metering, nans }, 10).unwrap();
                let strategy = engine.wasmtime.get_strategy();
                assert!(matches!(strategy, Some(wasmtime::Strategy::Cranelift)), "{strategy:?}");
            }
        }
    }
}
