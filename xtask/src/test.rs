//! `cargo xtask test`: every test of the workspace, documentation included.

use std::fs;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::toolchain::{browser, schemathesis};
use crate::{command, guests, paths, progress};

/// Tests that cannot run on this machine append a line to the file named here; see `palisade_guests::skip`.
const SKIPPED: &str = "PALISADE_SKIPPED";

/// The folder with Schemathesis, which a test of the server runs.
const SCHEMATHESIS: &str = "PALISADE_SCHEMATHESIS";

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Passed to `cargo test` as they are: `--release`, `-p palisade-policy`, `name -- --nocapture`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// The tests of what is written in Python, by the machine's own.
fn python() -> Command {
    let mut python = Command::new("python3");
    python
        // Without leaving compiled files in the sources.
        .args([
            "-B",
            "-m",
            "unittest",
            "discover",
            "--start-directory",
            "tests",
            "--top-level-directory",
            ".",
        ])
        .current_dir(paths::workspace().join("tools/python"));
    python
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    guests::ensure()?;
    browser::ensure();
    let skipped = paths::scratch("log")?.join("skipped");
    fs::write(&skipped, "")?;

    let chooses_packages = options
        .arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument == "--package");
    let mut test = command::cargo();
    test.arg("test")
        .args((!chooses_packages).then_some("--workspace"))
        .args(&options.arguments);
    test.env("PALISADE_GUESTS", paths::guests()).env(SKIPPED, &skipped);
    match schemathesis::ensure() {
        Ok(folder) => _ = test.env(SCHEMATHESIS, folder),
        Err(error) => progress::note("note", &format!("no Schemathesis (it takes Python 3.11): {error:#}")),
    }
    let mut outcome = command::foreground(&mut test);
    if outcome.is_ok() && options.arguments.is_empty() {
        let mut tools = command::cargo();
        outcome = command::foreground(tools.args(["test", "--locked", "--manifest-path", "tools/Cargo.toml"]))
            .and_then(|()| command::foreground(&mut python()));
    }

    for line in fs::read_to_string(&skipped)?.lines() {
        progress::note("SKIPPED", line);
    }
    outcome
}
