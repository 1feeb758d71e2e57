//! The directory where a host keeps its state, and what belongs to one run of a host in it.
//!
//! ```text
//! STATE/artefacts/            compiled programs, shared by all hosts that use this directory
//! STATE/scratch/<run>/lock    held for as long as that host runs
//! STATE/scratch/<run>/<sandbox>
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{FlockOperation, flock};

use crate::{Error, Kind, Result};

const LOCK: &str = "lock";

/// An open state directory.
#[derive(Debug)]
pub(crate) struct StateDir {
    /// Absolute, without symbolic links.
    path: PathBuf,
    scratch: Arc<Dir>,
    run: PathBuf,
    _lock: fs::File,
}

impl StateDir {
    /// Opens it or makes it, and removes what hosts left there which did not end properly.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot use {path:?} as the state directory: {error}"),
            )
            .with_source(error)
        };
        let make = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let failed = |error: io::Error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot use {path:?} as the state directory: {error}"),
            )
            .with_source(error)
        };
        check_ours(&path)?;
        let all = path.join("scratch");
        make(&all).map_err(failed)?;
        sweep(&all);
        let run = all.join(format!("{:016x}", rand::random::<u64>()));
        make(&run).map_err(failed)?;
        let lock = fs::File::create(run.join(LOCK)).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| failed(errno.into()))?;
        let scratch = Dir::open_ambient_dir(&run, cap_std::ambient_authority()).map_err(failed)?;
        Ok(Self {
            path,
            scratch: Arc::new(scratch),
            run,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn artefacts(&self) -> PathBuf {
        self.path.join("artefacts")
    }

    /// Where the sandboxes of this run have their files.
    pub(crate) fn scratch(&self) -> &Arc<Dir> {
        &self.scratch
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Best effort: what stays is swept when the directory is next opened.
        let _ = fs::remove_dir_all(&self.run);
    }
}

/// Who can write to the directory can put another in place of what is in it, compiled programs included.
fn check_ours(path: &Path) -> Result<()> {
    let ours = path.metadata().is_ok_and(|metadata| {
        metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o022 == 0
    });
    if ours {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!("others can write to the state directory {path:?}: it must be yours, with a mode such as 0700"),
    ))
}

/// Removes the folders of runs whose lock nobody holds. A folder without a lock is of a host which is just starting, or
/// which died then; it is empty, so only an empty one is removed.
fn sweep(all: &Path) {
    let Ok(runs) = fs::read_dir(all) else { return };
    for run in runs.flatten() {
        let run = run.path();
        match fs::File::open(run.join(LOCK)) {
            Ok(lock) if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() => {
                tracing::info!(run = %run.display(), "removing what a host left behind");
                if let Err(error) = fs::remove_dir_all(&run) {
                    tracing::warn!(run = %run.display(), %error, "cannot remove what a host left behind");
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = StateDir::open(temporary.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_host_left_is_removed_and_what_a_live_one_has_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let live = StateDir::open(temporary.path()).unwrap();
        fs::write(live.run.join("file"), "live").unwrap();
        let dead = temporary.path().join("scratch/dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("file"), "dead").unwrap();

        let second = StateDir::open(temporary.path()).unwrap();
        assert!(!dead.exists());
        assert_eq!(fs::read_to_string(live.run.join("file")).unwrap(), "live");
        drop(second);
        assert!(live.run.exists());
        let run = live.run.clone();
        drop(live);
        assert!(!run.exists());
    }
}
