//! The spine: fresh sandboxes, files, processor time and memory.

mod compute;
mod files;
mod fresh;
pub(crate) mod memory;
mod ours;

use wasmtime::Result;

use crate::harness::{Measurement, Settings};

pub(crate) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let mut results = fresh::run(settings)?;
    results.extend(files::run(settings)?);
    results.extend(compute::run(settings)?);
    drop(entered);
    results.extend(memory::run(settings)?);
    Ok(results)
}

/// Runs a future to its end on this thread, within the runtime which was entered.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(future)
}
