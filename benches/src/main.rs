//! Measures palisade against the floor beneath it: the same work done by bare wasmtime and by the plain file system.
//!
//! Every figure is a ratio of two measurements taken in turn within one run, so that a machine which is slow today, or
//! has neighbours, changes both alike. `cargo xtask bench [SUITE] [--peers] [--json FILE]` runs it. Snapshots are measured
//! against other programs too: those which this machine has.

mod floor;
mod harness;
mod http;
mod machine;
mod ours;
mod report;
mod snapshot;
mod spine;
mod tools;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use wasmtime::Result;
use wasmtime::error::Context;

/// The one of the command, for both sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Measures others beside ours: the program of `benches/peers`.
    #[arg(long, value_name = "PROGRAM")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    snapshot: snapshot::Options,
    /// Runs one measurement of memory in this process and prints it; what the suites start themselves for.
    #[arg(long, hide = true, value_name = "SIDE")]
    memory_probe: Option<spine::memory::Probe>,
    /// Prints the memory which the tools in this state directory take; likewise.
    #[arg(long, hide = true, value_name = "DIRECTORY")]
    tools_probe: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// Fresh sandboxes, files, processor time and memory.
    Spine,
    /// Functions of components, called with JSON.
    Tools,
    /// The same over HTTP.
    Http,
    /// Snapshots of directories, and going back to them.
    Snapshot,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(probe) = arguments.memory_probe {
        return spine::memory::probe(probe);
    }
    if let Some(state) = arguments.tools_probe {
        return tools::memory::probe(&state);
    }
    let settings = harness::Settings { pairs: arguments.pairs };
    let tools = || tools::run(settings, arguments.peers.as_deref());
    let mut notes = Vec::new();
    let mut snapshot = || -> Result<_> {
        let (results, said) = snapshot::run(settings, &arguments.snapshot)?;
        notes = said;
        Ok(results)
    };
    let results = match arguments.suite {
        Some(Suite::Spine) => spine::run(settings)?,
        Some(Suite::Tools) => tools()?,
        Some(Suite::Http) => http::run(settings)?,
        Some(Suite::Snapshot) => snapshot()?,
        None => [spine::run(settings)?, tools()?, http::run(settings)?, snapshot()?].concat(),
    };
    let report = report::Report::new(settings, results, notes);
    print!("{report}");
    if let Some(file) = arguments.json {
        let json = serde_json::to_string_pretty(&report)?;
        std::fs::write(&file, json + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
