//! `cargo xtask crash`: the tests of stores which are killed, cut off from power, filled up and damaged, for longer.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::{command, progress};

#[derive(Args)]
pub(crate) struct Options {
    /// How often each kind of test does what it does
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: u64,
    /// What is done follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How often the power is cut; this takes strace
    #[arg(long, value_name = "N", default_value_t = 0)]
    power_cuts: u64,
}

/// A module of tests, and what it is called here.
const KINDS: [(&str, &str); 5] = [
    ("interleaving", "anything in any order"),
    ("kill", "kill -9"),
    ("power", "power cuts"),
    ("full_disk", "full disks"),
    ("bit_flips", "bit flips"),
];

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    let strace = || command::succeeds_within(Command::new("strace").arg("--version"), Duration::from_secs(5));
    if options.power_cuts > 0 && !strace() {
        bail!("power cuts take strace: install it, as with `apt-get install strace`");
    }
    let mut build = test(options);
    command::step("compile the tests of the store", build.arg("--no-run"))?;
    let mut failed = Vec::new();
    for (module, name) in KINDS {
        let mut test = test(options);
        test.args([
            "--quiet",
            "--",
            "--nocapture",
            "--test-threads",
            "1",
            &format!("{module}::"),
        ]);
        if command::foreground(&mut test).is_err() {
            failed.push(name);
        }
    }
    if !failed.is_empty() {
        bail!(
            "failed: {} (with --seed {} it is the same again)",
            failed.join(", "),
            options.seed
        );
    }
    progress::note("ok", "nothing was lost");
    Ok(())
}

fn test(options: &Options) -> Command {
    let mut test = command::cargo();
    test.args(["test", "--package", "palisade-store", "--test", "all"])
        .env("PALISADE_CRASH_ROUNDS", options.rounds.to_string())
        .env("PALISADE_CRASH_SEED", options.seed.to_string())
        .env("PALISADE_CRASH_POWER_CUTS", options.power_cuts.to_string());
    test
}
