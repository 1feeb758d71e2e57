//! One program which runs in a sandbox.

use std::future::poll_fn;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use palisade_policy::{ByteSize, FileAccess, Limits, Metering};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use crate::backend::{Ended, Job, Preparing, Running};
use crate::events::{Event, Reports};
use crate::limits::Limit;
use crate::record::Record;
use crate::stdio::{GuestInput, PipeReader, Pipes};
use crate::supervise::{End, Supervised};
use crate::{Command, Ending, EndingKind, Error, Kind, Outcome, ProcessId, Result, Sandbox, Usage, host};

/// The target of spans which are for a collector, not for people. They have ids and names, and nothing that a guest says.
pub(crate) const TRACE: &str = "palisade::trace";

/// A program which runs on a task of its own. Dropping this leaves it running; its sandbox ends it.
#[derive(Debug)]
pub struct Process {
    sandbox: Sandbox,
    id: ProcessId,
    task: JoinHandle<Result<Outcome>>,
    pipes: Pipes,
}

impl Process {
    pub(crate) fn new(launch: Box<Launch>, job: Box<Job>, pipes: Pipes) -> Self {
        let (sandbox, id) = (launch.sandbox.clone(), launch.process);
        Self {
            sandbox,
            id,
            task: tokio::spawn(launch.run(job)),
            pipes,
        }
    }

    /// Its number in its sandbox.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// What it prints, once, where [`Output::Pipe`](crate::Output::Pipe) was asked for.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.pipes.stdout.take()
    }

    /// What it prints to standard error, likewise.
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.pipes.stderr.take()
    }

    /// Ends it. Harmless when it has ended.
    pub fn kill(&self) {
        self.sandbox.kill(self.id);
    }

    /// Waits for its end. Pipes which nobody took are closed first.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub async fn wait(self) -> Result<Outcome> {
        drop(self.pipes);
        self.task
            .await
            .map_err(|error| Error::new(Kind::Internal, "the program's task failed").with_source(error))?
    }
}

/// A program about to run, entered in its sandbox's table; it leaves the table when this is dropped, whatever happens.
pub(crate) struct Launch {
    sandbox: Sandbox,
    host: Arc<host::Inner>,
    process: ProcessId,
    program: Arc<str>,
    metering: Metering,
    limits: Limits,
    supervised: Supervised,
    record: Arc<Record>,
    /// What was told of its usage.
    told: Usage,
    progress: Progress,
    /// For a collector, where somebody takes spans of this target.
    span: Span,
}

/// How far a launch has come.
#[derive(PartialEq, Eq)]
enum Progress {
    Preparing,
    Started,
    Finished(EndingKind),
}

impl Launch {
    pub(crate) fn new(sandbox: &Sandbox, command: Command) -> Result<(Box<Self>, Box<Job>, Pipes)> {
        check_args(&command)?;
        let host = sandbox.host()?;
        let (grants, granted) = (sandbox.grants(), command.granted.as_ref());
        let own = granted.map(|granted| granted.limits).unwrap_or_default();
        let own = own.least(command.limits);
        if own.fuel.is_some() && grants.metering == Metering::Time {
            let why = "the call has a limit of fuel, which nothing counts under a policy with `metering = \"time\"`";
            return Err(Error::new(Kind::InvalidInput, why));
        }
        let limits = own.within(&sandbox.limits());
        let is_seen = |name: &str| granted.is_none_or(|granted| granted.allows_env(name));
        let env = sandbox
            .env()
            .iter()
            .filter(|(name, _)| is_seen(name))
            .cloned()
            .collect();
        let files = granted.map_or(FileAccess::ReadWrite, |granted| granted.files);
        let workspace = sandbox.workspace().narrowed(files);
        let (record, pipes) = Record::new(command.stdout, command.stderr, limits.output.as_bytes());
        let process = sandbox.enter(&record)?;
        let program = command.name;
        let job = Box::new(Job {
            program: command.program,
            work: command.work,
            name: Arc::clone(&program),
            args: command.args,
            env,
            workspace,
            stdin: GuestInput::new(command.stdin.0, command.stdin.1),
            clocks: grants.clocks,
            random: grants.random,
            metering: grants.metering,
            nans: grants.nans,
            fuel: limits.fuel,
            max_memory: limits.memory.as_bytes(),
            max_answer: limits.output.as_bytes(),
            record: Arc::clone(&record),
            reports: Reports::new(&host, sandbox.id(), process),
        });
        let launch = Box::new(Self {
            span: tracing::info_span!(
                target: TRACE,
                "process",
                sandbox_id = %sandbox.id(),
                process_id = process.0,
                program = &*program,
                tool = Empty,
                function = Empty,
                ending = Empty,
                fuel = Empty,
            ),
            sandbox: sandbox.clone(),
            host,
            process,
            program,
            metering: grants.metering,
            supervised: Supervised::new(limits.time),
            limits,
            record,
            told: Usage::default(),
            progress: Progress::Preparing,
        });
        Ok((launch, job, pipes))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> ProcessId {
        self.process
    }

    /// Tells the span of this process which call it is.
    pub(crate) fn name_call(&self, tool: &str, function: &str) {
        self.span.record("tool", tool).record("function", function);
    }

    /// When it, or the latest part of it, ended.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.supervised.ended()
    }

    /// Leaves what it used so far out of the next outcome.
    pub(crate) fn skip_usage(&mut self) {
        self.told = self.usage();
    }

    /// What takes place in it.
    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(crate) async fn run(mut self: Box<Self>, job: Box<Job>) -> Result<Outcome> {
        let ended = self.start(job).await?;
        Ok(self.finish(ended))
    }

    /// Does what the job says.
    pub(crate) async fn start(&mut self, job: Box<Job>) -> Result<Ended> {
        let prepared = match self.host.backend().prepare(job) {
            Preparing::Done(prepared) => Some(prepared),
            Preparing::Begun(preparing) => self.record.control.unless_killed(preparing).await,
        };
        let Some(prepared) = prepared else {
            return Ok(Ending::Killed.into());
        };
        let running = prepared?;
        self.progress = Progress::Started;
        self.host.bus().publish(|| Event::ProcessStarted {
            sandbox: self.sandbox.id(),
            process: self.process,
            program: self.program.to_string(),
        });
        self.drive(running).await
    }

    /// Runs it, or a part of it, in the time which it has left.
    pub(crate) async fn drive(&mut self, mut running: Running) -> Result<Ended> {
        // The program is gone, and all it held is given back, before its end is told.
        poll_fn(|context| self.poll(&mut running, context)).await
    }

    /// Does one step of that.
    pub(crate) fn poll(&mut self, running: &mut Running, context: &mut Context<'_>) -> Poll<Result<Ended>> {
        let polled = self
            .supervised
            .poll(running, &self.record.control, self.sandbox.cpu(), context);
        let busy = self.supervised.busy().as_nanos() as u64;
        self.record.meter.busy_nanos.store(busy, Ordering::Relaxed);
        polled.map(|end| match end {
            End::Finished(ended) => ended,
            End::TimedOut => Ok(Ending::LimitReached(Limit::Time).into()),
            End::Killed => Ok(Ending::Killed.into()),
        })
    }

    /// What came of it since this was called last.
    pub(crate) fn outcome(&mut self, ended: Ended) -> Outcome {
        let record = &self.record;
        if let Ending::LimitReached(limit) = ended.ending {
            record.refusals.hit(limit);
        }
        let (denials, more_denials, limits_hit) = record.refusals.take();
        let (stdout, stderr) = record.outputs.take_captured();
        let usage = self.usage();
        let outcome = Outcome {
            ending: ended.ending,
            value: ended.value,
            usage: usage.since(&self.told),
            limits_hit,
            limits: self.limits.clone(),
            denials,
            more_denials,
            stdout,
            stderr,
        };
        self.told = usage;
        let denials = outcome.denials.len() as u64 + more_denials;
        if denials > 0 || !outcome.limits_hit.is_empty() {
            self.sandbox.note_refusals(denials, &outcome.limits_hit);
        }
        let (sandbox, process, bus) = (self.sandbox.id(), self.process, self.host.bus());
        for denial in &outcome.denials {
            bus.publish(|| Event::GuestDenied {
                sandbox,
                process,
                denial: denial.clone(),
            });
        }
        for limit in outcome.limits_hit.iter().copied() {
            bus.publish(|| Event::LimitHit {
                sandbox,
                process,
                limit,
            });
        }
        outcome
    }

    /// What it used so far.
    fn usage(&self) -> Usage {
        let meter = &self.record.meter;
        let bytes = |counter: &AtomicU64| ByteSize::from_bytes(counter.load(Ordering::Relaxed));
        Usage {
            fuel: meter.fuel().filter(|_| self.metering == Metering::Fuel),
            host_time: self.supervised.busy(),
            elapsed: self.supervised.elapsed(),
            peak_memory: bytes(&meter.peak_memory),
            read: bytes(&meter.read),
            written: bytes(&meter.written),
        }
    }

    /// The same, where nothing more comes of it.
    pub(crate) fn finish(&mut self, ended: Ended) -> Outcome {
        self.progress = Progress::Finished(ended.ending.kind());
        let outcome = self.outcome(ended);
        if !self.span.is_disabled() {
            self.span
                .record("ending", tracing::field::display(outcome.ending.kind()));
            self.span.record("fuel", self.told.fuel);
        }
        self.host.bus().publish(|| Event::ProcessEnded {
            sandbox: self.sandbox.id(),
            process: self.process,
            ending: outcome.ending.clone(),
            usage: self.told,
        });
        outcome
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        if !matches!(self.progress, Progress::Finished(_)) && std::thread::panicking() {
            self.sandbox.fail();
        }
        if self.progress == Progress::Started {
            self.finish(Ending::Killed.into());
        }
        self.record.outputs.close();
        let ending = match self.progress {
            Progress::Finished(ending) => Some(ending),
            Progress::Preparing | Progress::Started => None,
        };
        self.sandbox.leave(self.process, ending, self.supervised.ended());
    }
}

/// The most that a program's arguments may have together, as Linux has it.
const MAX_ARGS: usize = 128 << 10;

fn check_args(command: &Command) -> Result<()> {
    let args = command.args.iter().map(String::as_str);
    let all = || iter::once(&*command.name).chain(args.clone());
    if let Some((index, _)) = all().enumerate().find(|(_, arg)| arg.contains('\0')) {
        return Err(Error::new(
            Kind::InvalidInput,
            format!("argument {index} has a NUL character in it"),
        ));
    }
    let bytes: usize = all().map(|arg| arg.len() + 1).sum();
    if bytes > MAX_ARGS {
        return Err(Error::new(
            Kind::InvalidInput,
            format!("the arguments have {bytes} bytes together; at most {MAX_ARGS} are taken"),
        ));
    }
    Ok(())
}
