//! Open directories: what can be asked of one without changing names in it.

use std::fmt;
use std::sync::Arc;

use palisade_policy::{Access, GuestPath};
use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, utimensat};

use super::changes::Aspect;
use super::denials::{deny_tool_write, deny_write};
use super::identity::Identity;
use super::listing::{Entry, Listing, Reading};
use super::place::{Place, stat_at};
use super::stat::{NewTime, Stat, timestamps};
use super::walk::{AtEnd, Found, Walk};
use super::{Errno, FsResult, Shared};
use crate::limits::Lease;
use crate::record::Record;

/// Whether a link under the last component of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    Yes,
    No,
}

impl From<Follow> for AtEnd {
    fn from(follow: Follow) -> Self {
        match follow {
            Follow::Yes => Self::Follow,
            Follow::No => Self::Stay,
        }
    }
}

/// An open directory of the workspace. Clones share one handle.
///
/// Every path is relative to it, and may not climb above it by itself; a link may lead anywhere below the guest's root.
#[derive(Clone)]
pub(crate) struct Directory(pub(super) Arc<Held>);

pub(super) struct Held {
    pub shared: Arc<Shared>,
    pub record: Arc<Record>,
    /// The most that whoever has it may do, whatever its mount allows.
    pub access: Access,
    pub place: Place,
    /// Where it was when it was opened, unless that is too long to be kept.
    pub path: Option<Arc<str>>,
    pub handles: Handles,
    /// Its part of the limit of handles.
    pub _lease: Option<Lease>,
}

/// Whether what is opened from a directory counts against the limit of handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handles {
    Counted,
    /// The host's own, which a guest cannot keep from working by using up its handles.
    Free,
}

impl Directory {
    pub(super) fn root(shared: &Arc<Shared>, record: &Arc<Record>, access: Access, handles: Handles) -> Self {
        Self(Arc::new(Held {
            shared: Arc::clone(shared),
            record: Arc::clone(record),
            access,
            place: Place::root(shared),
            path: Some(Arc::from("/")),
            handles,
            _lease: None,
        }))
    }

    pub(super) fn beside(&self, place: Place, path: Option<Arc<str>>, lease: Option<Lease>) -> Self {
        Self(Arc::new(Held {
            shared: Arc::clone(&self.0.shared),
            record: Arc::clone(&self.0.record),
            access: self.0.access,
            place,
            path,
            handles: self.0.handles,
            _lease: lease,
        }))
    }

    /// Its own attributes; `stat(".")` gives the same.
    pub(crate) fn own_stat(&self) -> FsResult<Stat> {
        self.0.place.stat(&self.0.shared)
    }

    pub(crate) fn own_set_times(&self, accessed: NewTime, modified: NewTime) -> FsResult<()> {
        self.set_times_of(&self.0.place, self.0.path.clone(), accessed, modified)
    }

    /// Whether entries may be created, changed or removed here.
    pub(crate) fn is_writable(&self) -> bool {
        self.0.access == Access::ReadWrite && self.0.place.is_writable(&self.0.shared)
    }

    pub(crate) fn stat(&self, path: &str, follow: Follow) -> FsResult<Stat> {
        match self.walk(path)?.find(follow.into())? {
            Found::Here(place) | Found::Covered(place) => place.stat(&self.0.shared),
            Found::Entry { stat, .. } => Ok(stat),
            Found::Missing { .. } => Err(Errno::NOENT),
        }
    }

    pub(crate) fn set_times(&self, path: &str, follow: Follow, accessed: NewTime, modified: NewTime) -> FsResult<()> {
        let mut walk = self.walk(path)?;
        match walk.find(follow.into())? {
            Found::Here(place) | Found::Covered(place) => self.set_times_of(&place, walk.path(), accessed, modified),
            Found::Missing { .. } => Err(Errno::NOENT),
            Found::Entry { parent, name, .. } => {
                let path = self.check_writable(&walk, &parent, &name)?;
                let times = timestamps(accessed, modified)?;
                let _names = self.0.shared.read_names();
                let fd = parent.fd(&self.0.shared).ok_or(Errno::NOENT)?;
                // The name may stand for something else by now.
                let id = stat_at(fd, &name)?.id();
                utimensat(fd, &*name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
                self.0.shared.mark(id, &parent, Aspect::Metadata, path);
                Ok(())
            }
        }
    }

    fn set_times_of(
        &self,
        place: &Place,
        path: Option<Arc<str>>,
        accessed: NewTime,
        modified: NewTime,
    ) -> FsResult<()> {
        self.check_place(place, path.as_deref())?;
        let times = timestamps(accessed, modified)?;
        let _names = self.0.shared.write_names();
        utimensat(place.made_fd(&self.0.shared)?, ".", &times, AtFlags::empty())?;
        self.0.shared.mark_place(place, Aspect::Metadata, path)
    }

    /// All entries, "." and ".." first; its host memory is charged to the sandbox while it lives.
    ///
    /// Names which are not UTF-8 are left out: a guest could not use them. A directory which looks empty because of
    /// that cannot be removed.
    pub(crate) fn list(&self) -> FsResult<Listing> {
        let mut reading = Reading::begin(self)?;
        while reading.read_slice()? {}
        Ok(reading.finish())
    }

    /// As [`list`](Self::list), and lets other tasks run in between.
    pub(crate) async fn list_in_slices(&self) -> FsResult<Listing> {
        let mut reading = Reading::begin(self)?;
        while reading.read_slice()? {
            tokio::task::yield_now().await;
        }
        Ok(reading.finish())
    }

    /// Waits until changed names in it are on the disk.
    pub(crate) async fn sync(&self) -> FsResult<()> {
        let this = self.clone();
        let sync = move || match this.0.place.fd(&this.0.shared) {
            None => Ok(()),
            Some(fd) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                fsync(openat(fd, ".", flags, Mode::empty())?)
            }
        };
        self.0.shared.turns.start(sync).await.done().await
    }

    /// What a guest sees as the numbers of that which has these attributes.
    pub(crate) fn identity(&self, stat: &Stat) -> Identity {
        self.0.shared.identities.of(stat.id())
    }

    /// What a guest sees as the inode number of an entry in it.
    pub(crate) fn inode_of(&self, entry: &Entry<'_>) -> u64 {
        self.0.shared.identities.inode(entry.inode)
    }

    /// Whether both are handles to one directory, whatever the names they were opened by.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.place.is_same(&self.0.shared, &other.0.place)
    }

    /// The top directory of the mount at `at`, from the guest's root, for a process to begin with.
    pub(super) fn at_mount(&self, at: &GuestPath) -> FsResult<Self> {
        let path = at.to_string();
        match self
            .walk(&format!("./{}", path.trim_start_matches('/')))?
            .find(AtEnd::Stay)?
        {
            Found::Here(place) | Found::Covered(place) => Ok(self.beside(place, Some(Arc::from(path)), None)),
            Found::Entry { .. } | Found::Missing { .. } => Err(Errno::NOENT),
        }
    }

    pub(super) fn walk<'w, 'p>(&'w self, path: &'p str) -> FsResult<Walk<'w, 'p>> {
        let held = &*self.0;
        Walk::new(
            &held.shared,
            &held.record.refusals,
            held.place.clone(),
            held.path.clone(),
            path,
        )
    }

    /// Refuses to change `name` in a directory which is read-only; gives its guest path where that is known.
    pub(super) fn check_writable(&self, walk: &Walk<'_, '_>, parent: &Place, name: &str) -> FsResult<Option<Arc<str>>> {
        let path = walk.child_path(name);
        self.check_place(parent, path.as_deref())?;
        Ok(path)
    }

    fn check_place(&self, place: &Place, path: Option<&str>) -> FsResult<()> {
        if self.0.access == Access::ReadOnly {
            return Err(deny_tool_write(
                &self.0.record.refusals,
                path.unwrap_or("something deep below"),
            ));
        }
        if place.is_writable(&self.0.shared) {
            return Ok(());
        }
        let mount = place.mount().map(|mount| &self.0.shared.table.mount(mount).at);
        Err(deny_write(
            &self.0.record.refusals,
            path.unwrap_or("something deep below"),
            mount,
        ))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}
