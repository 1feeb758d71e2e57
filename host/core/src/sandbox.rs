//! A sandbox: files, environment, limits, and the processes which share them.

mod calls;
mod limits;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use palisade_policy::{ByteSize, Denial, Grants, Limits};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::Admitted;
use crate::events::{Bus, Event};
use crate::lifecycle::{Input, Load, Step};
use crate::limits::{Counter, CpuMeter};
use crate::process::Launch;
use crate::record::Record;
use crate::snapshots::Memory;
use crate::workspace::{Budgets, Mount, Source};
use crate::{
    Command, EndingKind, Error, Kind, Limit, Outcome, Process, ProcessId, Result, SandboxId, State, Totals, Workspace,
    host, session,
};

/// A handle to one sandbox. Cheap to clone; the sandbox itself belongs to its host and lives until
/// [`destroy`](Self::destroy), or until the host ends.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    id: SandboxId,
    host: Weak<host::Inner>,
    /// How many listen to the host's events.
    listeners: Arc<AtomicUsize>,
    /// Where those go. To hold the host itself while the state is locked could make this the last to let go of it.
    bus: Weak<Bus>,
    workspace: Workspace,
    admitted: Arc<Admitted>,
    /// As admitted, or changed since.
    limits: RwLock<Limits>,
    budgets: Budgets,
    processes: Arc<Counter>,
    cpu: Arc<CpuMeter>,
    life: Mutex<Life>,
    /// Told whenever a process has ended.
    process_ended: Notify,
    /// Those which were opened, where there was one.
    sessions: OnceLock<Mutex<Vec<Weak<session::Inner>>>>,
    /// Of snapshots, where there was one.
    memory: OnceLock<Arc<tokio::sync::Mutex<Memory>>>,
}

/// What changes over a sandbox's life. Never locked across an await.
struct Life {
    state: State,
    /// In the order in which they were started, and so of their numbers. It mostly has none or one.
    processes: Vec<(ProcessId, Arc<Record>)>,
    /// How many processes there have been.
    started: u64,
    /// When the latest to end did.
    ended: Option<Instant>,
    /// What those used which have left, and what was refused to all.
    totals: Totals,
}

impl Life {
    /// Where a process is in the table.
    fn find(&self, process: ProcessId) -> Option<usize> {
        self.processes.binary_search_by_key(&process, |(known, _)| *known).ok()
    }
}

/// What a sandbox uses now, and used at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SandboxUsage {
    /// Memories and tables of its instances, and what the host holds for them.
    pub memory: ByteSize,
    /// The most that was.
    pub peak_memory: ByteSize,
    /// Bytes in its files.
    pub disk: ByteSize,
    /// Names in its directories.
    pub files: u64,
    /// Files and directories that its processes have open.
    pub open_handles: u64,
    /// Processes which run.
    pub processes: u64,
}

impl Sandbox {
    pub(crate) fn new(
        id: SandboxId,
        host: Weak<host::Inner>,
        bus: &Arc<Bus>,
        scratch: &Arc<cap_std::fs::Dir>,
        admitted: Arc<Admitted>,
    ) -> Result<Self> {
        let Admitted {
            grants,
            limits,
            directories,
            ..
        } = &*admitted;
        let budgets = Budgets {
            disk: Counter::new(limits.disk.as_bytes()),
            files: Counter::new(limits.files),
            handles: Counter::new(limits.handles.into()),
            memory: Counter::new(limits.memory.as_bytes()),
        };
        let mounts = grants.mounts.iter().zip(directories);
        let mut mounts: Vec<Mount> = mounts
            .map(|(mount, directory)| Mount {
                at: mount.guest.clone(),
                access: mount.access,
                source: Source::Host(Arc::clone(directory)),
            })
            .collect();
        if !mounts.iter().any(|mount| mount.at.components().is_empty()) {
            mounts.push(Mount {
                at: "/".parse().expect("`/` is a path in a guest"),
                access: palisade_policy::Access::ReadWrite,
                source: Source::Scratch {
                    parent: Arc::clone(scratch),
                    name: id.to_string(),
                },
            });
        }
        let sandbox = Self {
            inner: Arc::new(Inner {
                id,
                host,
                listeners: bus.listeners(),
                bus: Arc::downgrade(bus),
                workspace: Workspace::new(mounts, budgets.clone())?,
                processes: Counter::new(limits.processes.into()),
                cpu: Arc::new(CpuMeter::new(limits.cpu)),
                limits: RwLock::new(limits.clone()),
                admitted: Arc::clone(&admitted),
                budgets,
                life: Mutex::new(Life {
                    state: State::Creating,
                    processes: Vec::new(),
                    started: 0,
                    ended: None,
                    totals: Totals::default(),
                }),
                process_ended: Notify::new(),
                sessions: OnceLock::new(),
                memory: OnceLock::new(),
            }),
        };
        sandbox.step(&mut sandbox.life(), Input::Created)?;
        Ok(sandbox)
    }

    /// Its name on its host, and beyond.
    pub fn id(&self) -> SandboxId {
        self.inner.id
    }

    /// What it is doing; it may have changed by the time this returns.
    pub fn state(&self) -> State {
        self.life().state
    }

    /// Its files.
    pub fn workspace(&self) -> &Workspace {
        &self.inner.workspace
    }

    /// The limits it was granted, or was given [since](Self::change_limits).
    pub fn limits(&self) -> Limits {
        self.inner.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it was granted.
    pub fn grants(&self) -> &Grants {
        &self.inner.admitted.grants
    }

    /// What it uses now.
    pub fn usage(&self) -> SandboxUsage {
        let budgets = &self.inner.budgets;
        SandboxUsage {
            memory: ByteSize::from_bytes(budgets.memory.used()),
            peak_memory: ByteSize::from_bytes(budgets.memory.peak()),
            disk: ByteSize::from_bytes(budgets.disk.used()),
            files: budgets.files.used(),
            open_handles: budgets.handles.used(),
            processes: self.inner.processes.used(),
        }
    }

    /// What it has used since it was made.
    pub fn totals(&self) -> Totals {
        let life = self.life();
        let mut totals = life.totals;
        for (_, record) in &life.processes {
            totals.add_meter(&record.meter, self.grants().metering);
        }
        totals
    }

    /// The processes which run now, the oldest first.
    pub fn processes(&self) -> Vec<ProcessId> {
        self.life().processes.iter().map(|(process, _)| *process).collect()
    }

    /// When a process of it ended last, where one has which was begun.
    pub fn last_ended(&self) -> Option<Instant> {
        self.life().ended
    }

    /// Runs a program to its end, on the caller's task. Dropping the future ends the program.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] where the program cannot be run or its output was to be piped (that is for
    /// [`spawn`](Self::spawn)), [`Kind::Conflict`] where the sandbox takes no processes in its state,
    /// [`Kind::Exhausted`] where it has as many as it may. What the guest does is in the [`Outcome`].
    pub async fn run(&self, command: Command) -> Result<Outcome> {
        let (launch, job, pipes) = Launch::new(self, command)?;
        if pipes.stdout.is_some() || pipes.stderr.is_some() {
            return Err(Error::new(Kind::InvalidInput, "a pipe needs a reader: use `spawn`"));
        }
        launch.run(job).await
    }

    fn denied(&self, denial: Denial) -> Error {
        let denials = vec![denial];
        self.tell_denials(&denials);
        denials.into()
    }

    fn tell_denials(&self, denials: &[Denial]) {
        self.note_refusals(denials.len() as u64, &[]);
        if let (false, Some(host)) = (denials.is_empty(), self.inner.host.upgrade()) {
            host.bus().publish(|| Event::RequestDenied {
                sandbox: Some(self.id()),
                denials: denials.to_vec(),
            });
        }
    }

    /// Starts a program on a task of its own. It belongs to the sandbox and goes on if the [`Process`] is dropped.
    ///
    /// # Errors
    /// As [`run`](Self::run); what is wrong with the program itself is known only at [`Process::wait`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(&self, command: Command) -> Result<Process> {
        let (launch, job, pipes) = Launch::new(self, command)?;
        Ok(Process::new(launch, job, pipes))
    }

    /// Ends one process. Whether there still was one is the answer.
    pub fn kill(&self, process: ProcessId) -> bool {
        let life = self.life();
        let record = life.find(process).map(|at| Arc::clone(&life.processes[at].1));
        drop(life);
        record.inspect(|record| record.control.kill()).is_some()
    }

    /// Makes all its processes stand still, and takes no others until [`resume`](Self::resume). Their clocks go on;
    /// their time limits do not. It is in memory: a restart of the host ends it.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the sandbox has ended.
    pub fn suspend(&self) -> Result<()> {
        let mut life = self.life();
        self.step(&mut life, Input::Suspend)?;
        life.processes.iter().for_each(|(_, record)| record.control.suspend());
        Ok(())
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the sandbox has ended.
    pub fn resume(&self) -> Result<()> {
        let mut life = self.life();
        let load = if life.processes.is_empty() {
            Load::Idle
        } else {
            Load::Busy
        };
        self.step(&mut life, Input::Resume(load))?;
        life.processes.iter().for_each(|(_, record)| record.control.resume());
        Ok(())
    }

    /// Makes its processes stand still for a moment; `false` where it has none, or they do already.
    pub(crate) fn hold(&self) -> bool {
        let life = self.life();
        let holds = life.state == State::Running;
        if holds {
            life.processes.iter().for_each(|(_, record)| record.control.suspend());
        }
        holds
    }

    /// Lets them go on, unless they were suspended meanwhile.
    pub(crate) fn let_go(&self) {
        let life = self.life();
        if life.state == State::Running {
            life.processes.iter().for_each(|(_, record)| record.control.resume());
        }
    }

    /// Ends all its processes and waits for them to be gone. Its files stay. Harmless when repeated.
    pub async fn stop(&self) -> Result<()> {
        {
            let mut life = self.life();
            self.step(&mut life, Input::Stop)?;
            if life.processes.is_empty() {
                self.step(&mut life, Input::Idle)?;
            }
        }
        self.kill_all();
        self.wait_for_processes().await;
        Ok(())
    }

    /// Stops it, removes its own files and its snapshots, pinned ones too, and makes its host forget it. Mounted
    /// directories stay as they are. Harmless when repeated.
    ///
    /// # Errors
    /// [`Kind::Internal`] where its files cannot be removed; it can be tried again.
    pub async fn destroy(&self) -> Result<()> {
        self.stop().await?;
        if self.state() == State::Destroyed {
            return Ok(());
        }
        self.inner.workspace.destroy().await?;
        if self.inner.memory.get().is_some()
            && let Err(error) = self.snapshots().forget().await
        {
            // They are forgotten when the store is next opened.
            tracing::warn!(sandbox_id = %self.inner.id, %error, "cannot delete the snapshots of a sandbox");
        }
        self.step(&mut self.life(), Input::Destroy)?;
        if let Some(host) = self.inner.host.upgrade() {
            host.forget(self.inner.id);
        }
        Ok(())
    }

    pub(crate) fn kill_all(&self) {
        self.life()
            .processes
            .iter()
            .for_each(|(_, record)| record.control.kill());
    }

    pub(crate) fn note_session(&self, session: &Arc<session::Inner>) {
        let sessions = self.inner.sessions.get_or_init(Mutex::default);
        let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.push(Arc::downgrade(session));
    }

    /// Those which were opened and not dropped.
    pub(crate) fn sessions(&self) -> Vec<Arc<session::Inner>> {
        let Some(sessions) = self.inner.sessions.get() else {
            return Vec::new();
        };
        let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter_map(Weak::upgrade).collect()
    }

    /// What it remembers of its snapshots.
    pub(crate) fn memory(&self) -> Arc<tokio::sync::Mutex<Memory>> {
        Arc::clone(self.inner.memory.get_or_init(|| Memory::new(self.id().to_string())))
    }

    pub(crate) fn publish(&self, event: impl FnOnce() -> Event) {
        if let Some(host) = self.inner.host.upgrade() {
            host.bus().publish(event);
        }
    }

    /// Makes a step in the table of states.
    pub(crate) fn enter_state(&self, input: Input) -> Result<()> {
        self.step(&mut self.life(), input)
    }

    pub(crate) async fn wait_for_processes(&self) {
        loop {
            let ended = self.inner.process_ended.notified();
            if self.life().processes.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.inner.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes one step in the table of states; the only writer of the state.
    fn step(&self, life: &mut Life, input: Input) -> Result<()> {
        let from = life.state;
        match from.on(input) {
            Step::Enter(to) => {
                life.state = to;
                if from != to
                    && self.inner.listeners.load(Ordering::Acquire) > 0
                    && let Some(bus) = self.inner.bus.upgrade()
                {
                    bus.publish(|| Event::StateChanged {
                        sandbox: self.inner.id,
                        from,
                        to,
                    });
                }
                Ok(())
            }
            Step::Ignore => Ok(()),
            Step::Refuse(why) => Err(Error::new(Kind::Conflict, format!("sandbox {}: {why}", self.inner.id))),
        }
    }
}

/// What [`Launch`] needs of its sandbox.
impl Sandbox {
    pub(crate) fn host(&self) -> Result<Arc<host::Inner>> {
        self.inner
            .host
            .upgrade()
            .ok_or_else(|| Error::new(Kind::Unavailable, "the host has ended"))
    }

    pub(crate) fn env(&self) -> &[(String, String)] {
        &self.inner.admitted.env
    }

    pub(crate) fn cpu(&self) -> &Arc<CpuMeter> {
        &self.inner.cpu
    }

    /// Enters a process in the table, if the state and the limit of processes allow one more.
    pub(crate) fn enter(&self, record: &Arc<Record>) -> Result<ProcessId> {
        let mut life = self.life();
        if self.inner.processes.used() >= self.inner.processes.limit() && !life.state.has_ended() {
            let limit = self.inner.processes.limit();
            return Err(Error::new(
                Kind::Exhausted,
                format!("sandbox {} has {limit} processes, as many as it may", self.inner.id),
            ));
        }
        self.step(&mut life, Input::Start)?;
        self.inner
            .processes
            .take(1)
            .expect("there was room, and the table is locked");
        life.started += 1;
        let process = ProcessId(life.started);
        life.processes.push((process, Arc::clone(record)));
        Ok(process)
    }

    /// Counts what a process was refused.
    pub(crate) fn note_refusals(&self, denials: u64, limits: &[Limit]) {
        self.life().totals.note_refusals(denials, limits);
    }

    /// Takes a process out of the table, with how and when it ended where it had begun.
    pub(crate) fn leave(&self, process: ProcessId, ending: Option<EndingKind>, ended: Option<Instant>) {
        let mut life = self.life();
        life.ended = life.ended.max(ended);
        if let Some(at) = life.find(process) {
            let (_, record) = life.processes.remove(at);
            life.totals.add_meter(&record.meter, self.grants().metering);
        }
        if let Some(ending) = ending {
            life.totals.note_end(ending);
        }
        self.inner.processes.give(1);
        if life.processes.is_empty() {
            // Idle is refused in no state.
            let _ = self.step(&mut life, Input::Idle);
        }
        drop(life);
        self.inner.process_ended.notify_waiters();
    }

    /// Marks the sandbox as failed and ends what still runs in it.
    pub(crate) fn fail(&self) {
        // Fail is refused in no state.
        let _ = self.step(&mut self.life(), Input::Fail);
        self.kill_all();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("id", &self.inner.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
