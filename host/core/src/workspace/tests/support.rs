//! A workspace over temporary directories, and short words for what the tests do with it.

use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use palisade_policy::{Access, Denial};

use super::super::*;
use crate::limits::Limit;
use crate::record::Record;

pub(super) struct World {
    pub host: tempfile::TempDir,
    pub workspace: Workspace,
    pub record: Arc<Record>,
    pub root: Directory,
    pub budgets: Budgets,
}

#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub disk: u64,
    pub files: u64,
    pub handles: u64,
    pub memory: u64,
}

pub(super) const AMPLE: Limits = Limits {
    disk: 1 << 30,
    files: 1 << 20,
    handles: 1 << 20,
    memory: 1 << 30,
};

/// A directory of the host, by its path in the temporary directory, to be mounted in the guest's tree.
pub(super) type HostMount<'a> = (&'a str, &'a str, Access);

impl World {
    /// A workspace with nothing but a scratch at `/`.
    pub(super) fn new() -> Self {
        Self::with(&[], AMPLE)
    }

    pub(super) fn limited(limits: Limits) -> Self {
        Self::with(&[], limits)
    }

    /// A scratch at `/`, unless one of `mounts` is there. A directory of the host is made if it is missing.
    pub(super) fn with(mounts: &[HostMount<'_>], limits: Limits) -> Self {
        Self::over(tempfile::tempdir().unwrap(), mounts, limits, Workspace::new)
    }

    pub(super) fn over(
        host: tempfile::TempDir,
        mounts: &[HostMount<'_>],
        limits: Limits,
        open: fn(Vec<Mount>, Budgets) -> crate::Result<Workspace>,
    ) -> Self {
        let parent = cap_std::fs::Dir::open_ambient_dir(host.path(), ambient_authority()).unwrap();
        let scratch = Source::Scratch {
            parent: Arc::new(parent),
            name: "scratch".to_owned(),
        };
        let mut all = Vec::new();
        if mounts
            .iter()
            .all(|(at, ..)| !at.parse::<GuestPath>().unwrap().components().is_empty())
        {
            all.push(Mount {
                at: "/".parse().unwrap(),
                access: Access::ReadWrite,
                source: scratch,
            });
        }
        for (at, directory, access) in mounts {
            let path = host.path().join(directory);
            std::fs::create_dir_all(&path).unwrap();
            let directory = cap_std::fs::Dir::open_ambient_dir(path, ambient_authority()).unwrap();
            all.push(Mount {
                at: at.parse().unwrap(),
                access: *access,
                source: Source::Host(std::sync::Arc::new(directory.into())),
            });
        }
        let budgets = Budgets {
            disk: Counter::new(limits.disk),
            files: Counter::new(limits.files),
            handles: Counter::new(limits.handles),
            memory: Counter::new(limits.memory),
        };
        let workspace = open(all, budgets.clone()).unwrap();
        let record = Arc::new(Record::default());
        let root = workspace.root(&record).unwrap();
        Self {
            host,
            workspace,
            record,
            root,
            budgets,
        }
    }

    /// Where the host has the scratch.
    pub(super) fn scratch(&self) -> PathBuf {
        self.host.path().join("scratch")
    }

    pub(super) fn host(&self, path: &str) -> PathBuf {
        self.host.path().join(path)
    }

    pub(super) fn denials(&self) -> Vec<Denial> {
        self.record.refusals.denials().0
    }

    pub(super) fn last_limit(&self) -> Option<Limit> {
        self.record.refusals.last_limit()
    }
}

pub(super) const READ: OpenHow = OpenHow {
    read: true,
    write: false,
    create: Create::Never,
    truncate: false,
    directory: false,
    follow: Follow::Yes,
};
pub(super) const NOTHING: OpenHow = OpenHow {
    read: false,
    follow: Follow::No,
    ..READ
};
pub(super) const WRITE: OpenHow = OpenHow {
    write: true,
    create: Create::IfMissing,
    ..READ
};
pub(super) const NEW: OpenHow = OpenHow {
    create: Create::New,
    ..WRITE
};
pub(super) const DIRECTORY: OpenHow = OpenHow {
    directory: true,
    ..READ
};

impl Directory {
    pub(super) fn file(&self, path: &str, how: OpenHow) -> FsResult<File> {
        match self.open(path, how)? {
            Opened::File(file) => Ok(file),
            Opened::Directory(_) => panic!("{path} is a directory"),
        }
    }

    pub(super) fn dir(&self, path: &str) -> FsResult<Directory> {
        match self.open(path, DIRECTORY)? {
            Opened::Directory(directory) => Ok(directory),
            Opened::File(_) => panic!("{path} is a file"),
        }
    }

    /// Makes or replaces a file.
    pub(super) fn put(&self, path: &str, bytes: &[u8]) {
        let file = self
            .file(
                path,
                OpenHow {
                    truncate: true,
                    ..WRITE
                },
            )
            .unwrap();
        assert_eq!(file.write_at(bytes, 0), Ok(bytes.len()), "{path}");
    }

    pub(super) fn get(&self, path: &str) -> FsResult<Vec<u8>> {
        let file = self.file(path, READ)?;
        let mut bytes = vec![0; 4096];
        let length = file.read_at(&mut bytes, 0)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    pub(super) fn inode(&self, path: &str) -> u64 {
        self.stat(path, Follow::No).unwrap().inode
    }

    pub(super) fn names(&self) -> Vec<String> {
        let listing = self.list().unwrap();
        let mut names: Vec<_> = (0..listing.len())
            .map(|index| listing.get(index).unwrap().name.to_owned())
            .collect();
        assert_eq!(names[..2], [".", ".."]);
        names.drain(..2);
        names.sort();
        names
    }
}

/// The errno of what must fail.
#[track_caller]
pub(super) fn errno<T>(result: FsResult<T>) -> Errno {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(errno) => errno,
    }
}
