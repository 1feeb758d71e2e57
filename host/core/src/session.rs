//! An instance of a tool which is kept between calls.
//!
//! Who calls it polls it, once: most calls end in that, and no other task is woken for them. A call which waits is handed
//! to the session's own task, which ends the session too: when it is killed, dropped, or not called for too long. So
//! nothing depends on whether a caller goes on to poll.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use palisade_policy::CallRequest;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::backend::{Ended, Job, Kept, Running};
use crate::process::Launch;
use crate::record::Record;
use crate::supervise::later;
use crate::{Bytes, Ending, Error, Kind, Outcome, ProcessId, Result, Sandbox, Tool};

/// How often a session is looked at, at most, which is to end as soon as nobody calls it.
const BRIEF: Duration = Duration::from_millis(1);

/// A session with a tool: its calls are made one after the other, in one instance, in the order in which they come; one
/// which is neither awaited nor dropped holds up those after it. Dropping the session lets the call which has begun come
/// to its end, and no other begin.
///
/// A rollback of the sandbox ends the instance, and the session goes on with a fresh one.
pub struct Session(Arc<Inner>);

/// What a sandbox knows of its sessions too, to give them other instances.
pub(crate) struct Inner {
    sandbox: Sandbox,
    tool: Tool,
    idle: Duration,
    request: CallRequest,
    /// The number of the first instance.
    process: ProcessId,
    instance: Mutex<Arc<Instance>>,
    /// Whether it gets another instance soon, whatever becomes of this one.
    renewing: AtomicBool,
    runtime: Handle,
}

/// An instance, until it ends.
struct Instance {
    process: ProcessId,
    shared: Arc<Shared>,
    /// Where calls go which wait. Closed when this is dropped.
    waiting: mpsc::Sender<Waiting>,
}

struct Shared {
    /// One permit, for who makes a call. There is none until the session is open.
    turn: Semaphore,
    state: Mutex<State>,
    record: Arc<Record>,
}

enum State {
    /// It is called, or is being opened.
    Called,
    Open(Open),
    /// How it ended, or why it could not begin.
    Over(Result<Ending>),
}

/// A session which can be called. What it holds is given back before its end is told.
struct Open {
    kept: Box<dyn Kept>,
    launch: Box<Launch>,
    /// When it was called last, where that call was refused.
    refused: Option<Instant>,
}

/// A call which has begun, and did not end at once.
struct Waiting {
    work: BoxFuture<'static, Result<Outcome>>,
    ended: oneshot::Sender<Result<Outcome>>,
}

impl Instance {
    fn start(runtime: &Handle, idle: Duration, launch: Box<Launch>, job: Box<Job>) -> Self {
        let process = launch.id();
        let shared = Arc::new(Shared {
            turn: Semaphore::new(0),
            state: Mutex::new(State::Called),
            record: Arc::clone(launch.record()),
        });
        // There is one call at a time.
        let (waiting, calls) = mpsc::channel(1);
        let keeper = Keeper(Arc::clone(&shared));
        let opening = open(Turn(Arc::clone(&shared)), launch, job);
        runtime.spawn(async move {
            opening.await;
            keeper.keep(calls, idle).await;
        });
        Self {
            process,
            shared,
            waiting,
        }
    }

    async fn run(
        &self,
        runtime: &Handle,
        turn: Turn,
        mut launch: Box<Launch>,
        mut running: Running,
    ) -> Result<Outcome> {
        let polled = poll_fn(|context| {
            // What waits in there does so by this runtime, whoever calls.
            let _entered = runtime.enter();
            Poll::Ready(launch.poll(&mut running, context))
        });
        if let Poll::Ready(ended) = polled.await {
            drop(running);
            return turn.tell(launch, ended);
        }
        let work = Box::pin(async move {
            let ended = launch.drive(running).await;
            turn.tell(launch, ended)
        });
        let (ended, outcome) = oneshot::channel();
        // Where nobody takes it, the session is over, and this call with it.
        let _ = self.waiting.try_send(Waiting { work, ended });
        outcome.await.unwrap_or_else(|_| Err(has_ended(&Ending::Killed)))
    }

    fn ending(&self) -> Option<Result<Ending>> {
        match &*self.shared.state() {
            State::Over(ended) => Some(ended.clone()),
            State::Open(_) | State::Called => None,
        }
    }
}

impl Inner {
    fn instance(&self) -> Arc<Instance> {
        Arc::clone(&self.instance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that the instance is about to be ended, and another made; `false` where it has ended by itself.
    pub(crate) fn begin_renewal(&self) -> bool {
        let goes_on = self.instance().ending().is_none();
        self.renewing.store(goes_on, Ordering::SeqCst);
        goes_on
    }

    /// Goes on with a fresh instance.
    pub(crate) fn renew(&self) -> Result<()> {
        let begun = self
            .sandbox
            .keep_instance(&self.tool, &self.request)
            .map(|(launch, job)| {
                let instance = Instance::start(&self.runtime, self.idle, launch, job);
                *self.instance.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(instance);
            });
        self.renewing.store(false, Ordering::SeqCst);
        begun
    }
}

impl Session {
    pub(crate) fn new(
        sandbox: &Sandbox,
        tool: &Tool,
        idle: Duration,
        request: &CallRequest,
        (launch, job): (Box<Launch>, Box<Job>),
    ) -> Self {
        let runtime = Handle::current();
        Self(Arc::new(Inner {
            sandbox: sandbox.clone(),
            tool: tool.clone(),
            idle,
            request: request.clone(),
            process: launch.id(),
            instance: Mutex::new(Arc::new(Instance::start(&runtime, idle, launch, job))),
            renewing: AtomicBool::new(false),
            runtime,
        }))
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// The number by which it is known: that of its process in its sandbox, of the first one where a rollback gave it
    /// another.
    pub fn process(&self) -> ProcessId {
        self.0.process
    }

    /// Calls a function, when those which were called before have ended. Usage, output and refusals in the outcome are
    /// those of this call, the peak of memory that of the session. A call which traps, exits or is stopped by a limit
    /// ends the session. Dropping the future lets a call which has begun go on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the session has ended before this call could begin; otherwise as
    /// [`Sandbox::call`].
    pub async fn call(&self, function: &str, arguments: impl Into<Value>, bytes: Bytes) -> Result<Outcome> {
        let Inner { sandbox, tool, .. } = &*self.0;
        tool.function(function)?;
        sandbox.granted(tool, function)?;
        let call = tool.question(function.into(), arguments.into(), bytes)?;
        let instance = self.0.instance();
        let turn = Turn::take(&instance.shared).await;
        let Open { kept, launch, .. } = instance.shared.state().take()?;
        match kept.call(call) {
            Ok(running) => instance.run(&self.0.runtime, turn, launch, running).await,
            Err((kept, error)) => {
                let refused = Some(Instant::now());
                turn.give_back(Open { kept, launch, refused });
                Err(error)
            }
        }
    }

    /// How it ended, or why it could not begin; `None` where it has not ended.
    pub fn ending(&self) -> Option<Result<Ending>> {
        match self.0.renewing.load(Ordering::SeqCst) {
            true => None,
            false => self.0.instance().ending(),
        }
    }

    /// Ends it, with whatever it does. Harmless when it has ended.
    pub fn kill(&self) {
        self.0.sandbox.kill(self.0.instance().process);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("sandbox", &self.0.sandbox)
            .field("tool", &self.0.tool)
            .field("process", &self.0.process)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a session which is not being called; otherwise who calls does that when it is killed.
    fn end(&self, ending: Ending) {
        self.state().end(ending);
    }
}

impl State {
    /// The session, for one call.
    fn take(&mut self) -> Result<Open> {
        match mem::replace(self, Self::Called) {
            Self::Open(open) => Ok(open),
            Self::Called => Err(has_ended(&Ending::Killed)),
            Self::Over(ended) => {
                *self = Self::Over(ended.clone());
                Err(has_ended(&ended?))
            }
        }
    }

    fn end(&mut self, ending: Ending) {
        if let Ok(open) = self.take() {
            *self = Self::Over(Ok(open.end(ending)));
        }
    }
}

fn has_ended(ending: &Ending) -> Error {
    Error::new(Kind::Conflict, format!("the session has ended: {ending:?}"))
}

impl Open {
    fn end(self, ending: Ending) -> Ending {
        let Self { kept, mut launch, .. } = self;
        drop(kept);
        launch.finish(ending.into()).ending
    }
}

/// The right to make a call.
struct Turn(Arc<Shared>);

impl Turn {
    async fn take(shared: &Arc<Shared>) -> Self {
        let permit = shared.turn.acquire().await;
        permit.expect("nobody closes it").forget();
        Self(Arc::clone(shared))
    }

    fn give_back(&self, open: Open) {
        let mut state = self.0.state();
        // Who killed it meanwhile found nothing to end.
        *state = match self.0.record.control.is_killed() {
            true => State::Over(Ok(open.end(Ending::Killed))),
            false => State::Open(open),
        };
    }

    fn end(&self, ended: Result<Ending>) {
        *self.0.state() = State::Over(ended);
    }

    /// Ends a call, and with it the session where that has no instance any more.
    fn tell(&self, mut launch: Box<Launch>, ended: Result<Ended>) -> Result<Outcome> {
        let mut ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                drop(launch);
                self.end(Err(error.clone()));
                return Err(error);
            }
        };
        let Some(kept) = ended.kept.take() else {
            let outcome = launch.finish(ended);
            drop(launch);
            self.end(Ok(outcome.ending.clone()));
            return Ok(outcome);
        };
        let outcome = launch.outcome(ended);
        let refused = None;
        self.give_back(Open { kept, launch, refused });
        Ok(outcome)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turn.add_permits(1);
    }
}

/// Makes the instance.
async fn open(turn: Turn, mut launch: Box<Launch>, job: Box<Job>) {
    match launch.start(job).await {
        Ok(mut ended) => match ended.kept.take() {
            Some(kept) => {
                launch.skip_usage();
                let refused = None;
                turn.give_back(Open { kept, launch, refused });
            }
            None => turn.end(Ok(launch.finish(ended).ending)),
        },
        Err(error) => turn.end(Err(error)),
    }
}

/// The session's own task.
struct Keeper(Arc<Shared>);

impl Keeper {
    async fn keep(self, mut calls: mpsc::Receiver<Waiting>, idle: Duration) {
        let mut deadline = later(Instant::now(), idle);
        loop {
            let next = timeout_at(deadline, calls.recv());
            match self.0.record.control.unless_killed(pin!(next)).await {
                Some(Ok(Some(waiting))) => waiting.come_to_its_end().await,
                // The session was dropped.
                Some(Ok(None)) => return self.0.end(Ending::Exited(0)),
                Some(Err(_)) => match self.end_if_idle(idle) {
                    Some(next) => deadline = next,
                    None => return,
                },
                None => break,
            }
        }
        self.0.end(Ending::Killed);
        // It may have been called in between, and that call is told its end.
        while let Some(waiting) = calls.recv().await {
            waiting.come_to_its_end().await;
        }
    }

    /// Ends it where nobody has called it for `idle`. When to look again, where it is not over.
    fn end_if_idle(&self, idle: Duration) -> Option<Instant> {
        let (mut state, now) = (self.0.state(), Instant::now());
        let used = match &*state {
            State::Over(_) => return None,
            State::Open(open) if self.0.turn.available_permits() > 0 => open.refused.or(open.launch.ended()),
            // Somebody calls it, or is about to.
            State::Open(_) | State::Called => None,
        };
        let deadline = later(used.unwrap_or(now), idle);
        if used.is_none() || deadline > now {
            return Some(deadline.max(now + BRIEF));
        }
        state.end(Ending::Exited(0));
        None
    }
}

impl Drop for Keeper {
    /// Nobody else ends the session, so that it ends with its task.
    fn drop(&mut self) {
        self.0.record.control.kill();
        self.0.end(Ending::Killed);
    }
}

impl Waiting {
    async fn come_to_its_end(self) {
        let outcome = self.work.await;
        // Who has gone away meanwhile does not want to know.
        let _ = self.ended.send(outcome);
    }
}
