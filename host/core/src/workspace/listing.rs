//! The names in a directory, read once.

use rustix::fs::{Dir, DirEntry, FileType, Mode, OFlags, fstat, openat};

use super::directory::{Directory, Follow};
use super::mounts::MountId;
use super::place::{Body, Step, stat_at};
use super::stat::{Kind, Stat};
use super::{Errno, FsResult};
use crate::limits::{Lease, Limit};

/// The least host memory that is charged at once, in bytes.
const MIN_CHARGE: u64 = 1024;

/// Names read before others get their turn.
const SLICE: usize = 1024;

/// The names in a directory, read once. What changes meanwhile is in it or not.
#[derive(Debug)]
pub(crate) struct Listing {
    names: String,
    items: Vec<Item>,
    _charged: Vec<Lease>,
}

#[derive(Debug)]
struct Item {
    /// Where its name ends; it starts where that of the item before ends.
    end: usize,
    inode: u64,
    kind: Kind,
}

/// A name in a directory, and what it stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub name: &'a str,
    pub kind: Kind,
    /// The host's; a guest sees [`Directory::inode_of`].
    pub(super) inode: u64,
}

impl Listing {
    pub(crate) fn get(&self, index: usize) -> Option<Entry<'_>> {
        let item = self.items.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.items[before].end);
        Some(Entry {
            name: &self.names[start..item.end],
            kind: item.kind,
            inode: item.inode,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// A listing which is being read. Every name is charged to the process, whatever becomes of the listing.
pub(super) struct Reading<'a> {
    directory: &'a Directory,
    real: Option<Dir>,
    names: String,
    items: Vec<Item>,
    charged: Vec<Lease>,
    room: u64,
    total: u64,
}

impl<'a> Reading<'a> {
    pub(super) fn begin(directory: &'a Directory) -> FsResult<Self> {
        let mut reading = Self {
            directory,
            real: open_real(directory)?,
            names: String::new(),
            items: Vec::new(),
            charged: Vec::new(),
            room: 0,
            total: 0,
        };
        reading.add(".", Kind::Directory, directory.own_stat()?.inode)?;
        reading.add("..", Kind::Directory, directory.inode_above_in_table()?)?;
        reading.add_covered()?;
        Ok(reading)
    }

    /// Reads some names more, and tells whether there may be others.
    pub(super) fn read_slice(&mut self) -> FsResult<bool> {
        for _ in 0..SLICE {
            match self.real.as_mut().and_then(Dir::read) {
                Some(entry) => self.add_real(&entry?)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    pub(super) fn finish(self) -> Listing {
        Listing {
            names: self.names,
            items: self.items,
            _charged: self.charged,
        }
    }

    fn add(&mut self, name: &str, kind: Kind, inode: u64) -> FsResult<()> {
        self.charge((name.len() + size_of::<Item>()) as u64)?;
        self.names.push_str(name);
        self.items.push(Item {
            end: self.names.len(),
            inode,
            kind,
        });
        Ok(())
    }

    /// Charges ahead for as much as is held already, as the buffers grow.
    fn charge(&mut self, bytes: u64) -> FsResult<()> {
        if self.room < bytes {
            let more = self.total.max(MIN_CHARGE);
            let lease = self.directory.0.shared.budgets.memory.lease(more).map_err(|_| {
                self.directory.0.record.refusals.hit(Limit::Memory);
                Errno::NOMEM
            })?;
            self.charged.push(lease);
            self.room += more;
            self.total += more;
        }
        self.room -= bytes;
        Ok(())
    }

    /// Adds the mount points, and the directories above some.
    fn add_covered(&mut self) -> FsResult<()> {
        let (place, shared) = (&self.directory.0.place, &self.directory.0.shared);
        let Some(node) = place.node else {
            return Ok(());
        };
        for (name, _) in shared.table.children(node) {
            if let Step::Into(below) = place.step(shared, name)? {
                self.directory.0.record.refusals.charge_names(1);
                self.add(name, Kind::Directory, below.stat(shared)?.inode)?;
            }
        }
        Ok(())
    }

    /// Adds a name that the host's directory has, unless the guest cannot see it.
    fn add_real(&mut self, entry: &DirEntry) -> FsResult<()> {
        let directory = self.directory;
        let (place, shared) = (&directory.0.place, &directory.0.shared);
        directory.0.record.refusals.charge_names(1);
        let (Ok(name), Some(fd)) = (entry.file_name().to_str(), place.fd(shared)) else {
            return Ok(());
        };
        if let ("..", Body::Below(mount, _)) = (name, &place.body) {
            self.items[1].inode = directory.inode_above_in_mount(*mount, entry.ino())?;
        }
        if matches!(name, "." | "..") || place.covered(shared, name).is_some() {
            return Ok(());
        }
        let (kind, inode) = match entry.file_type() {
            // The number in the listing of a directory which another file system covers is not its own.
            FileType::Unknown | FileType::Directory => match stat_at(fd, name) {
                Err(Errno::NOENT) => return Ok(()),
                stat => stat.map(|stat| (stat.kind, stat.inode))?,
            },
            file_type => (file_type.into(), entry.ino()),
        };
        self.add(name, kind, inode)
    }
}

/// The host's directory to read; `None` if there is none (yet).
fn open_real(directory: &Directory) -> FsResult<Option<Dir>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = directory.0.place.fd(&directory.0.shared);
    fd.map(|fd| Dir::new(openat(fd, ".", flags, Mode::empty())?))
        .transpose()
}

impl Directory {
    /// The inode number of the directory above a mount point or a directory above one.
    fn inode_above_in_table(&self) -> FsResult<u64> {
        let path = self.0.place.node.map_or("/", |node| self.0.shared.table.path_of(node));
        let root = Self::root(&self.0.shared, &self.0.record, self.0.access, self.0.handles);
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        root.stat(&format!(".{above}"), Follow::No).map(|stat| stat.inode)
    }

    /// What the guest sees for the inode number that the kernel gives for `..` in a directory below a mount's top.
    fn inode_above_in_mount(&self, mount: MountId, inode: u64) -> FsResult<u64> {
        let shared = &self.0.shared;
        let Some(top) = shared.table.mount(mount).root() else {
            return Ok(inode);
        };
        if Stat::from(fstat(top)?).inode == inode {
            Ok(shared.top_stat(mount)?.inode)
        } else {
            Ok(inode)
        }
    }
}
