//! `cargo xtask bench`: the benchmark harness, compiled for release.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{command, guests, paths};

#[derive(Args)]
pub(crate) struct Options {
    /// Only this suite (all when none is named)
    suite: Option<String>,
    /// Also write the raw data there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Compile others with engines of their own, and measure them beside ours
    #[arg(long)]
    peers: bool,
    /// Passed to the harness as they are
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    guests::ensure()?;
    let mut harness = command::cargo();
    harness.args([
        "run",
        "--release",
        "--package",
        "palisade-bench",
        "--bin",
        "palisade-bench",
        "--",
    ]);
    harness.args(&options.suite);
    if let Some(file) = &options.json {
        // The harness runs in the workspace; the path is meant from where the caller is.
        harness.arg("--json").arg(std::path::absolute(file)?);
    }
    if options.peers {
        harness.arg("--peers").arg(peers()?);
    }
    command::foreground(harness.args(&options.arguments).env("PALISADE_GUESTS", paths::guests()))
}

/// Compiles what measures others, which is a workspace of its own.
fn peers() -> Result<PathBuf> {
    let target = paths::scratch("peers")?;
    let mut build = command::cargo();
    build.args([
        "build",
        "--release",
        "--locked",
        "--manifest-path",
        "benches/peers/Cargo.toml",
    ]);
    command::step("compile the peers", build.env("CARGO_TARGET_DIR", &target))?;
    Ok(target.join("release/palisade-peers"))
}
