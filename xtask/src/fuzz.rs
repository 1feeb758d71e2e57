//! `cargo xtask fuzz`: the seeded fuzzers, which need neither nightly nor instrumentation. Compiled as tests are: with
//! the checks of debug assertions, and dependencies optimised.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{command, paths};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only this target (all when none is named)
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Repeats an earlier run
    #[arg(long)]
    seed: Option<u64>,
}

impl Options {
    /// Every target, repeatable, `seconds` each.
    pub(crate) fn seeded(seed: u64, seconds: u64) -> Self {
        Options {
            target: None,
            seconds,
            seed: Some(seed),
        }
    }
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    // With the features of the whole workspace, as tests are, so that nothing is compiled twice.
    let mut build = command::cargo();
    command::step(
        "compile the fuzzers",
        build.args(["build", "--workspace", "--bin", "fuzz"]),
    )?;
    let mut fuzzer = Command::new(paths::target().join("debug/fuzz"));
    fuzzer.args(&options.target);
    fuzzer.args(["--seconds", &options.seconds.to_string()]);
    if let Some(seed) = options.seed {
        fuzzer.args(["--seed", &seed.to_string()]);
    }
    command::foreground(fuzzer.env("PALISADE_GUESTS", paths::guests()))
}
