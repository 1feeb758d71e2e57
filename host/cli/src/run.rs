//! `palisade run`: one program in a sandbox of its own, from here to its exit code.

use std::path::Path;
use std::time::Duration;

use palisade_client::wire::{Ending, OutcomeBody};
use tokio::sync::oneshot;

use crate::args::{Run, SandboxArguments};
use crate::exit;
use crate::failure::Failure;
use crate::host::{Ended, Host, ProgramFile, Sandbox};
use crate::report::{self, Format};
use crate::request::{self, Usage};
use crate::signals::Signals;

/// How long a sandbox may take to be made after a signal, so that it can be destroyed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Runs the program, and returns the exit code.
pub(crate) async fn run(run: Run, host: &dyn Host, format: Format) -> Result<u8, Failure> {
    let usage = Usage::asked(&run.sandbox);
    let (file, args) = request::split(run.command)?;
    let program = ProgramFile::open(Path::new(&file))?;
    host.prepare()?;
    // Nothing looks at signals before, so until here they end palisade as they do any program.
    let mut signals = Signals::new()?;
    let sandbox = make(host, run.sandbox, &mut signals).await?;
    let ended = follow(&*sandbox, program, args, format, &mut signals).await;
    if let Some(number) = destroy(&*sandbox, &mut signals).await {
        return Ok(exit::of_signal(number));
    }
    let Ended { outcome, signal } = ended?;
    let code = signal.map_or_else(|| exit::of_ending(&outcome.ending), exit::of_signal);
    match format {
        Format::Json => report::print_json(&report::outcome_json(&outcome, code)),
        Format::Text => tell(&outcome, signal, usage),
    }
    Ok(code)
}

/// Makes a sandbox, unless a signal comes before it is there.
pub(crate) async fn make(
    host: &dyn Host,
    asked: SandboxArguments,
    signals: &mut Signals,
) -> Result<Box<dyn Sandbox>, Failure> {
    let mut making = host.sandbox(asked);
    let number = tokio::select! {
        sandbox = &mut making => return sandbox,
        number = signals.next() => number,
    };
    if let Ok(Ok(sandbox)) = tokio::time::timeout(LAST_WORD, making).await {
        destroy(&*sandbox, signals).await;
    }
    Err(Failure::interrupted(number))
}

/// Destroys a sandbox, or returns the number of the signal which came before that was done.
pub(crate) async fn destroy(sandbox: &dyn Sandbox, signals: &mut Signals) -> Option<u8> {
    tokio::select! {
        destroyed = sandbox.destroy() => {
            if let Err(failure) = destroyed {
                report::say(&format!("the sandbox is left behind: {}", failure.message()));
            }
            None
        }
        number = signals.next() => Some(number),
    }
}

/// Starts the program, hands its streams on, and waits for its end or for a signal.
async fn follow(
    sandbox: &dyn Sandbox,
    program: ProgramFile,
    args: Vec<String>,
    format: Format,
    signals: &mut Signals,
) -> Result<Ended, Failure> {
    let process = tokio::select! {
        started = sandbox.start(program, args, format) => started?,
        number = signals.next() => return Err(Failure::interrupted(number)),
    };
    let (stop, stopped) = oneshot::channel();
    let mut end = process.end(stopped);
    let number = tokio::select! {
        ended = &mut end => return ended,
        number = signals.next() => number,
    };
    // Where it has ended, nobody has to be told.
    let _ = stop.send(());
    tokio::select! {
        ended = &mut end => Ok(Ended { signal: Some(number), ..ended? }),
        number = signals.next() => Err(Failure::interrupted(number)),
    }
}

pub(crate) fn tell(outcome: &OutcomeBody, signal: Option<u8>, usage: Usage) {
    let interrupted = signal.is_some() && outcome.ending == Ending::Killed;
    if !interrupted && (!outcome.is_success() || usage == Usage::Told) {
        report::run_lines(outcome).iter().for_each(|line| report::say(line));
    }
    let told = matches!(outcome.ending, Ending::LimitReached(_) | Ending::Killed) && !interrupted;
    if usage == Usage::Told && !told {
        report::say(&report::usage_line(&outcome.usage));
    }
}
