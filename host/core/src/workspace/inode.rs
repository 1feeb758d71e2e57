//! The table of open files, by inode: how long each is, so that growth is counted once whatever handle it goes through.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustix::fs::fstat;

use super::changes::Aspect;
use super::mounts::{MountId, Mounted};
use super::stat::{FileId, Stat};
use super::{FsResult, Shared};

/// An open regular file, shared by all handles to it.
///
/// While it is open its bytes stay charged, even after its last name is gone.
#[derive(Debug)]
pub(super) struct Inode {
    shared: Arc<Shared>,
    id: FileId,
    mount: MountId,
    /// The epoch in which a change of content was noted last.
    marked: AtomicU64,
    hint: Option<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub size: u64,
    /// Whether its last name is gone.
    pub unlinked: bool,
}

#[derive(Debug, Default)]
pub(super) struct InodeTable(Mutex<HashMap<FileId, Weak<Inode>>>);

impl InodeTable {
    /// The entry of the open file `fd`, which is `id`. The caller has the lock on names.
    pub(super) fn enter(
        &self,
        shared: &Arc<Shared>,
        fd: &OwnedFd,
        id: FileId,
        mount: MountId,
        hint: Option<Arc<str>>,
    ) -> FsResult<Arc<Inode>> {
        let mut table = self.lock();
        if let Some(inode) = table.get(&id).and_then(Weak::upgrade) {
            return Ok(inode);
        }
        // Nobody writes to a file which is not in the table, so its size holds still now, and not before.
        let stat = Stat::from(fstat(fd)?);
        let inode = Arc::new(Inode {
            shared: Arc::clone(shared),
            id,
            mount,
            marked: AtomicU64::new(0),
            hint,
            state: Mutex::new(State {
                size: stat.size,
                unlinked: stat.links == 0,
            }),
        });
        table.insert(id, Arc::downgrade(&inode));
        Ok(inode)
    }

    pub(super) fn get(&self, id: FileId) -> Option<Arc<Inode>> {
        self.lock().get(&id).and_then(Weak::upgrade)
    }

    /// How many files are open.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Forgets an entry that no handle keeps alive.
    fn clean(&self, id: FileId) {
        let mut table = self.lock();
        if table.get(&id).is_some_and(|entry| entry.strong_count() == 0) {
            table.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, Weak<Inode>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inode {
    pub(super) fn mount(&self) -> &Mounted {
        self.shared.table.mount(self.mount)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the bytes change. Cheap when that is known already.
    ///
    /// It is called before and after the change, so that a set taken in between does not lose it.
    pub(super) fn mark_content(&self, state: &State) {
        if !state.unlinked && self.marked.load(Ordering::SeqCst) != self.shared.changes.epoch() {
            let epoch = self
                .shared
                .changes
                .mark(self.id, self.mount, Aspect::Content, self.hint.clone());
            self.marked.store(epoch, Ordering::SeqCst);
        }
    }

    pub(super) fn mark_metadata(&self, state: &State) {
        if !state.unlinked {
            self.shared
                .changes
                .mark(self.id, self.mount, Aspect::Metadata, self.hint.clone());
        }
    }

    /// Notes that the last name is gone; the bytes are given back when the last handle is.
    pub(super) fn mark_unlinked(&self) {
        let mut state = self.lock();
        state.unlinked = true;
        self.shared.changes.forget(self.id);
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.unlinked {
            self.shared.table.mount(self.mount).disk.give(state.size);
        }
        self.shared.inodes.clean(self.id);
    }
}
