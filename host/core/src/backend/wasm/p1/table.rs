//! The descriptors of one process.

use super::ProcessState;
use super::error::{Error, Result};
use super::rights::Rights;
use crate::workspace::{Directory, Errno, File, FsResult, Listing};

/// The numbers of a process's open files, directories and streams.
///
/// Its length has no bound of its own: all but the three streams hold a handle of the sandbox, and those are counted.
pub(super) struct Descriptors {
    open: Vec<Option<Descriptor>>,
    /// No number below it is free.
    lowest_free: usize,
}

pub(super) struct Descriptor {
    pub(super) object: Object,
    /// What it may be used for.
    pub(super) base: Rights,
    /// What descriptors opened through it may be used for at most.
    pub(super) inheriting: Rights,
    pub(super) flags: Flags,
}

pub(super) enum Object {
    Stdin,
    Stdout,
    Stderr,
    File {
        file: File,
        position: u64,
    },
    Directory {
        directory: Directory,
        /// Its name, if it was there from the start.
        preopen: Option<String>,
        /// The entries that `fd_readdir` is walking over.
        listing: Option<Listing>,
    },
}

/// `fdflags` of the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const APPEND: Self = Self(1);
    pub(super) const DSYNC: Self = Self(1 << 1);
    pub(super) const NONBLOCK: Self = Self(1 << 2);
    pub(super) const SYNC: Self = Self(1 << 4);
    const ALL: u32 = 0b1_1111;

    pub(super) fn parse(flags: u32) -> Result<Self> {
        if flags & !Self::ALL != 0 {
            return Err(Errno::INVAL.into());
        }
        Ok(Self(flags as u16))
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Descriptors {
    /// 0-2 are the standard streams, then the preopens.
    pub(super) fn new(process: &ProcessState) -> FsResult<Self> {
        let mut descriptors = Self {
            open: Vec::with_capacity(8),
            lowest_free: 0,
        };
        descriptors.insert(Descriptor::stream(Object::Stdin, Rights::FD_READ));
        descriptors.insert(Descriptor::stream(Object::Stdout, Rights::FD_WRITE));
        descriptors.insert(Descriptor::stream(Object::Stderr, Rights::FD_WRITE));
        for (name, directory) in process.job.workspace.preopens(&process.job.record)? {
            descriptors.insert(Descriptor::preopen(name, directory));
        }
        Ok(descriptors)
    }

    /// Opens the lowest number which is free.
    pub(super) fn insert(&mut self, descriptor: Descriptor) -> u32 {
        let number = self.lowest_free;
        match self.open.get_mut(number) {
            Some(free) => *free = Some(descriptor),
            None => self.open.push(Some(descriptor)),
        }
        self.lowest_free = (number + 1..self.open.len())
            .find(|number| self.open[*number].is_none())
            .unwrap_or(self.open.len());
        u32::try_from(number).expect("fewer handles than 2^32 are open, each of them takes memory")
    }

    pub(super) fn get(&self, fd: u32) -> Result<&Descriptor> {
        self.open
            .get(fd as usize)
            .and_then(Option::as_ref)
            .ok_or(Error::Errno(Errno::BADF))
    }

    pub(super) fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor> {
        self.open
            .get_mut(fd as usize)
            .and_then(Option::as_mut)
            .ok_or(Error::Errno(Errno::BADF))
    }

    /// Takes a descriptor out; dropping it closes it.
    pub(super) fn remove(&mut self, fd: u32) -> Result<Descriptor> {
        let number = fd as usize;
        let descriptor = self.open.get_mut(number).and_then(Option::take).ok_or(Errno::BADF)?;
        self.lowest_free = self.lowest_free.min(number);
        Ok(descriptor)
    }

    /// Gives `from` the number `to`, and closes what had that.
    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Result {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            let descriptor = self.remove(from)?;
            *self.get_mut(to)? = descriptor;
        }
        Ok(())
    }

    /// The file behind `fd`, if it has `rights`. Streams are `ESPIPE`, directories `EBADF`.
    pub(super) fn file(&self, fd: u32, rights: Rights) -> Result<&File> {
        let descriptor = self.get(fd)?;
        match &descriptor.object {
            Object::File { file, .. } => descriptor.require(rights).map(|()| file),
            Object::Directory { .. } => Err(Errno::BADF.into()),
            Object::Stdin | Object::Stdout | Object::Stderr => Err(Errno::SPIPE.into()),
        }
    }

    /// The directory behind `fd`, if it has `rights`.
    pub(super) fn directory(&self, fd: u32, rights: Rights) -> Result<&Directory> {
        let descriptor = self.get(fd)?;
        match &descriptor.object {
            Object::Directory { directory, .. } => descriptor.require(rights).map(|()| directory),
            _ => Err(Errno::NOTDIR.into()),
        }
    }
}

impl Descriptor {
    fn stream(object: Object, right: Rights) -> Self {
        Self {
            object,
            base: Rights::STREAM | right,
            inheriting: Rights::NONE,
            flags: Flags::NONE,
        }
    }

    fn preopen(name: String, directory: Directory) -> Self {
        Self {
            object: Object::Directory {
                directory,
                preopen: Some(name),
                listing: None,
            },
            base: Rights::DIRECTORY,
            inheriting: Rights::ALL,
            flags: Flags::NONE,
        }
    }

    /// Reading and writing without the right to is `EBADF`, as it is in POSIX.
    pub(super) fn require(&self, rights: Rights) -> Result {
        if self.base.contains(rights) {
            Ok(())
        } else if rights == Rights::FD_READ || rights == Rights::FD_WRITE {
            Err(Errno::BADF.into())
        } else {
            Err(Error::NotCapable)
        }
    }
}
