//! A guest which only computes.

use std::time::Instant;

use palisade::Program;
use wasmtime::Result;

use crate::floor::{self, CoreProgram, Run};
use crate::harness::{Measurement, Settings, micros, pairs, wait};
use crate::ours::Ours;

const GOAL: f64 = 1.02;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let ours = Ours::new(100)?;
    let bytes = std::fs::read(palisade_guests::path("guest.p1.wasm"))?;
    let core = CoreProgram::new(&floor::engine(100)?, &bytes)?;
    let program = Program::from_bytes("guest", bytes)?;
    let granted = ours.admit(None)?;
    let args = ["guest", "hash", "256"];
    let time = |run: &mut dyn FnMut() -> Result<()>| {
        let start = Instant::now();
        run()?;
        Ok(micros(start.elapsed()) / 1000.0)
    };
    let measured = pairs(
        settings,
        || time(&mut || wait(ours.run(&program, &args[1..], &granted)).map(drop)),
        || {
            time(&mut || {
                wait(core.run(&Run {
                    args: &args,
                    directory: None,
                }))
                .map(drop)
            })
        },
    )?;
    Ok(vec![Measurement::from_pairs(
        "compute, metered by fuel",
        "ms",
        GOAL,
        &measured,
    )])
}
