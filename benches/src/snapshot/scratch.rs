//! A folder for everything which is made here, and which is removed whatever ends the run.
//!
//! What has many files is only moved out of the way before: ext4 does not give an inode to another file for some minutes
//! after it was freed, and while it looks past thousands of those, making a file takes ten times as long.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::floor;
use crate::harness::micros;

/// How often what is in the folder is removed again while somebody is still writing there.
const REMOVALS: usize = 100;

/// A folder with more files than that is moved out of the way.
const FEW: usize = 1_000;

/// As long as that many bytes are free.
const SPARE: u64 = 2_000_000_000;

/// What a shell says of who was interrupted.
const INTERRUPTED: i32 = 130;

pub(super) struct Scratch {
    folder: PathBuf,
    /// Folders which were moved out of the way.
    discarded: Cell<usize>,
    state: Arc<Mutex<State>>,
}

struct State {
    /// `None` once it is removed.
    folder: Option<TempDir>,
    /// The process which is run in it.
    running: Option<Pid>,
}

impl Scratch {
    /// A new folder in `parent`, or where this program is. It is removed when this is dropped, and on Ctrl-C.
    pub(super) fn new(parent: Option<&Path>) -> Result<Self> {
        let program = std::env::current_exe()?;
        let parent = parent
            .or_else(|| program.parent())
            .context("a program is in a folder")?;
        let folder = tempfile::Builder::new()
            .prefix("snapshot-bench-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
        let scratch = Self {
            folder: folder.path().canonicalize()?,
            discarded: Cell::new(0),
            state: Arc::new(Mutex::new(State {
                folder: Some(folder),
                running: None,
            })),
        };
        let state = Arc::clone(&scratch.state);
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                give_up(&mut lock(&state));
            }
        });
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }

    /// Bytes which may still be written.
    pub(super) fn free(&self) -> Result<u64> {
        let found = rustix::fs::statvfs(&self.folder)?;
        Ok(found.f_bavail * found.f_frsize)
    }

    /// Removes what is in it.
    pub(super) fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            remove(&entry?.path())?;
        }
        Ok(())
    }

    /// Has nothing be in a folder any more.
    pub(super) fn discard(&self, folder: &Path) -> Result<()> {
        let mut files = 0;
        let counted = floor::walk(folder, &mut |_| {
            files += 1;
            Ok(())
        });
        if counted.is_err() || files <= FEW || self.free()? < SPARE {
            return remove(folder);
        }
        self.discarded.set(self.discarded.get() + 1);
        let discarded = self.folder.join("discarded");
        fs::create_dir_all(&discarded)?;
        Ok(fs::rename(folder, discarded.join(self.discarded.get().to_string()))?)
    }

    /// Waits until what was written is on the disk, so that it is not written while something else is measured.
    pub(super) fn settle(&self) -> Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.folder)?)?)
    }

    /// Runs a process to its end, and gives the microseconds which that took.
    pub(super) fn time(&self, command: &mut Command) -> Result<f64> {
        let start = std::time::Instant::now();
        self.run(command)?;
        Ok(micros(start.elapsed()))
    }

    /// Runs a process to its end.
    pub(super) fn run(&self, command: &mut Command) -> Result<()> {
        let child = {
            let mut state = lock(&self.state);
            let child = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let child = child.spawn().with_context(|| format!("cannot start {command:?}"))?;
            state.running = Some(pid_of(&child)?);
            child
        };
        let output = child.wait_with_output();
        lock(&self.state).running = None;
        let output = output?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(output.status.success(), "{command:?}: {}: {said}", output.status);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Not in the midst of giving up.
        drop(lock(&self.state).folder.take());
    }
}

/// Removes a folder with all that is in it; that it is not there is fine.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Ends this process and the one it runs, and leaves nothing behind. Whoever wants the state waits until then.
fn give_up(state: &mut State) {
    if let Some(running) = state.running {
        let _ = kill_process(running, Signal::KILL);
    }
    if let Some(folder) = &state.folder {
        // The main thread may be writing there.
        let removed = (0..REMOVALS).any(|_| remove(folder.path()).is_ok() && !folder.path().exists());
        if !removed {
            eprintln!("cannot remove {}", folder.path().display());
        }
    }
    std::process::exit(INTERRUPTED);
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    let number = i32::try_from(child.id())?;
    Pid::from_raw(number).context("no process has the number 0")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
