//! Memory and tables: the sum over all instances of the sandbox.

use std::sync::atomic::Ordering;

use super::ProcessState;
use crate::limits::Limit;

/// What a table element costs in the host.
const ELEMENT: u64 = size_of::<usize>() as u64;

/// Instances, tables and memories that one process may have, so that none takes the whole pool. A Python component has
/// 14 instances and one memory.
pub(super) const MAX_INSTANCES: u32 = 64;
pub(super) const MAX_TABLES: u32 = 64;
pub(super) const MAX_MEMORIES: u32 = 8;

impl ProcessState {
    fn grow(&mut self, current: usize, desired: usize, maximum: Option<usize>, unit: u64) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        let job = &self.job;
        let more = (desired.saturating_sub(current) as u64).saturating_mul(unit);
        if self.held.saturating_add(more) > job.max_memory || job.workspace.memory().take(more).is_err() {
            job.record.refusals.hit(Limit::Memory);
            return false;
        }
        self.held += more;
        job.record.meter.peak_memory.fetch_max(self.held, Ordering::Relaxed);
        true
    }
}

impl Drop for ProcessState {
    fn drop(&mut self) {
        self.job.workspace.memory().give(self.held);
    }
}

/// Takes from the sandbox's memory what one store's memories and tables grow by; the one enforcer of that limit.
/// What it took goes back when the store is dropped, and not when a growth fails after all: wasmtime tells of failures
/// of which it did not ask, so that giving back then would give back what another memory holds.
impl wasmtime::ResourceLimiter for ProcessState {
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
