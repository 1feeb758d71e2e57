//! The parts of `wasi:io` where the work of a call, or what it tells, needs a bound. Streams are wasmtime-wasi's.

use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::{error, poll};

use super::{MAX_RESOURCES, State};

/// What waiting for one more pollable costs the host, in the bytes that it is charged like.
const BYTES_PER_POLLABLE: usize = 2048;

impl poll::Host for State {
    /// The same pollable may be in the list any number of times, so its length has a bound and a price of its own.
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        if pollables.len() > MAX_RESOURCES {
            let full = ResourceTableError::Full.into();
            self.note_full(&full);
            return Err(full);
        }
        self.process.meter().charge_bytes(pollables.len() * BYTES_PER_POLLABLE);
        poll::Host::poll(&mut self.table, pollables).await
    }
}

impl poll::HostPollable for State {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(&mut self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::block(&mut self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(&mut self.table, pollable)
    }
}

impl error::Host for State {}

impl error::HostError for State {
    /// The message alone; the `Debug` form may hold a backtrace of the host.
    fn to_debug_string(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<String> {
        Ok(self.table.get(&error)?.to_string())
    }

    fn drop(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}
