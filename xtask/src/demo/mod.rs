//! `cargo xtask demo`: shows what palisade does, one command after another, and checks every answer.

mod steps;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use self::steps::STEPS;
use crate::{command, guests, paths, progress};

/// One command of the demo.
struct Step {
    title: &'static str,
    /// The program's arguments. `{guests}` becomes the folder of the compiled guests, `{source}` this repository,
    /// `{scratch}` an empty folder.
    arguments: &'static [&'static str],
    exit_code: i32,
    /// Each of these stands in what is printed.
    printed: &'static [&'static str],
}

const fn step(
    title: &'static str,
    arguments: &'static [&'static str],
    exit_code: i32,
    printed: &'static [&'static str],
) -> Step {
    Step {
        title,
        arguments,
        exit_code,
        printed,
    }
}

/// The command.
pub(crate) fn run() -> Result<()> {
    guests::ensure()?;
    let mut build = command::cargo();
    command::step(
        "compile palisade",
        build.args(["build", "--release", "--package", "palisade-cli", "--bin", "palisade"]),
    )?;
    let program = paths::target().join("release/palisade");
    fs::remove_dir_all(scratch()?)?;
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n--- {}/{}  {}", index + 1, STEPS.len(), step.title);
        show(&program, step).with_context(|| format!("step {}: {}", index + 1, step.title))?;
    }
    progress::note("ok", &format!("all {} steps did what they promise", STEPS.len()));
    Ok(())
}

fn scratch() -> Result<PathBuf> {
    paths::scratch("demo")
}

/// Runs one step in front of the reader.
fn show(program: &PathBuf, step: &Step) -> Result<()> {
    let guests = paths::guests();
    let (guests, source) = (guests.to_string_lossy(), paths::workspace().to_string_lossy());
    let scratch = scratch()?;
    let expand = |argument: &&str| {
        let argument = argument.replace("{guests}", &guests).replace("{source}", &source);
        argument.replace("{scratch}", &scratch.to_string_lossy())
    };
    let arguments: Vec<String> = step.arguments.iter().map(expand).collect();
    println!("$ palisade {}", arguments.join(" "));
    let mut run = Command::new(program);
    run.args(&arguments).stdin(Stdio::null());
    let output = run
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{printed}");
    ensure!(
        output.status.code() == Some(step.exit_code),
        "it ended with {}",
        output.status
    );
    let missing = step.printed.iter().find(|text| !printed.contains(**text));
    ensure!(missing.is_none(), "it did not print {missing:?}");
    Ok(())
}
