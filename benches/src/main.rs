//! Measures palisade against the floor beneath it: the same work done by bare wasmtime and by the plain file system.
//!
//! Every figure is a ratio of two measurements taken in turn within one run, so that a machine which is slow today, or
//! has neighbours, changes both alike. `cargo xtask bench [SUITE] [--json FILE]` runs it.

mod floor;
mod harness;
mod machine;
mod report;
mod spine;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use wasmtime::Result;
use wasmtime::error::Context;

/// Measures palisade against its floor.
#[derive(Parser)]
struct Arguments {
    /// What to measure; everything when left out.
    suite: Option<Suite>,
    /// Writes machine, commit, settings and results there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many pairs each ratio is taken from.
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// Runs one measurement of memory in this process and prints it; what the suites start themselves for.
    #[arg(long, hide = true, value_name = "SIDE")]
    memory_probe: Option<spine::memory::Probe>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// Fresh sandboxes, files, processor time and memory.
    Spine,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(probe) = arguments.memory_probe {
        return spine::memory::probe(probe);
    }
    let settings = harness::Settings { pairs: arguments.pairs };
    let results = match arguments.suite {
        Some(Suite::Spine) | None => spine::run(settings)?,
    };
    let report = report::Report::new(settings, results);
    print!("{report}");
    if let Some(file) = arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(&file, json + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
