//! Ten files which changed, of ever more: what a snapshot of them takes must hardly depend on how many there are.

use std::cell::RefCell;

use palisade_store::Durability;
use wasmtime::Result;

use super::corpus::{Corpus, MANY};
use super::few::Ours;
use super::rounds::tell;
use super::scratch::Scratch;
use crate::harness::{Measurement, Settings, pairs};

const FEWEST: usize = 1_000;
const MOST: usize = 100_000;

/// From the fewest to the most.
const GOAL: f64 = 1.5;

pub(super) fn run(settings: Settings, scratch: &Scratch) -> Result<Vec<Measurement>> {
    let of = |files: usize| {
        let corpus = Corpus::many(&scratch.path().join(files.to_string()), files)?;
        let store = format!("{files}-store");
        wasmtime::error::Ok(RefCell::new(Ours::new(scratch, corpus, &store)?))
    };
    let fewest = of(FEWEST)?;
    let mut results = Vec::new();
    for (files, goal) in [(MANY, None), (MOST, Some(GOAL))] {
        let more = of(files)?;
        scratch.settle()?;
        for (what, durability) in [("not durable", Durability::Soon), ("durable", Durability::Synced)] {
            let measured = pairs(
                settings,
                || more.borrow_mut().take(durability),
                || fewest.borrow_mut().take(durability),
            )?;
            let name = format!("growth: 10 changed, {what}, of {files} files and of {FEWEST}");
            let measured = Measurement::from_pairs(name, "µs", goal, &measured);
            tell(&measured);
            results.push(measured);
        }
    }
    Ok(results)
}
