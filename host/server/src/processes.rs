//! The processes which were started over HTTP, and what is kept of those which have ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use palisade::{Command, Kind, Outcome, ProcessId, Sandbox, SandboxId};
use palisade_wire::Stdin;
use tokio::io::DuplexStream;
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::task::JoinSet;

use crate::output::Output;

/// Processes of one sandbox which are kept after their end; the one which ended first is forgotten for one more.
const ENDED_OF_SANDBOX: usize = 100;
/// The same, of all sandboxes. Each may keep 128 KiB which nobody has read.
const ENDED: usize = 1_000;
/// Bytes which a program may be behind in reading its input.
const INPUT: usize = 64 << 10;

/// How a process ended; an error is why it was not run.
pub(crate) type End = palisade::Result<Outcome>;

/// One process, and what a client can do with it.
pub(crate) struct Process {
    pub id: ProcessId,
    /// The path by which it was started.
    pub program: String,
    pub started: Timestamp,
    end: watch::Receiver<Option<End>>,
    // Nobody waits for these two: who has one has its turn, and who finds it taken is told so.
    output: Arc<tokio::sync::Mutex<Output>>,
    /// `None` where it was not piped, or is closed.
    stdin: Arc<tokio::sync::Mutex<Option<DuplexStream>>>,
}

impl Process {
    /// How it ended, where it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// How it ends, once it does. Dropping the future leaves the process alone.
    pub(crate) async fn end(&self) -> End {
        let mut end = self.end.clone();
        let told = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        told.unwrap_or_else(|| Err(palisade::Error::new(Kind::Unavailable, "the server ends")))
    }

    /// What it prints, until this is dropped.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another has it.
    pub(crate) fn output(&self) -> palisade::Result<OwnedMutexGuard<Output>> {
        let taken = |_| self.conflict("is read by another request already");
        Arc::clone(&self.output).try_lock_owned().map_err(taken)
    }

    /// The way to its standard input, until this is dropped.
    ///
    /// # Errors
    /// [`Kind::Conflict`] while another has it.
    pub(crate) fn stdin(&self) -> palisade::Result<OwnedMutexGuard<Option<DuplexStream>>> {
        let taken = |_| self.conflict("is written to by another request now");
        Arc::clone(&self.stdin).try_lock_owned().map_err(taken)
    }

    /// That the state of this process does not allow it.
    pub(crate) fn conflict(&self, why: &str) -> palisade::Error {
        palisade::Error::new(Kind::Conflict, format!("process {} {why}", self.id))
    }
}

/// Ends a process with the request which it belongs to. Harmless when it has ended.
pub(crate) struct Attached(Sandbox, ProcessId);

impl Attached {
    pub(crate) fn new(sandbox: Sandbox, process: ProcessId) -> Self {
        Self(sandbox, process)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.kill(self.1);
    }
}

type Key = (SandboxId, ProcessId);

/// All processes that a server started.
#[derive(Default)]
pub(crate) struct Processes(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    known: BTreeMap<Key, Arc<Process>>,
    /// Those which have ended, the first to end first.
    ended: VecDeque<Key>,
    /// One for each process, which waits for its end. They end with this.
    tasks: JoinSet<()>,
}

impl Processes {
    /// Starts a process which goes on until its end, whoever listens, and gives what it prints to the caller first.
    ///
    /// # Errors
    /// As [`Sandbox::spawn`].
    pub(crate) fn start(
        &self,
        sandbox: &Sandbox,
        path: String,
        command: Command,
        input: Stdin,
    ) -> palisade::Result<(Arc<Process>, OwnedMutexGuard<Output>)> {
        let (command, stdin) = match input {
            Stdin::None => (command, None),
            Stdin::Pipe => {
                let (ours, its) = tokio::io::duplex(INPUT);
                (command.stdin(palisade::Stdin::reader(its)), Some(ours))
            }
        };
        let mut spawned = sandbox.spawn(Output::asked_of(command))?;
        let (told, end) = watch::channel(None);
        let process = Arc::new(Process {
            id: spawned.id(),
            program: path,
            started: Timestamp::now(),
            end,
            output: Arc::new(tokio::sync::Mutex::new(Output::take(&mut spawned))),
            stdin: Arc::new(tokio::sync::Mutex::new(stdin)),
        });
        let output = process.output()?;
        let key = (sandbox.id(), process.id);
        let all = Arc::downgrade(&self.0);
        let mut table = lock(&self.0);
        while table.tasks.try_join_next().is_some() {}
        table.known.insert(key, Arc::clone(&process));
        table.tasks.spawn(async move {
            let end = spawned.wait().await;
            if let Some(all) = all.upgrade() {
                lock(&all).note_end(key);
            }
            told.send_replace(Some(end));
        });
        Ok((process, output))
    }

    /// The processes of a sandbox, the oldest first.
    pub(crate) fn of(&self, sandbox: SandboxId) -> Vec<Arc<Process>> {
        let table = lock(&self.0);
        let known = table.known.iter().filter(|((of, _), _)| *of == sandbox);
        known.map(|(_, process)| Arc::clone(process)).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub(crate) fn get(&self, sandbox: SandboxId, process: ProcessId) -> palisade::Result<Arc<Process>> {
        let found = lock(&self.0).known.get(&(sandbox, process)).cloned();
        found.ok_or_else(|| {
            let message = format!("sandbox {sandbox} has no process {process} which was started here and is kept");
            palisade::Error::new(Kind::NotFound, message)
        })
    }

    /// Forgets those of a sandbox which is gone.
    pub(crate) fn forget(&self, sandbox: SandboxId) {
        let mut table = lock(&self.0);
        table.known.retain(|(of, _), _| *of != sandbox);
        table.ended.retain(|(of, _)| *of != sandbox);
    }
}

impl Table {
    /// Keeps one which has ended, in place of the first to end where there are many.
    fn note_end(&mut self, key: Key) {
        if !self.known.contains_key(&key) {
            return;
        }
        self.ended.push_back(key);
        let of_sandbox = |(of, _): &&Key| *of == key.0;
        if self.ended.iter().filter(of_sandbox).count() > ENDED_OF_SANDBOX {
            let first = self.ended.iter().position(|(of, _)| *of == key.0);
            self.forget_at(first.unwrap_or(0));
        }
        if self.ended.len() > ENDED {
            self.forget_at(0);
        }
    }

    fn forget_at(&mut self, at: usize) {
        if let Some(key) = self.ended.remove(at) {
            self.known.remove(&key);
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use palisade::policy::Policy;
    use palisade::testing::{self, Behaviour};
    use palisade::{Host, SandboxSpec};
    use tempfile::TempDir;

    use super::*;

    /// A sandbox for programs which do as told.
    fn sandbox() -> (Processes, Sandbox, Host, TempDir) {
        let state = tempfile::tempdir().unwrap();
        let host = testing::host(state.path()).unwrap();
        let sandbox = host.create(SandboxSpec::new(Policy::standard())).unwrap();
        (Processes::default(), sandbox, host, state)
    }

    fn start(processes: &Processes, sandbox: &Sandbox, behaviour: Behaviour) -> Arc<Process> {
        let command = Command::new(&testing::program(behaviour));
        let started = processes.start(sandbox, "/x.wasm".to_owned(), command, Stdin::None);
        started.unwrap().0
    }

    #[tokio::test]
    async fn of_a_sandbox_so_many_are_kept_and_the_first_to_end_goes_first() {
        let (processes, sandbox, _host, _state) = sandbox();
        let hanging = start(&processes, &sandbox, Behaviour::Hang);
        let mut ended = Vec::new();
        for _ in 0..=ENDED_OF_SANDBOX {
            let process = start(&processes, &sandbox, Behaviour::Exit(0));
            process.end().await.unwrap();
            ended.push(process.id);
        }
        let is_kept = |process| processes.get(sandbox.id(), process).is_ok();
        assert_eq!((is_kept(ended[0]), is_kept(ended[1])), (false, true));
        // It began before all of them.
        hanging_ends(&sandbox, &hanging).await;
        assert_eq!(
            (is_kept(hanging.id), is_kept(ended[1]), is_kept(ended[2])),
            (true, false, true)
        );
        assert_eq!(processes.of(sandbox.id()).len(), ENDED_OF_SANDBOX);
    }

    async fn hanging_ends(sandbox: &Sandbox, process: &Process) {
        assert!(process.ended().is_none());
        sandbox.kill(process.id);
        assert_eq!(process.end().await.unwrap().ending, palisade::Ending::Killed);
    }

    #[tokio::test]
    async fn of_all_sandboxes_so_many_are_kept() {
        let (processes, sandbox, _host, _state) = sandbox();
        let process = start(&processes, &sandbox, Behaviour::Exit(0));
        let mut table = Table::default();
        let key = |number: usize| (format!("{number:016x}").parse().unwrap(), process.id);
        for number in 0..=ENDED {
            table.known.insert(key(number), Arc::clone(&process));
            table.note_end(key(number));
        }
        assert_eq!((table.known.len(), table.ended.len()), (ENDED, ENDED));
        assert!(!table.known.contains_key(&key(0)));
    }

    #[tokio::test]
    async fn what_ends_with_its_sandbox_is_forgotten() {
        let (processes, sandbox, _host, _state) = sandbox();
        let process = start(&processes, &sandbox, Behaviour::Hang);
        processes.forget(sandbox.id());
        hanging_ends(&sandbox, &process).await;
        assert!(lock(&processes.0).ended.is_empty() && processes.of(sandbox.id()).is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_run_is_told_as_its_end() {
        let (processes, sandbox, _host, _state) = sandbox();
        let process = start(&processes, &sandbox, Behaviour::Refuse);
        assert_eq!(process.end().await.unwrap_err().kind(), Kind::InvalidInput);
        assert_eq!(processes.of(sandbox.id()).len(), 1);
    }
}
