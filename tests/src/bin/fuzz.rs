//! Seeded fuzzers of what reads untrusted input: `fuzz [TARGET] [--seconds N] [--seed S]`.
//!
//! They need neither nightly nor instrumentation. A seed gives the same inputs each time; a failure names the seed, the
//! iteration and what panicked.

#[path = "../../fuzzing/mod.rs"]
mod fuzzing;

use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Ok((targets, seconds, seed)) => {
            for target in targets {
                fuzzing::run(target, seed, Duration::from_secs(seconds));
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("fuzz: {message}\nusage: fuzz [TARGET] [--seconds N] [--seed S]");
            ExitCode::from(2)
        }
    }
}

/// The targets, how long each runs, and the seed.
type Options = (Vec<&'static fuzzing::Target>, u64, u64);

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut targets, mut seconds, mut seed) = (Vec::new(), 10, rand::random());
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{argument} needs a number"))
        };
        match argument.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = number()?,
            name => {
                let known = fuzzing::TARGETS.iter().find(|target| target.name == name);
                targets.push(known.ok_or_else(|| format!("no target {name:?}"))?);
            }
        }
    }
    if targets.is_empty() {
        targets.extend(fuzzing::TARGETS);
    }
    Ok((targets, seconds, seed))
}
