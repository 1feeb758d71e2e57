//! Holding a workspace still, to look at all of it or to make it what it was.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use palisade_store::{Dirty, Since};

use super::mounts::{MountId, Mounted};
use super::tree::census;
use super::{Errno, Shared, Workspace};
use crate::{Error, Kind, Result};

/// A workspace of which nobody changes the sandbox's own files, nor their names. Whoever wants to waits.
pub(crate) struct Frozen<'a> {
    shared: &'a Shared,
    id: MountId,
    mount: &'a Mounted,
    /// The directory of the sandbox's own files.
    pub directory: BorrowedFd<'a>,
}

/// What changed in a workspace since that was asked last.
pub(crate) struct Changed {
    /// In the sandbox's own directory.
    pub since: Since,
    /// The guest paths of what changed in mounted directories, as far as they are known.
    pub outside: Vec<String>,
}

impl Workspace {
    /// Does `work` while nothing in the sandbox's own directory changes.
    ///
    /// It blocks until a change is made which is under way; others wait for `work` to end.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where all of the sandbox's files are in mounted directories, [`Kind::Conflict`] where it is
    /// being destroyed, and whatever `work` fails with.
    pub(crate) fn frozen<T>(&self, work: impl FnOnce(Frozen<'_>) -> Result<T>) -> Result<T> {
        let shared = &*self.shared;
        let _names = shared.write_names();
        let (id, mount) = shared.own_mount()?;
        let failed = |errno| {
            let kind = if errno == Errno::NOENT {
                Kind::Conflict
            } else {
                Kind::Internal
            };
            Error::new(kind, "cannot open the sandbox's own directory").with_source(errno)
        };
        mount.check_open().map_err(failed)?;
        let directory = mount.made_root().map_err(failed)?;
        work(Frozen {
            shared,
            id,
            mount,
            directory: directory.as_fd(),
        })
    }
}

impl Frozen<'_> {
    /// Files which are open.
    pub(crate) fn open_files(&self) -> usize {
        self.shared.inodes.count()
    }

    /// Takes the set of changes, and begins a new one. Whoever takes it must not lose it.
    pub(crate) fn take_changes(&self) -> Changed {
        let mut dirty = Vec::new();
        let mut outside = Vec::new();
        for (file, marks) in self.shared.changes.take() {
            if marks.mount == self.id {
                dirty.push(Dirty {
                    inode: file.inode,
                    entries: marks.entries,
                });
            } else {
                let path = marks.hint.map(|hint| hint.to_string());
                outside.push(path.unwrap_or_else(|| self.shared.table.mount(marks.mount).at.to_string()));
            }
        }
        Changed {
            since: Since::Known(dirty),
            outside,
        }
    }

    /// Charges for what the directory holds after it was changed behind the workspace's back, at the price of a walk
    /// through all of it. It is charged even where it is more than the limits allow.
    pub(crate) fn recount(&self) -> Result<()> {
        let census = census(self.directory)
            .map_err(|errno| Error::new(Kind::Internal, "cannot count a sandbox's files").with_source(errno))?;
        self.charge(census.files, census.bytes);
        Ok(())
    }

    /// Charges for so many names and bytes, instead of those which were charged before.
    pub(crate) fn charge(&self, files: u64, bytes: u64) {
        self.mount.files.set(files);
        self.mount.disk.set(bytes);
    }

    /// What is charged now: names and bytes.
    pub(crate) fn charged(&self) -> (u64, u64) {
        (self.mount.files.held(), self.mount.disk.held())
    }
}

impl Shared {
    fn own_mount(&self) -> Result<(MountId, &Mounted)> {
        let own = self.table.mounts().find(|(_, mount)| mount.scratch().is_some());
        own.ok_or_else(|| {
            let message = "the sandbox has no files of its own: `/` is a mounted directory, which no snapshot holds";
            Error::new(Kind::Unsupported, message)
        })
    }
}
