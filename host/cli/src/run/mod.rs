//! `palisade run`: one program in a sandbox of its own, from here to its exit code.

mod streams;

use std::time::Duration;

use palisade::policy::Limits;
use palisade::{Command, Ending, Host, Outcome, Process, Program, Sandbox};

use self::streams::Streams;
use crate::args::Run;
use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::report::{self, Format};
use crate::request::{self, Request, Usage};
use crate::signals::Signals;

/// How long output is still handed on after a guest was stopped: who reads it may be what stalled it.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs the program, and returns the exit code.
pub(crate) async fn run(run: Run, config: &Config, format: Format) -> Result<u8, Failure> {
    let Request { spec, base, usage } = Request::new(run.sandbox, config)?;
    let (program, args) = request::split(run.command)?;
    let program = Program::from_file(program).map_err(Failure::program)?;
    let host = Host::open(config.to_host()?)?;
    // Nothing looks at signals before, so until here they end palisade as they do any program.
    let mut signals = Signals::new()?;
    let sandbox = host.create(spec).map_err(|error| config.named_rules(error, &base))?;
    let command = streams::connect(Command::new(&program).args(args), format);
    let ended = follow(&sandbox, command, &mut signals).await;
    let limits = sandbox.limits();
    let destroyed = tokio::select! {
        destroyed = sandbox.destroy() => destroyed,
        number = signals.next() => return Ok(exit::of_signal(number)),
    };
    drop((sandbox, host));

    let Ended { outcome, signal } = ended?;
    let code = signal.map_or_else(|| exit::of_ending(&outcome.ending), exit::of_signal);
    match format {
        Format::Json => report::print_json(&report::outcome_json(&outcome, code)),
        Format::Text => tell(&outcome, &limits, signal, usage),
    }
    if let Err(error) = destroyed {
        report::say(&format!("the sandbox's files are left behind: {error}"));
    }
    Ok(code)
}

/// A run which is over.
struct Ended {
    outcome: Outcome,
    /// The signal that ended it.
    signal: Option<u8>,
}

/// Starts the program, hands its streams on, and waits for its end or for a signal.
async fn follow(sandbox: &Sandbox, command: Command, signals: &mut Signals) -> Result<Ended, Failure> {
    let mut process = sandbox.spawn(command)?;
    let mut streams = Streams::start(&mut process);
    let (outcome, mut signal) = wait(process, sandbox, signals).await?;
    let by_itself = match outcome.ending {
        Ending::Exited(_) | Ending::Returned | Ending::Failed | Ending::Trapped(_) => true,
        Ending::LimitReached(_) | Ending::Killed => false,
    };
    tokio::select! {
        () = streams.finish() => {}
        () = tokio::time::sleep(DRAIN), if !by_itself => {}
        number = signals.next() => signal = signal.or(Some(number)),
    }
    Ok(Ended { outcome, signal })
}

async fn wait(process: Process, sandbox: &Sandbox, signals: &mut Signals) -> Result<(Outcome, Option<u8>), Failure> {
    let id = process.id();
    let mut end = std::pin::pin!(process.wait());
    let number = tokio::select! {
        outcome = &mut end => return Ok((outcome?, None)),
        number = signals.next() => number,
    };
    sandbox.kill(id);
    tokio::select! {
        outcome = &mut end => Ok((outcome?, Some(number))),
        number = signals.next() => Err(Failure::interrupted(number)),
    }
}

pub(crate) fn tell(outcome: &Outcome, limits: &Limits, signal: Option<u8>, usage: Usage) {
    let interrupted = signal.is_some() && outcome.ending == Ending::Killed;
    if !interrupted && (!outcome.is_success() || usage == Usage::Told) {
        report::run_lines(outcome, limits)
            .iter()
            .for_each(|line| report::say(line));
    }
    let told = matches!(outcome.ending, Ending::LimitReached(_) | Ending::Killed) && !interrupted;
    if usage == Usage::Told && !told {
        report::say(&report::usage_line(&outcome.usage));
    }
}
