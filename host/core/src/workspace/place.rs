//! A directory that a walk has come to, and the single step from there to a directory in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use palisade_policy::Access;
use rustix::fs::{AtFlags, Mode, fstat, openat, readlinkat};

use super::mounts::{MountId, NodeId, STEP};
use super::stat::{Kind, Stat};
use super::{Errno, FsResult, Shared};

/// Inode numbers of directories which no file system holds start here, far above those of any.
const OWN_INODES: u64 = 1 << 62;
/// The device of directories that exist only since a mount point lies below them.
const OWN_DEVICE: u64 = 1 << 62;

/// A directory in the guest's tree, held so that no rename can turn it into another one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Where it is in the mount table, if it is a mount point or above one.
    pub node: Option<NodeId>,
    pub body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// The top directory of a mount, which may not be made yet.
    Top(MountId),
    Below(MountId, Arc<OwnedFd>),
    /// It exists only since a mount point lies below it.
    Synthetic(NodeId),
}

pub(super) enum Step {
    Into(Place),
    /// The name is a symbolic link with this target.
    Link(String),
}

impl Place {
    pub(super) fn root(shared: &Shared) -> Self {
        Self::at_node(shared, NodeId::ROOT)
    }

    fn at_node(shared: &Shared, node: NodeId) -> Self {
        let body = shared.table.mount_at(node).map_or(Body::Synthetic(node), Body::Top);
        Self { node: Some(node), body }
    }

    pub(super) fn mount(&self) -> Option<MountId> {
        match self.body {
            Body::Top(mount) | Body::Below(mount, _) => Some(mount),
            Body::Synthetic(_) => None,
        }
    }

    pub(super) fn is_guest_root(&self) -> bool {
        self.node == Some(NodeId::ROOT)
    }

    /// The host's directory; `None` if there is none (yet), and so no name in it but those of mount points.
    pub(super) fn fd<'a>(&'a self, shared: &'a Shared) -> Option<BorrowedFd<'a>> {
        match &self.body {
            Body::Top(mount) => shared.table.mount(*mount).root().map(|root| root.as_fd()),
            Body::Below(_, fd) => Some(fd.as_fd()),
            Body::Synthetic(_) => None,
        }
    }

    /// The host's directory to change something in. The caller has the lock on names.
    pub(super) fn made_fd<'a>(&'a self, shared: &'a Shared) -> FsResult<BorrowedFd<'a>> {
        let mount = shared.table.mount(self.mount().ok_or(Errno::ROFS)?);
        mount.check_open()?;
        match &self.body {
            Body::Below(_, fd) => Ok(fd.as_fd()),
            Body::Top(_) | Body::Synthetic(_) => mount.made_root().map(|root| root.as_fd()),
        }
    }

    pub(super) fn is_writable(&self, shared: &Shared) -> bool {
        self.mount()
            .is_some_and(|mount| shared.table.mount(mount).access == Access::ReadWrite)
    }

    /// The part of the mount table that covers `name` here, whatever the host's directory has under it.
    pub(super) fn covered(&self, shared: &Shared, name: &str) -> Option<NodeId> {
        shared.table.child(self.node?, name)
    }

    /// One step down. It fails with `ENOENT` and `ENOTDIR` as a path of one component would.
    pub(super) fn step(&self, shared: &Shared, name: &str) -> FsResult<Step> {
        if let Some(node) = self.covered(shared, name) {
            return Ok(Step::Into(self.step_covered(shared, name, node)));
        }
        let (Some(fd), Some(mount)) = (self.fd(shared), self.mount()) else {
            return Err(Errno::NOENT);
        };
        match openat(fd, name, STEP, Mode::empty()) {
            Ok(below) => Ok(Step::Into(Self {
                node: None,
                body: Body::Below(mount, Arc::new(below)),
            })),
            Err(Errno::NOTDIR | Errno::LOOP) => read_link(fd, name).map(Step::Link).map_err(|errno| match errno {
                Errno::INVAL => Errno::NOTDIR,
                other => other,
            }),
            Err(other) => Err(other),
        }
    }

    /// A step to a mount point, or to a directory above one: that of the host if it is there, else one of our own.
    fn step_covered(&self, shared: &Shared, name: &str, node: NodeId) -> Self {
        if shared.table.mount_at(node).is_none()
            && let (Some(fd), Some(mount)) = (self.fd(shared), self.mount())
            && let Ok(below) = openat(fd, name, STEP, Mode::empty())
        {
            return Self {
                node: Some(node),
                body: Body::Below(mount, Arc::new(below)),
            };
        }
        Self::at_node(shared, node)
    }

    /// The attributes that the guest sees.
    ///
    /// The top of a scratch keeps the inode number that it had before it was made.
    pub(super) fn stat(&self, shared: &Shared) -> FsResult<Stat> {
        match &self.body {
            Body::Below(_, fd) => Ok(fstat(fd)?.into()),
            Body::Synthetic(node) => Ok(own_stat(shared, OWN_DEVICE, OWN_INODES + node.index() as u64, 0o555)),
            Body::Top(id) => {
                let mount = shared.table.mount(*id);
                let inode = OWN_INODES + id.index() as u64;
                match (mount.scratch(), mount.root()) {
                    (None, Some(root)) => Ok(fstat(root)?.into()),
                    (_, Some(root)) => Ok(Stat {
                        inode,
                        ..fstat(root)?.into()
                    }),
                    (Some(scratch), None) => Ok(own_stat(
                        shared,
                        Stat::from(fstat(&*scratch.parent)?).device,
                        inode,
                        0o700,
                    )),
                    (None, None) => Err(Errno::IO),
                }
            }
        }
    }

    /// Whether `self` and `other` are one directory.
    pub(super) fn is_same(&self, shared: &Shared, other: &Self) -> bool {
        match (self.stat(shared), other.stat(shared)) {
            (Ok(this), Ok(that)) => this.id() == that.id(),
            _ => false,
        }
    }
}

fn own_stat(shared: &Shared, device: u64, inode: u64, mode: u32) -> Stat {
    let born = shared
        .born
        .duration_since(UNIX_EPOCH)
        .map_or(UNIX_EPOCH, |_| shared.born);
    Stat {
        device,
        inode,
        kind: Kind::Directory,
        links: 2,
        size: 0,
        accessed: born,
        modified: born,
        changed: born,
        mode,
    }
}

/// The target of the link `name`; `EINVAL` if it is none, `EILSEQ` if the target is not UTF-8.
pub(super) fn read_link(directory: BorrowedFd<'_>, name: &str) -> FsResult<String> {
    readlinkat(directory, name, Vec::new())?
        .into_string()
        .map_err(|_| Errno::ILSEQ)
}

/// The attributes of what `name` stands for in `directory`, a link not being followed.
pub(super) fn stat_at(directory: BorrowedFd<'_>, name: &str) -> FsResult<Stat> {
    Ok(rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.into())
}
