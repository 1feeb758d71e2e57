//! Memory and tables: the sum over all instances of the sandbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::Meter;
use crate::limits::{Counter, Limit, Refusals};

/// What a table element costs in the host.
const ELEMENT: u64 = size_of::<usize>() as u64;

/// Instances, tables and memories that one process may have, so that none takes the whole pool. A Python component has
/// 14 instances and one memory.
pub(super) const MAX_INSTANCES: u32 = 64;
pub(super) const MAX_TABLES: u32 = 64;
pub(super) const MAX_MEMORIES: u32 = 8;

/// Takes from the sandbox's memory what one store's memories and tables grow by; the one enforcer of that limit.
/// What it took goes back when the store is dropped, and not when a growth fails after all: wasmtime tells of failures
/// of which it did not ask, so that giving back then would give back what another memory holds.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Arc<Counter>,
    refusals: Arc<Refusals>,
    meter: Arc<Meter>,
    held: u64,
    /// The most that this store may hold.
    most: u64,
}

impl Limiter {
    pub(crate) fn new(memory: Arc<Counter>, most: u64, refusals: Arc<Refusals>, meter: Arc<Meter>) -> Self {
        Self {
            memory,
            most,
            refusals,
            meter,
            held: 0,
        }
    }

    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>, unit: u64) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        let more = (desired.saturating_sub(current) as u64).saturating_mul(unit);
        if self.held.saturating_add(more) > self.most || self.memory.take(more).is_err() {
            self.refusals.hit(Limit::Memory);
            return false;
        }
        self.held += more;
        self.meter.peak_memory.fetch_max(self.held, Ordering::Relaxed);
        true
    }
}

impl Drop for Limiter {
    fn drop(&mut self) {
        self.memory.give(self.held);
    }
}

impl wasmtime::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, maximum, 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, maximum, ELEMENT))
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES as usize
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES as usize
    }

    fn tables(&self) -> usize {
        MAX_TABLES as usize
    }
}
