//! The directory where a host keeps its state, and what belongs to one run of a host in it.
//!
//! ```text
//! STATE/artefacts/            compiled programs, shared by all hosts that use this directory
//! STATE/tools/                the registry of tools, shared likewise
//! STATE/store/                snapshots, of one host at a time
//! STATE/scratch/<run>.lock    held for as long as that host runs: made before its folder, removed after it
//! STATE/scratch/<run>/<sandbox>
//! ```
//!
//! Who can write to any of it, or put another directory in its place, owns the host. So it is refused unless it and all
//! above it are closed to others, and whatever is in it is reached from a handle, without following links.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use crate::workspace::tree::remove_tree;
use crate::{Error, Kind, Result};

/// An open state directory.
#[derive(Debug)]
pub(crate) struct StateDir {
    /// Absolute, without symbolic links.
    path: PathBuf,
    artefacts: Arc<Dir>,
    tools: Arc<Dir>,
    run: Run,
}

/// What belongs to one run of a host. Dropping it removes it all.
#[derive(Debug)]
struct Run {
    /// The folder of all runs.
    all: OwnedFd,
    name: String,
    folder: Arc<Dir>,
    _lock: OwnedFd,
}

impl StateDir {
    /// Opens it or makes it, and removes what hosts left there which did not end properly.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be used, [`Kind::InvalidInput`] where others could write to it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |error: io::Error| {
            let message = format!("cannot use {path:?} as the state directory: {error}");
            Error::new(Kind::Unavailable, message).with_source(error)
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        for above in path.ancestors().skip(1) {
            let metadata = above.symlink_metadata().map_err(failed)?;
            check_above(above, metadata.uid(), metadata.gid(), metadata.mode())?;
        }
        let failed_at = |errno: Errno| failed(errno.into());
        let state = openat(CWD, &path, FOLDER, Mode::empty()).map_err(failed_at)?;
        check_ours(&path, state.as_fd())?;
        let folder = |name: &str| {
            make(state.as_fd(), name).map_err(failed_at)?;
            let folder = openat(&state, name, FOLDER, Mode::empty()).map_err(failed_at)?;
            check_ours(&path.join(name), folder.as_fd())?;
            Ok::<_, Error>(folder)
        };
        let scratch = folder("scratch")?;
        if let Err(error) = sweep(scratch.as_fd()) {
            tracing::warn!(%error, "cannot look for what hosts left behind");
        }
        Ok(Self {
            artefacts: Arc::new(Dir::from_std_file(folder("artefacts")?.into())),
            tools: Arc::new(Dir::from_std_file(folder("tools")?.into())),
            run: Run::start(scratch).map_err(failed)?,
            path,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled programs are kept.
    pub(crate) fn artefacts(&self) -> &Arc<Dir> {
        &self.artefacts
    }

    /// Where the registry of tools is kept.
    pub(crate) fn tools(&self) -> &Arc<Dir> {
        &self.tools
    }

    /// Where snapshots are kept; made when it is missing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn store(&self) -> Result<PathBuf> {
        let path = self.path.join("store");
        let failed = |errno: Errno| {
            let message = format!("cannot use {path:?} for snapshots");
            Error::new(Kind::Unavailable, message).with_source(errno)
        };
        let state = openat(CWD, &self.path, FOLDER, Mode::empty()).map_err(failed)?;
        make(state.as_fd(), "store").map_err(failed)?;
        check_ours(
            &path,
            openat(&state, "store", FOLDER, Mode::empty()).map_err(failed)?.as_fd(),
        )?;
        Ok(path)
    }

    /// Where the sandboxes of this run have their files.
    pub(crate) fn scratch(&self) -> &Arc<Dir> {
        &self.run.folder
    }
}

/// How a folder of ours is opened: never through a link.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How a lock is opened: a link is not followed, and a pipe keeps nobody waiting.
const LOCK: OFlags = OFlags::RDWR
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

impl Run {
    fn start(all: OwnedFd) -> io::Result<Self> {
        loop {
            let name = format!("{:016x}", rand::random::<u64>());
            let lock = openat(
                &all,
                lock_of(&name),
                LOCK | OFlags::CREATE | OFlags::EXCL,
                Mode::RUSR | Mode::WUSR,
            )?;
            // Another host which starts now may take it for a dead one's, and remove it, before it is locked.
            if !take(&lock) || fstat(&lock)?.st_nlink == 0 {
                continue;
            }
            make(all.as_fd(), &name)?;
            let folder = openat(&all, name.as_str(), FOLDER, Mode::empty())?;
            return Ok(Self {
                all,
                name,
                folder: Arc::new(Dir::from_std_file(folder.into())),
                _lock: lock,
            });
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Best effort: what stays is swept when the directory is next opened.
        let _ = remove(self.all.as_fd(), &self.name);
    }
}

fn make(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

fn lock_of(run: &str) -> String {
    format!("{run}.lock")
}

fn take(lock: &OwnedFd) -> bool {
    flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Removes a run whose lock the caller has.
fn remove(all: BorrowedFd<'_>, run: &str) -> io::Result<()> {
    remove_tree(all, &CString::new(run)?)?;
    Ok(unlinkat(all, lock_of(run), AtFlags::empty())?)
}

/// Removes all runs whose lock nobody has.
fn sweep(all: BorrowedFd<'_>) -> io::Result<()> {
    let is_run = |name: &str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    for entry in rustix::fs::Dir::read_from(all)? {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        let Some(run) = name.strip_suffix(".lock").filter(|run| is_run(run)) else {
            continue;
        };
        let Ok(lock) = openat(all, name, LOCK, Mode::empty()) else {
            continue;
        };
        let is_file = FileType::from_raw_mode(fstat(&lock)?.st_mode) == FileType::RegularFile;
        // Another host may have removed it meanwhile.
        if is_file && take(&lock) && fstat(&lock)?.st_nlink > 0 {
            tracing::info!(run, "removing what a host left behind");
            if let Err(error) = remove(all, run) {
                tracing::warn!(run, %error, "cannot remove what a host left behind");
            }
        }
    }
    Ok(())
}

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// Refuses a directory above ours in which somebody else could put another in place of the next one.
fn check_above(path: &Path, owner: u32, group: u32, mode: u32) -> Result<()> {
    let user = rustix::process::geteuid().as_raw();
    // A group with the number of its user is that user's own, by the custom of most distributions.
    let own_group = group == user && group == rustix::process::getegid().as_raw();
    let closed = if own_group {
        OTHERS_WRITE
    } else {
        OTHERS_WRITE | GROUP_WRITES
    };
    if (owner == user || owner == 0) && (mode & closed == 0 || mode & STICKY != 0) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "others could put another state directory in place of this one, by way of {path:?} (of user {owner}, mode \
             {:o}): all above it must be yours or root's, and closed to others or sticky",
            mode & 0o7777
        ),
    ))
}

/// Who can write to a folder can put another in place of what is in it, compiled programs included.
fn check_ours(path: &Path, folder: BorrowedFd<'_>) -> Result<()> {
    let stat = fstat(folder)
        .map_err(|errno| Error::new(Kind::Unavailable, format!("cannot look at {path:?}")).with_source(errno))?;
    if stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & (OTHERS_WRITE | GROUP_WRITES) == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!("others can write to the state directory {path:?}: it must be yours, with a mode such as 0700"),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn refused(path: &Path) -> String {
        let error = StateDir::open(path).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        error.to_string()
    }

    fn entries(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let state = temporary.path().join("state");
        fs::create_dir(&state).unwrap();
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        open(&state);
        refused(&state);
        assert_eq!(entries(&state), 0);

        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(state.join("scratch")).unwrap();
        open(&state.join("scratch"));
        assert!(refused(&state).contains("scratch"));
    }

    #[test]
    fn so_is_one_below_a_directory_that_others_can_write_to() {
        let temporary = tempfile::tempdir().unwrap();
        let state = temporary.path().join("above/state");
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        let above = temporary.path().join("above");
        for (mode, refuse) in [(0o777, true), (0o772, true), (0o1777, false), (0o755, false)] {
            fs::set_permissions(&above, fs::Permissions::from_mode(mode)).unwrap();
            match refuse {
                true => assert!(refused(&state).contains("above\""), "{mode:o}"),
                false => drop(StateDir::open(&state).unwrap()),
            }
        }
    }

    #[test]
    fn who_may_own_and_write_to_what_is_above() {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let allowed = |owner, group, mode| check_above(Path::new("/above"), owner, group, mode).is_ok();
        assert!(allowed(user, group, 0o755));
        assert!(allowed(0, 0, 0o755));
        assert!(allowed(0, 0, 0o1777));
        assert!(!allowed(user + 1, group, 0o755));
        assert!(!allowed(user, group + 1, 0o775));
        assert!(!allowed(user, group, 0o757));
        assert_eq!(allowed(user, group, 0o775), user == group);
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_not_followed() {
        for name in ["scratch", "artefacts", "tools"] {
            let temporary = tempfile::tempdir().unwrap();
            let (state, other) = (temporary.path().join("state"), temporary.path().join("other"));
            fs::create_dir(&state).unwrap();
            fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
            fs::create_dir_all(other.join("0123456789abcdef")).unwrap();
            fs::write(other.join("0123456789abcdef.lock"), "").unwrap();
            symlink(&other, state.join(name)).unwrap();
            assert_eq!(StateDir::open(&state).unwrap_err().kind(), Kind::Unavailable, "{name}");
            assert_eq!(entries(&other), 2);
        }
    }

    #[test]
    fn what_a_dead_host_left_is_removed_and_what_a_live_one_has_is_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let live = StateDir::open(temporary.path()).unwrap();
        live.scratch().write("file", "live").unwrap();
        let scratch = temporary.path().join("scratch");
        let dead = scratch.join("0123456789abcdef");
        fs::create_dir_all(dead.join("sandbox")).unwrap();
        fs::write(dead.join("sandbox/file"), "dead").unwrap();
        fs::write(scratch.join("0123456789abcdef.lock"), "").unwrap();

        let second = StateDir::open(temporary.path()).unwrap();
        assert_eq!(live.scratch().read_to_string("file").unwrap(), "live");
        assert_eq!(entries(&scratch), 4, "two runs, and a lock for each");
        drop(second);
        assert_eq!(entries(&scratch), 2);
        drop(live);
        assert_eq!(entries(&scratch), 0);
    }

    /// Deeper than there are handles for, or than a path is long.
    #[test]
    fn a_deep_tree_of_a_dead_host_is_removed() {
        let temporary = tempfile::tempdir().unwrap();
        drop(StateDir::open(temporary.path()).unwrap());
        let scratch = temporary.path().join("scratch");
        fs::write(scratch.join("0123456789abcdef.lock"), "").unwrap();
        let mut at: OwnedFd = fs::File::open(&scratch).unwrap().into();
        for name in std::iter::once("0123456789abcdef").chain(std::iter::repeat_n("deep", 5000)) {
            make(at.as_fd(), name).unwrap();
            at = openat(&at, name, FOLDER, Mode::empty()).unwrap();
        }
        drop(StateDir::open(temporary.path()).unwrap());
        assert_eq!(entries(&scratch), 0);
    }

    #[test]
    fn what_is_no_run_of_a_host_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        drop(StateDir::open(temporary.path()).unwrap());
        let scratch = temporary.path().join("scratch");
        fs::create_dir(scratch.join("notes")).unwrap();
        fs::write(scratch.join("notes.lock"), "").unwrap();
        fs::write(temporary.path().join("precious"), "kept").unwrap();
        symlink("../precious", scratch.join("0123456789abcdef.lock")).unwrap();
        // A reader of a pipe would wait for its writer.
        rustix::fs::mknodat(
            CWD,
            scratch.join("fedcba9876543210.lock"),
            FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        drop(StateDir::open(temporary.path()).unwrap());
        assert_eq!(entries(&scratch), 4);
        assert!(temporary.path().join("precious").exists());
    }
}
