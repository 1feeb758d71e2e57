//! Everything this repository needs besides plain cargo: `cargo xtask <command>`.
//!
//! `demo` and `test` are the two commands of the README. Both work on a machine that has nothing but rustup: what they
//! need to compile guests to WebAssembly is fetched and built on the first run, and kept in a cache folder outside
//! the clone (see [`paths`]).

mod bench;
mod ci;
mod command;
mod crash;
mod demo;
mod deny;
mod fuzz;
mod guests;
mod lock;
mod paths;
mod progress;
mod soak;
mod test;
mod toolchain;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Set-up, guests, demo, tests and checks of this repository"
)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compile the programs and test guests to WebAssembly, into target/guests
    Guests(guests::Options),
    /// Compile everything and show what palisade does, step by step
    Demo,
    /// Compile the guests and run every test of the workspace
    Test(test::Options),
    /// Build and run the benchmark harness
    Bench(bench::Options),
    /// Run the seeded fuzzers
    Fuzz(fuzz::Options),
    /// Have clients stall, vanish and send garbage, and look that nothing of them stays
    Soak(soak::Options),
    /// Have stores killed, cut off from power, filled up and damaged, and look that nothing is lost
    Crash(crash::Options),
    /// Run every check beside the tests; .ci/run is `test` and this after set-up
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Guests(options) => guests::run(&options),
        Task::Demo => demo::run(),
        Task::Test(options) => test::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Crash(options) => crash::run(&options),
        Task::Ci => ci::run(),
    }
}
