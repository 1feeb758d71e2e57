//! `cargo xtask soak`: the test of the server which takes 5 seconds among the others, for longer.

use anyhow::Result;
use clap::Args;

use crate::command;

#[derive(Args)]
pub(crate) struct Options {
    /// How long clients of all kinds come and go
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// What they do follows from it
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut test = command::cargo();
    // Of the whole workspace, whose compiled dependencies the other tests share.
    test.args(["test", "--workspace", "--test", "soak", "--", "--nocapture"])
        .env("PALISADE_SOAK_SECONDS", options.seconds.to_string())
        .env("PALISADE_SOAK_SEED", options.seed.to_string());
    command::foreground(&mut test)
}
