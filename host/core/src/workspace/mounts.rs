//! The mount table: which directory of the host stands behind which place in the guest's tree.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use palisade_policy::{Access, GuestPath};
use rustix::fs::{Mode, OFlags};

use super::quota::Account;
use super::{Budgets, Errno, FsResult, Mount, Source};

/// How every directory on the way of a path is opened: never through a link.
pub(super) const STEP: OFlags = OFlags::PATH
    .union(OFlags::NOFOLLOW)
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MountId(usize);

/// A place in the guest's tree which is a mount point or lies above one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(usize);

impl NodeId {
    pub(super) const ROOT: Self = Self(0);

    pub(super) fn index(self) -> usize {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct MountTable {
    mounts: Vec<Mounted>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    path: String,
    mount: Option<MountId>,
    children: BTreeMap<String, NodeId>,
}

#[derive(Debug)]
pub(super) struct Mounted {
    pub at: GuestPath,
    pub access: Access,
    pub disk: Account,
    pub files: Account,
    root: OnceLock<Arc<OwnedFd>>,
    scratch: Option<Scratch>,
    /// Whether the scratch is being deleted, so that no name in it may change any more.
    closed: AtomicBool,
}

/// Where a sandbox keeps files of its own.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub parent: Arc<cap_std::fs::Dir>,
    pub name: String,
}

impl MountTable {
    pub(super) fn new(mounts: Vec<Mount>, budgets: &Budgets) -> crate::Result<Self> {
        let root = Node {
            path: "/".to_owned(),
            mount: None,
            children: BTreeMap::new(),
        };
        let mut table = Self {
            mounts: Vec::with_capacity(mounts.len()),
            nodes: vec![root],
        };
        for mount in mounts {
            table.add(mount, budgets)?;
        }
        Ok(table)
    }

    fn add(&mut self, mount: Mount, budgets: &Budgets) -> crate::Result<()> {
        let node = mount
            .at
            .components()
            .iter()
            .fold(NodeId::ROOT, |node, name| self.grow(node, name));
        let id = MountId(self.mounts.len());
        if self.nodes[node.0].mount.replace(id).is_some() {
            let message = format!("two mounts at {}", mount.at);
            return Err(crate::Error::new(crate::Kind::InvalidInput, message));
        }
        self.mounts.push(Mounted::new(mount, budgets));
        Ok(())
    }

    fn grow(&mut self, parent: NodeId, name: &str) -> NodeId {
        if let Some(child) = self.child(parent, name) {
            return child;
        }
        let child = NodeId(self.nodes.len());
        let path = super::path::join(&self.nodes[parent.0].path, name);
        self.nodes.push(Node {
            path,
            mount: None,
            children: BTreeMap::new(),
        });
        self.nodes[parent.0].children.insert(name.to_owned(), child);
        child
    }

    pub(super) fn mounts(&self) -> impl Iterator<Item = (MountId, &Mounted)> {
        self.mounts
            .iter()
            .enumerate()
            .map(|(index, mount)| (MountId(index), mount))
    }

    pub(super) fn mount(&self, id: MountId) -> &Mounted {
        &self.mounts[id.0]
    }

    pub(super) fn mount_at(&self, node: NodeId) -> Option<MountId> {
        self.nodes[node.0].mount
    }

    pub(super) fn path_of(&self, node: NodeId) -> &str {
        &self.nodes[node.0].path
    }

    pub(super) fn child(&self, node: NodeId, name: &str) -> Option<NodeId> {
        self.nodes[node.0].children.get(name).copied()
    }

    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        self.nodes[node.0]
            .children
            .iter()
            .map(|(name, child)| (name.as_str(), *child))
    }
}

impl MountId {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

impl Mounted {
    fn new(mount: Mount, budgets: &Budgets) -> Self {
        let (root, scratch) = match mount.source {
            Source::Host(directory) => (OnceLock::from(directory), None),
            Source::Scratch { parent, name } => (OnceLock::new(), Some(Scratch { parent, name })),
        };
        Self {
            at: mount.at,
            access: mount.access,
            disk: Account::new(&budgets.disk),
            files: Account::new(&budgets.files),
            root,
            scratch,
            closed: AtomicBool::new(false),
        }
    }

    /// The mounted directory; `None` while it is a scratch that nothing was written to.
    pub(super) fn root(&self) -> Option<&Arc<OwnedFd>> {
        self.root.get()
    }

    pub(super) fn scratch(&self) -> Option<&Scratch> {
        self.scratch.as_ref()
    }

    /// Ends all changes of names in a scratch, and returns it if it was made. The caller has the lock on names.
    pub(super) fn close_scratch(&self) -> Option<Scratch> {
        let scratch = self.scratch.as_ref()?;
        self.closed.store(true, Ordering::Relaxed);
        self.root().map(|_| scratch.clone())
    }

    /// Whether names may still change. The caller has the lock on names.
    pub(super) fn check_open(&self) -> FsResult<()> {
        if self.closed.load(Ordering::Relaxed) {
            Err(Errno::NOENT)
        } else {
            Ok(())
        }
    }

    /// The mounted directory, which is made if it is not there yet. The caller has the lock on names.
    pub(super) fn made_root(&self) -> FsResult<&Arc<OwnedFd>> {
        if let (None, Some(scratch)) = (self.root.get(), &self.scratch) {
            rustix::fs::mkdirat(&*scratch.parent, &scratch.name, Mode::RWXU)?;
            self.open_scratch()?;
        }
        self.root.get().ok_or(Errno::IO)
    }

    /// Opens the directory of a scratch that was made before; `ENOENT` if it was not.
    pub(super) fn open_scratch(&self) -> FsResult<()> {
        if let Some(scratch) = &self.scratch {
            let root = rustix::fs::openat(scratch.parent.as_fd(), &scratch.name, STEP, Mode::empty())?;
            let _ = self.root.set(Arc::new(root));
        }
        Ok(())
    }
}
