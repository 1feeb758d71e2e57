//! The files of a sandbox: every access to them, by a guest of whatever ABI or by the host, goes through here.
//!
//! A guest sees one tree. Behind it is a mount table: places in the tree, each with a directory of the host and an
//! [`Access`]. A mount is a directory of the sandbox's own, made at the first write, or one that was opened for it.
//! Directories above mount points that no mount holds are there all the same, and are read-only.
//!
//! ```text
//!  path ──> walk ──> place + name ──> open, names, directory ──> File, Directory
//!            │  one name at a time      │ one lock on names      │ one lock on each file
//!            │  links followed here     │ limits and marks       │ limits and marks
//!          mounts                     quota, changes           inode
//! ```
//!
//! Three rules hold everywhere. The kernel is given one name at a time, relative to a held directory, and never
//! follows a link nor climbs by `..`. What grows is charged before it grows. What changes is in the set of changes.

mod blocking;
mod changes;
mod denials;
mod directory;
mod file;
mod files;
mod freeze;
mod host_file;
mod identity;
mod inode;
mod listing;
mod mounts;
mod names;
mod open;
mod path;
mod place;
mod quota;
mod stat;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod walk;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use palisade_policy::{Access, FileAccess, GuestPath};
pub(crate) use rustix::io::Errno;

pub(crate) use self::blocking::Started;
use self::blocking::Turns;
pub use self::changes::ChangedInode;
use self::changes::{Aspect, Changes, Marks};
pub(crate) use self::directory::{Directory, Follow};
pub(crate) use self::file::{File, Sync};
pub use self::files::{DirEntry, Metadata};
pub(crate) use self::freeze::Frozen;
pub use self::host_file::{HostFile, NewFile};
use self::identity::Identities;
pub(crate) use self::identity::Identity;
use self::inode::InodeTable;
pub(crate) use self::listing::{Entry, Listing};
use self::mounts::{MountId, MountTable};
pub(crate) use self::open::{Create, OpenHow, Opened};
use self::place::{Body, Place};
use self::stat::FileId;
pub use self::stat::Kind;
pub(crate) use self::stat::{NewTime, Stat};
use crate::limits::Counter;
use crate::record::Record;

pub(crate) type FsResult<T> = Result<T, Errno>;

/// The files of one sandbox. Cheap to clone.
///
/// Dropping the last clone leaves the files where they are.
#[derive(Clone, Debug)]
pub struct Workspace {
    shared: Arc<Shared>,
    /// The most that guests may do by this clone, whatever the mounts allow; `None`: they see no files.
    guests: Option<Access>,
}

/// Where a mount's files come from.
pub(crate) enum Source {
    /// A directory of the sandbox's own, made in `parent` under `name` at the first write, and not before.
    Scratch {
        parent: Arc<cap_std::fs::Dir>,
        name: String,
    },
    /// A directory of the host, opened once.
    Host(Arc<OwnedFd>),
}

/// A directory in the guest's tree, and where its files come from.
pub(crate) struct Mount {
    pub at: GuestPath,
    pub access: Access,
    pub source: Source,
}

/// What the workspace may use; all shared by the whole sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Budgets {
    /// Bytes of file content.
    pub disk: Arc<Counter>,
    /// Directory entries.
    pub files: Arc<Counter>,
    /// Open handles.
    pub handles: Arc<Counter>,
    /// Memories and tables of guests, and what the host holds for them.
    pub memory: Arc<Counter>,
}

/// What all clones and all handles of a workspace have in common.
#[derive(Debug)]
struct Shared {
    table: MountTable,
    budgets: Budgets,
    inodes: InodeTable,
    changes: Changes,
    turns: Turns,
    identities: Identities,
    /// Held for writing while a name changes or all has to stay as it is, for reading while a name has to stay or a file
    /// changes.
    names: RwLock<()>,
    born: SystemTime,
}

impl Workspace {
    /// A workspace whose scratch directories do not exist yet. It touches no file.
    pub(crate) fn new(mounts: Vec<Mount>, budgets: Budgets) -> crate::Result<Self> {
        let table = MountTable::new(mounts, &budgets)?;
        let shared = Shared {
            table,
            budgets,
            inodes: InodeTable::default(),
            changes: Changes::new(),
            turns: Turns::new(),
            identities: Identities::new(),
            names: RwLock::default(),
            born: SystemTime::now(),
        };
        Ok(Self {
            guests: Some(Access::ReadWrite),
            shared: Arc::new(shared),
        })
    }

    /// A workspace whose scratch directories may exist from an earlier life. What is in them is counted, at the price
    /// of a walk through all of it, and is charged even where it is more than the limits allow now.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only a host that takes up an earlier sandbox needs it")
    )]
    pub(crate) fn reopen(mounts: Vec<Mount>, budgets: Budgets) -> crate::Result<Self> {
        let workspace = Self::new(mounts, budgets)?;
        workspace.count_existing()?;
        Ok(workspace)
    }

    /// The memory of its sandbox.
    pub(crate) fn memory(&self) -> &Arc<Counter> {
        &self.shared.budgets.memory
    }

    /// The directory `/`, for one process: what it and all that is opened from it refuses is noted in `record`.
    pub(crate) fn root(&self, record: &Arc<Record>) -> FsResult<Directory> {
        let access = self.guests.ok_or(Errno::ACCESS)?;
        Ok(Directory::root(
            &self.shared,
            record,
            access,
            directory::Handles::Counted,
        ))
    }

    /// The same files, of which guests see no more than this.
    pub(crate) fn narrowed(&self, files: FileAccess) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            guests: match files {
                FileAccess::None => None,
                FileAccess::ReadOnly => self.guests.map(|_| Access::ReadOnly),
                FileAccess::ReadWrite => self.guests,
            },
        }
    }

    /// What a WASI program gets as preopens: the mounts as their requester spelled them, in order, then "/" unless one
    /// of them is it. Those of components ask for them when they first open something.
    pub(crate) fn preopens(&self, record: &Arc<Record>) -> FsResult<Vec<(String, Directory)>> {
        if self.guests.is_none() {
            denials::deny_tool_files(&record.refusals);
            return Ok(Vec::new());
        }
        let root = self.root(record)?;
        let mut preopens = Vec::new();
        for (_, mount) in self.shared.table.mounts() {
            let directory = root.at_mount(&mount.at)?;
            preopens.push((mount.at.spelled().to_owned(), directory));
        }
        if self
            .shared
            .table
            .mounts()
            .all(|(_, mount)| !mount.at.components().is_empty())
        {
            preopens.push(("/".to_owned(), root));
        }
        Ok(preopens)
    }

    /// How much work of guests runs on blocking threads now.
    #[cfg(test)]
    pub(crate) fn running(&self) -> usize {
        self.shared.turns.running()
    }

    /// What changed since the last snapshot or rollback, at most once for each inode; since the sandbox was made, where
    /// there was none.
    pub fn changes(&self) -> Vec<ChangedInode> {
        let _names = self.shared.read_names();
        self.shared.describe(self.shared.changes.peek())
    }

    /// As [`changes`](Self::changes), and starts a new set. A write that is under way is in both.
    #[cfg(test)]
    pub(crate) fn take_changes(&self) -> Vec<ChangedInode> {
        let _names = self.shared.write_names();
        self.shared.describe(self.shared.changes.take())
    }
}

impl Shared {
    fn read_names(&self) -> RwLockReadGuard<'_, ()> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_names(&self) -> RwLockWriteGuard<'_, ()> {
        self.names.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change of something in `parent`.
    fn mark(&self, id: FileId, parent: &Place, aspect: Aspect, path: Option<Arc<str>>) {
        if let Some(mount) = parent.mount() {
            self.changes.mark(id, mount, aspect, path);
        }
    }

    /// Notes a change of the directory `place` itself.
    fn mark_place(&self, place: &Place, aspect: Aspect, path: Option<Arc<str>>) -> FsResult<()> {
        let fd = place.fd(self).ok_or(Errno::NOENT)?;
        self.mark(Stat::from(rustix::fs::fstat(fd)?).id(), place, aspect, path);
        Ok(())
    }

    /// Ends all changes in scratch directories, and returns those that were made.
    fn close_scratch(&self) -> Vec<mounts::Scratch> {
        let _names = self.write_names();
        self.table
            .mounts()
            .filter_map(|(_, mount)| mount.close_scratch())
            .collect()
    }

    fn top_stat(&self, mount: MountId) -> FsResult<Stat> {
        Place {
            node: None,
            body: Body::Top(mount),
        }
        .stat(self)
    }

    fn describe(&self, marks: HashMap<FileId, Marks>) -> Vec<ChangedInode> {
        let change = |(id, marks): (FileId, Marks)| ChangedInode {
            device: id.device,
            inode: id.inode,
            content: marks.content,
            metadata: true,
            entries: marks.entries,
            path: marks.hint.map(|hint| hint.to_string()),
            mount: self.table.mount(marks.mount).at.to_string(),
        };
        marks.into_iter().map(change).collect()
    }
}
