//! A fresh sandbox, a small program from start to end, and the sandbox gone again. What it is granted was decided once,
//! as for a tool which is called many times; the floor opens its directory each time, since it has no other way.

use palisade::Program;
use wasmtime::Result;

use crate::floor::{self, ComponentProgram, CoreProgram, Run};
use crate::harness::{Measurement, Settings, pairs, time_each};
use crate::ours::Ours;

/// A core module which does nothing but one call of WASI.
const SMALL: &str = r#"(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") (drop (call $args (i32.const 0) (i32.const 4)))))"#;

const GOAL: f64 = 1.25;
const REPETITIONS: u32 = 2000;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let ours = Ours::new(1000)?;
    let engine = floor::engine(1000)?;
    let directory = tempfile::tempdir()?;
    let small = wat::parse_str(SMALL)?;
    let component = std::fs::read(palisade_guests::path("guest.p2.wasm"))?;

    let core = CoreProgram::new(&engine, &small)?;
    let program = Program::from_bytes("small", small)?;
    let mut results = Vec::new();
    for (name, seen) in [
        ("fresh module, own files", None),
        ("fresh module, mounted directory", Some(directory.path())),
    ] {
        let granted = ours.admit(seen)?;
        let measured = pairs(
            settings,
            || time_each(REPETITIONS, async || ours.run(&program, &[], &granted).await),
            || {
                let run = Run {
                    args: &["small"],
                    directory: Some(directory.path()),
                };
                time_each(REPETITIONS, async || core.run(&run).await)
            },
        )?;
        results.push(Measurement::from_pairs(name, "µs", GOAL, &measured));
    }

    let floor_component = ComponentProgram::new(&engine, &component)?;
    let program = Program::from_bytes("guest", component)?;
    let args = ["guest", "exit", "0"];
    let granted = ours.admit(Some(directory.path()))?;
    let measured = pairs(
        settings,
        || time_each(REPETITIONS / 4, async || ours.run(&program, &args[1..], &granted).await),
        || {
            let run = Run {
                args: &args,
                directory: Some(directory.path()),
            };
            time_each(REPETITIONS / 4, async || floor_component.run(&run).await)
        },
    )?;
    results.push(Measurement::from_pairs(
        "fresh component, all of WASI",
        "µs",
        GOAL,
        &measured,
    ));
    Ok(results)
}
