//! The spine: fresh sandboxes, files, processor time and memory.

mod compute;
mod files;
mod fresh;
pub(crate) mod memory;

use wasmtime::Result;

use crate::harness::{Measurement, Settings, runtime};

pub(crate) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let runtime = runtime()?;
    let entered = runtime.enter();
    let mut results = fresh::run(settings)?;
    results.extend(files::run(settings)?);
    results.extend(compute::run(settings)?);
    drop(entered);
    results.extend(memory::run(settings)?);
    Ok(results)
}
