//! Small files, opened, read and written by a guest, against wasmtime-wasi's own implementation.

use palisade::Program;
use wasmtime::Result;
use wasmtime::error::Context;

use crate::floor::{self, ComponentProgram, CoreProgram, Run};
use crate::harness::{Measurement, Settings, pairs, wait};
use crate::ours::Ours;

const GOAL: f64 = 1.0;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let ours = Ours::new(100)?;
    let engine = floor::engine(100)?;
    let folder = tempfile::tempdir()?;
    for index in 0..100 {
        std::fs::write(folder.path().join(format!("{index}.txt")), [b'x'; 46])?;
    }
    let module = std::fs::read(palisade_guests::path("guest.p1.wasm"))?;
    let component = std::fs::read(palisade_guests::path("guest.p2.wasm"))?;
    let core = CoreProgram::new(&engine, &module)?;
    let command = ComponentProgram::new(&engine, &component)?;
    let (module, component) = (
        Program::from_bytes("guest", module)?,
        Program::from_bytes("guest", component)?,
    );

    let granted = ours.admit(Some(folder.path()))?;
    let mut results = Vec::new();
    for (what, args) in [
        (
            "open and read 46 B",
            ["guest", "bench-open-read", "/", "2000"].as_slice(),
        ),
        ("write 64 B", &["guest", "bench-write", "/written", "2000", "64"]),
    ] {
        let floor_run = Run {
            args,
            directory: Some(folder.path()),
        };
        let measured = pairs(
            settings,
            || nanos(&wait(ours.run(&module, &args[1..], &granted))?.stdout),
            || nanos(&wait(core.run(&floor_run))?),
        )?;
        results.push(Measurement::from_pairs(
            format!("module: {what}"),
            "ns",
            GOAL,
            &measured,
        ));
        let measured = pairs(
            settings,
            || nanos(&wait(ours.run(&component, &args[1..], &granted))?.stdout),
            || nanos(&wait(command.run(&floor_run))?),
        )?;
        results.push(Measurement::from_pairs(
            format!("component: {what}"),
            "ns",
            GOAL,
            &measured,
        ));
    }
    Ok(results)
}

/// The guest's own measurement: `NAME ops=N ns_per_op=X`.
fn nanos(printed: &[u8]) -> Result<f64> {
    let printed = String::from_utf8_lossy(printed);
    let figure = printed
        .split("ns_per_op=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    figure
        .and_then(|figure| figure.parse().ok())
        .with_context(|| format!("no figure in {printed:?}"))
}
