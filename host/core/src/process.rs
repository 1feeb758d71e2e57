//! One program which runs in a sandbox.

use std::iter;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use palisade_policy::{ByteSize, FileAccess, Metering};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::backend::{Job, Meter, Preparing, Work};
use crate::events::{Event, Reports};
use crate::limits::{Limit, Refusals};
use crate::stdio::{GuestInput, GuestOutput, OutputBudget, PipeReader};
use crate::supervise::{Control, End, Supervised, Times};
use crate::{Command, Ending, Error, Kind, Outcome, ProcessId, Result, Sandbox, Usage, host};

/// A program which runs on a task of its own. Dropping this leaves it running; its sandbox ends it.
#[derive(Debug)]
pub struct Process {
    id: ProcessId,
    control: Arc<Control>,
    task: JoinHandle<Result<Outcome>>,
    pipes: Pipes,
}

/// The reading ends of piped output.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
}

impl Process {
    pub(crate) fn new(launch: Launch, pipes: Pipes) -> Self {
        let (id, control) = (launch.process, Arc::clone(&launch.control));
        Self {
            id,
            control,
            task: tokio::spawn(launch.run()),
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
        self.control.kill();
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
    control: Arc<Control>,
    preparing: Option<Preparing>,
    time: Duration,
    record: Record,
    progress: Progress,
}

/// How far a launch has come.
#[derive(PartialEq, Eq)]
enum Progress {
    Preparing,
    Started,
    Finished,
}

/// Where what a process does is written down.
struct Record {
    metering: Metering,
    meter: Arc<Meter>,
    refusals: Arc<Refusals>,
    stdout: GuestOutput,
    stderr: GuestOutput,
    answer: Option<Arc<OnceLock<Value>>>,
}

impl Launch {
    pub(crate) fn new(sandbox: &Sandbox, command: Command) -> Result<(Self, Pipes)> {
        check_args(&command)?;
        let host = sandbox.host()?;
        let (grants, limits) = (sandbox.grants(), sandbox.limits());
        let granted = command.granted.as_ref();
        let own = granted.map(|granted| granted.limits).unwrap_or_default();
        let output = own.output.map_or(limits.output, |output| output.min(limits.output));
        let time = own.time.map_or(limits.time, |time| time.min(limits.time));
        let fuel = [own.fuel, limits.fuel].into_iter().flatten().min();
        let is_seen = |name: &str| granted.is_none_or(|granted| granted.allows_env(name));
        let env = sandbox
            .env()
            .iter()
            .filter(|(name, _)| is_seen(name))
            .cloned()
            .collect();
        let files = granted.map_or(FileAccess::ReadWrite, |granted| granted.files);
        let workspace = sandbox.workspace().narrowed(files);
        let max_memory = own.memory.map_or(u64::MAX, ByteSize::as_bytes);
        let control = Arc::new(Control::default());
        let process = sandbox.enter(&control)?;
        let budget = OutputBudget::new(output.as_bytes());
        let (stdout, stdout_reader) = GuestOutput::new(command.stdout.0, command.stdout.1, &budget);
        let (stderr, stderr_reader) = GuestOutput::new(command.stderr.0, command.stderr.1, &budget);
        let record = Record {
            metering: grants.metering,
            meter: Arc::default(),
            refusals: Arc::default(),
            stdout: stdout.clone(),
            stderr: stderr.clone(),
            answer: match &command.work {
                Work::Call(call) => Some(Arc::clone(&call.answer)),
                Work::Run | Work::Serve(_) | Work::Visit(_) => None,
            },
        };
        let program = command.name;
        let job = Job {
            program: command.program,
            work: command.work,
            name: Arc::clone(&program),
            args: command.args,
            env,
            workspace,
            stdin: GuestInput::new(command.stdin.0, command.stdin.1),
            stdout,
            stderr,
            clocks: grants.clocks,
            random: grants.random,
            metering: grants.metering,
            nans: grants.nans,
            fuel,
            max_memory,
            max_answer: output.as_bytes(),
            memory: Arc::clone(sandbox.memory()),
            refusals: Arc::clone(&record.refusals),
            meter: Arc::clone(&record.meter),
            control: Arc::clone(&control),
            reports: Reports::new(&host, sandbox.id(), process, Arc::clone(&program)),
        };
        let progress = Progress::Preparing;
        let preparing = Some(host.backend().prepare(job));
        let launch = Self {
            sandbox: sandbox.clone(),
            host,
            process,
            program,
            control,
            preparing,
            time,
            record,
            progress,
        };
        Ok((
            launch,
            Pipes {
                stdout: stdout_reader,
                stderr: stderr_reader,
            },
        ))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> ProcessId {
        self.process
    }

    pub(crate) async fn run(mut self) -> Result<Outcome> {
        let preparing = self.preparing.take().expect("a launch runs once");
        let prepared = match preparing {
            Preparing::Done(prepared) => Some(prepared),
            Preparing::Begun(preparing) => self.control.unless_killed(preparing).await,
        };
        let Some(prepared) = prepared else {
            return Ok(self.finish(Ending::Killed, Times::default()));
        };
        let running = prepared?;
        self.progress = Progress::Started;
        self.host.bus().publish(|| Event::ProcessStarted {
            sandbox: self.sandbox.id(),
            process: self.process,
            program: self.program.to_string(),
        });
        let (control, cpu) = (Arc::clone(&self.control), Arc::clone(self.sandbox.cpu()));
        // The program is gone, and all it held is given back, before its end is told.
        let (end, times) = Supervised::new(running, control, cpu, self.time).await;
        let ending = match end {
            End::Finished(ending) => ending?,
            End::TimedOut => {
                self.record.refusals.hit(Limit::Time);
                Ending::LimitReached(Limit::Time)
            }
            End::Killed => Ending::Killed,
        };
        Ok(self.finish(ending, times))
    }

    fn finish(&mut self, ending: Ending, times: Times) -> Outcome {
        self.progress = Progress::Finished;
        // The call is gone, so that nobody else has it.
        let answer = self.record.answer.take();
        let value = answer.and_then(|answer| Arc::unwrap_or_clone(answer).into_inner());
        let record = &self.record;
        if let Ending::LimitReached(limit) = ending {
            record.refusals.hit(limit);
        }
        let (denials, more_denials) = record.refusals.denials();
        let outcome = Outcome {
            ending,
            value,
            usage: record.usage(times),
            limits_hit: record.refusals.limits(),
            denials,
            more_denials,
            stdout: record.stdout.take_captured(),
            stderr: record.stderr.take_captured(),
        };
        self.tell(&outcome);
        outcome
    }

    fn tell(&self, outcome: &Outcome) {
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
        bus.publish(|| Event::ProcessEnded {
            sandbox,
            process,
            ending: outcome.ending.clone(),
            usage: outcome.usage,
        });
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        // Whoever dropped us before the end has the program killed.
        self.preparing = None;
        if self.progress != Progress::Finished && std::thread::panicking() {
            self.sandbox.fail();
        }
        if self.progress == Progress::Started {
            self.finish(Ending::Killed, Times::default());
        }
        self.sandbox.leave(self.process);
    }
}

impl Record {
    fn usage(&self, times: Times) -> Usage {
        let meter = &self.meter;
        let bytes = |counter: &std::sync::atomic::AtomicU64| ByteSize::from_bytes(counter.load(Ordering::Relaxed));
        Usage {
            fuel: meter.fuel().filter(|_| self.metering == Metering::Fuel),
            host_time: times.busy,
            elapsed: times.elapsed,
            peak_memory: bytes(&meter.peak_memory),
            read: bytes(&meter.read),
            written: bytes(&meter.written),
        }
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
