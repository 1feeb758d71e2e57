//! Going back to a snapshot.

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat, syncfs};

use crate::head::{GoingBack, Head};
use crate::tree::{Root, build, clear, graft, patch};
use crate::{Comparison, Details, Durability, Error, Kind, Line, Result, Since, Snapshot, SnapshotId, Store};

/// Differences which a rollback tells.
const UNDONE_MAX: usize = 1000;

/// What goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// What goes back, each with all that is below it; everything where there are none. Names with `/` between them, from
    /// the directory on.
    pub paths: Vec<Vec<u8>>,
    /// What stays as it is all the same, each with all that is below it.
    pub keep: Vec<Vec<u8>>,
}

/// What a rollback did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolledBack {
    /// The directory as it was before. Going back to it undoes the rollback.
    pub before: Snapshot,
    /// Names of files, directories and links that are in the directory now.
    pub files: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// What differs between before and now: the first thousand paths.
    pub undone: Comparison,
    #[expect(missing_docs, reason = "says it")]
    pub way: Way,
}

/// How a directory was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What differed was.
    Patched,
    /// All of it was made anew, since files with several names differed.
    Rebuilt,
}

impl Store {
    /// Takes a snapshot of the directory of a line with these `details`, and makes the directory what it was in the
    /// snapshot `to`. Nobody may change it meanwhile, or have anything in it open.
    ///
    /// What is going to be done is said before anything is touched, so that [`resume`](Self::resume) does it wherever this
    /// is interrupted; by a crash of the machine too, where it is [`Durability::Synced`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] for the snapshot, [`Kind::InvalidInput`] for a path which cannot be, [`Kind::Unsupported`] for
    /// paths where a file has other names elsewhere, and whatever [`take`](Self::take) fails with: then nothing was
    /// touched. After any other error [`interrupted`](Self::interrupted) says whether it has to be resumed.
    #[expect(clippy::too_many_arguments, reason = "each is another thing")]
    pub fn roll_back(
        &self,
        line: &mut Line,
        directory: BorrowedFd<'_>,
        since: Since,
        to: SnapshotId,
        scope: &Scope,
        details: &Details,
        durability: Durability,
    ) -> Result<RolledBack> {
        let _lease = self.log.lease();
        line.note(since);
        let target = self.record(line.owner(), to)?.fixed.root;
        let intend = |now: &Root| {
            let root = self.scoped(now, &target, scope)?;
            Ok(Some(GoingBack { target: to, root }))
        };
        let nothing = Since::Known(Vec::new());
        let (before, head, now) = self.take_and(line, directory, nothing, details, durability, intend)?;
        let root = head.going_back.as_ref().map_or(now, |going_back| going_back.root);
        let way = match patch(directory, &now, &root, &self.log) {
            Ok(patched) => {
                line.was_patched(patched.dirty);
                Way::Patched
            }
            Err(error) if matches!(error.kind(), Kind::Unsupported | Kind::Conflict) => {
                self.rebuild(line, directory, &root)?;
                Way::Rebuilt
            }
            Err(error) => {
                line.forget();
                return Err(error);
            }
        };
        self.settle_rollback(line, directory, &head, &target, durability)?;
        Ok(RolledBack {
            undone: self.compare_roots(&now, &root, UNDONE_MAX)?,
            before,
            files: root.totals.names,
            bytes: root.totals.bytes,
            way,
        })
    }

    /// The snapshot to which an interrupted rollback was going; `None` where there was none.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where that cannot be read.
    pub fn interrupted(&self, owner: &str) -> Result<Option<SnapshotId>> {
        Ok(self.head(owner)?.going_back.map(|going_back| going_back.target))
    }

    /// Does the rest of an interrupted rollback: makes all of the directory anew.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where none was interrupted. After any other it has to be resumed again.
    pub fn resume(&self, line: &mut Line, directory: BorrowedFd<'_>, durability: Durability) -> Result<()> {
        let _lease = self.log.lease();
        let head = self.head(line.owner())?;
        let Some(going_back) = &head.going_back else {
            let message = format!("no rollback of {} was interrupted", line.owner());
            return Err(Error::new(Kind::NotFound, message));
        };
        self.rebuild(line, directory, &going_back.root)?;
        let target = self.record(line.owner(), going_back.target);
        let target = target.map_or(going_back.root, |record| record.fixed.root);
        self.settle_rollback(line, directory, &head, &target, durability)
    }

    /// Makes an empty directory what it was in a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where the directory is not empty. After an error what is there is of no use.
    pub fn restore(&self, owner: &str, id: SnapshotId, directory: BorrowedFd<'_>) -> Result<()> {
        let _lease = self.log.lease();
        build(directory, &self.record(owner, id)?.fixed.root, &self.log)
    }

    fn scoped(&self, now: &Root, target: &Root, scope: &Scope) -> Result<Root> {
        let root = match scope.paths.is_empty() {
            true => *target,
            false => graft(now, target, &scope.paths, &self.log)?,
        };
        graft(&root, now, &scope.keep, &self.log)
    }

    fn rebuild(&self, line: &mut Line, directory: BorrowedFd<'_>, root: &Root) -> Result<()> {
        line.forget();
        clear(directory)?;
        build(directory, root, &self.log)
    }

    /// Says that a rollback is done, once it is.
    fn settle_rollback(
        &self,
        line: &mut Line,
        directory: BorrowedFd<'_>,
        head: &Head,
        target: &Root,
        durability: Durability,
    ) -> Result<()> {
        if durability == Durability::Synced {
            // The handle may be one which only names the directory.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let synced = openat(directory, ".", flags, Mode::empty()).and_then(syncfs);
            synced.map_err(|errno| Error::io("cannot sync what was rolled back", errno))?;
        }
        let reached = head.going_back.as_ref().filter(|going_back| going_back.root == *target);
        let settled = Head {
            snapshot: reached.map_or(head.snapshot, |going_back| Some(going_back.target)),
            going_back: None,
        };
        self.log.commit(vec![settled.change(line.owner())?], durability)?;
        Ok(())
    }
}
