//! Files which the host holds open, to read and write more than it has memory for.

use std::sync::Arc;

use super::directory::Follow;
use super::files::{self, Metadata};
use super::walk::{AtEnd, Found};
use super::{Create, Directory, Errno, File, FsResult, Kind, OpenHow, Opened, Workspace};

/// A file of a sandbox, open for the host to read. Clones share one handle.
///
/// It does not count against the sandbox's limit of handles. Its methods block for as long as the disk takes.
#[derive(Clone, Debug)]
pub struct HostFile {
    file: File,
    path: Arc<str>,
}

/// A file which the host writes, and which takes its place when it is whole.
///
/// Until [`commit`](Self::commit) its bytes are under a name of its own beside that place, charged to the sandbox, and
/// what has the place keeps it. Dropping it removes them. Everything here blocks for as long as the disk takes, the
/// dropping too.
#[derive(Debug)]
pub struct NewFile {
    directory: Directory,
    /// `None` once it is in its place.
    open: Option<(File, String)>,
    length: u64,
    name: String,
    path: Arc<str>,
}

impl Workspace {
    /// Opens a file to read it.
    pub fn open(&self, path: &str) -> crate::Result<HostFile> {
        self.at("open", path, |root, at| {
            let how = OpenHow {
                read: true,
                ..files::OPEN
            };
            Ok(HostFile {
                file: files::open_file(root, at, how)?,
                path: path.into(),
            })
        })
    }

    /// Begins a file at `path`, to be put in place of a file or of a link which is there.
    pub fn replace(&self, path: &str) -> crate::Result<NewFile> {
        self.at("write", path, |root, at| NewFile::begin(root, at, path))
    }
}

impl HostFile {
    /// Reads from `offset` on, and returns how many bytes that were: none at the end alone.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> crate::Result<usize> {
        let read = self.file.read_at(buffer, offset);
        read.map_err(|errno| files::failed("read", &self.path, errno))
    }

    /// Its attributes.
    pub fn metadata(&self) -> crate::Result<Metadata> {
        let stat = self.file.stat();
        stat.map(Metadata::from)
            .map_err(|errno| files::failed("stat", &self.path, errno))
    }
}

impl NewFile {
    fn begin(root: &Directory, at: &str, path: &str) -> FsResult<Self> {
        let (above, name) = at.rsplit_once('/').ok_or(Errno::INVAL)?;
        if matches!(name, "" | "." | "..") {
            return Err(Errno::ISDIR);
        }
        let how = OpenHow {
            directory: true,
            ..files::OPEN
        };
        let Opened::Directory(directory) = root.open(above, how)? else {
            return Err(Errno::NOTDIR);
        };
        check_place(&directory, name)?;
        let part = format!(".palisade-{:016x}.part", rand::random::<u64>());
        let how = OpenHow {
            write: true,
            create: Create::New,
            follow: Follow::No,
            ..files::OPEN
        };
        let file = files::open_file(&directory, &part, how)?;
        Ok(Self {
            directory,
            open: Some((file, part)),
            length: 0,
            name: name.to_owned(),
            path: path.into(),
        })
    }

    /// Writes at its end.
    ///
    /// It is an error of kind [`Exhausted`](crate::Kind::Exhausted) at the sandbox's limit of the disk.
    pub fn append(&mut self, bytes: &[u8]) -> crate::Result<()> {
        let Self { open, length, path, .. } = self;
        let (file, _) = open.as_ref().expect("only `commit` takes it, which takes all");
        let mut left = bytes;
        while !left.is_empty() {
            let written = file.write_at(left, *length);
            let written = written.map_err(|errno| files::failed("write", path, errno))?;
            *length += written as u64;
            left = &left[written..];
        }
        Ok(())
    }

    /// Puts it in its place. Where that fails, it is removed.
    pub fn commit(mut self) -> crate::Result<()> {
        let Some((file, part)) = self.open.take() else {
            return Ok(());
        };
        // Who opens it by its new name makes an entry of its own, with that name.
        drop(file);
        self.directory
            .rename(&part, &self.directory, &self.name)
            .map_err(|errno| {
                let _ = self.directory.unlink(&part);
                files::error("write", &self.path, errno, &self.directory.0.record.refusals)
            })
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((_, part)) = &self.open {
            // A guest can have taken it away.
            let _ = self.directory.unlink(part);
        }
    }
}

/// Refuses to put a file where a directory is, or where nothing may be written.
fn check_place(directory: &Directory, name: &str) -> FsResult<()> {
    let mut walk = directory.walk(name)?;
    match walk.find(AtEnd::Name)? {
        Found::Here(_) | Found::Covered(_) => Err(Errno::ISDIR),
        Found::Entry { stat, .. } if stat.kind == Kind::Directory => Err(Errno::ISDIR),
        Found::Entry { parent, name, .. } | Found::Missing { parent, name } => {
            directory.check_writable(&walk, &parent, &name).map(drop)
        }
    }
}
