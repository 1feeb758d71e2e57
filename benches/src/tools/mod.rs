//! Tools: functions of components, found in the registry and called with JSON.

mod call;
mod load;
pub(crate) mod memory;
mod peers;
mod session;

use std::path::Path;

use wasmtime::Result;

use crate::harness::{Measurement, Settings, runtime};

/// A component which imports nothing and gives back the text that it is given, as often as it is asked.
pub(crate) const ECHO: &str = r#"(component
    (core module $m
        (memory (export "memory") 4)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0)))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
    (func (export "echo") (param "text" string) (result string)
        (canon lift (core func $i "echo") (memory $memory) (realloc $realloc))))"#;

pub(crate) fn run(settings: Settings, peers: Option<&Path>) -> Result<Vec<Measurement>> {
    let runtime = runtime()?;
    let entered = runtime.enter();
    let mut results = call::run(settings)?;
    results.extend(session::run(settings)?);
    if let Some(program) = peers {
        results.extend(peers::run(settings, program)?);
    }
    results.push(load::run(settings)?);
    results.extend(memory::run(settings)?);
    drop(entered);
    Ok(results)
}
