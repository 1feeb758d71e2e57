//! Our side: a store, and the line of one directory.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use palisade_store::{Details, Dirty, Durability, Line, Scope, Since, SnapshotId, Store, Way};
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

const OWNER: &str = "bench";

pub(super) struct Kept {
    folder: PathBuf,
    directory: File,
    line: Line,
    /// `None` while it is closed.
    store: Option<Store>,
    /// The latest snapshot.
    latest: Option<SnapshotId>,
}

impl Kept {
    /// A new store in `folder`, for snapshots of `tree`.
    pub(super) fn new(folder: &Path, tree: &Path) -> Result<Self> {
        let mut kept = Self {
            folder: folder.to_owned(),
            directory: File::open(tree)?,
            line: Line::new(OWNER),
            store: None,
            latest: None,
        };
        kept.reset()?;
        Ok(kept)
    }

    /// Makes an empty store in place of the one there is, and closes it.
    pub(super) fn reset(&mut self) -> Result<()> {
        self.store = None;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)?;
        }
        self.line = Line::new(OWNER);
        self.latest = None;
        self.open()?;
        self.close();
        Ok(())
    }

    pub(super) fn open(&mut self) -> Result<()> {
        self.store = Some(Store::open(&self.folder)?.0);
        Ok(())
    }

    /// Returns once all is written, the catalogue too.
    pub(super) fn close(&mut self) {
        self.store = None;
    }

    /// Has what is behind the calls come to its end.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.close();
        self.open()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A snapshot of a directory in which nobody knows what changed.
    pub(super) fn take_all(&mut self, durability: Durability) -> Result<()> {
        self.take(Since::Unknown, durability)
    }

    /// A snapshot of a directory in which these files changed.
    pub(super) fn take_changed(&mut self, changed: Since, durability: Durability) -> Result<()> {
        ensure!(self.line.is_known(), "all of the directory would be looked at");
        self.take(changed, durability)
    }

    fn take(&mut self, since: Since, durability: Durability) -> Result<()> {
        let store = self.store.as_ref().context("the store is closed")?;
        let (line, directory) = (&mut self.line, self.directory.as_fd());
        let taken = store.take(line, directory, since, &Details::default(), durability)?;
        self.latest = Some(taken.id);
        Ok(())
    }

    /// Goes back to the latest snapshot which was taken here.
    pub(super) fn roll_back(&mut self, changed: Since, durability: Durability) -> Result<()> {
        ensure!(self.line.is_known(), "all of the directory would be looked at");
        let store = self.store.as_ref().context("the store is closed")?;
        let (line, directory) = (&mut self.line, self.directory.as_fd());
        let to = self.latest.context("there is no snapshot")?;
        let (scope, details) = (Scope::default(), Details::default());
        let done = store.roll_back(line, directory, changed, to, &scope, &details, durability)?;
        ensure!(done.way == Way::Patched, "all of the directory was made anew");
        Ok(())
    }

    pub(super) fn restore(&self, into: &Path) -> Result<()> {
        let store = self.store.as_ref().context("the store is closed")?;
        let latest = self.latest.context("there is no snapshot")?;
        Ok(store.restore(OWNER, latest, File::open(into)?.as_fd())?)
    }
}

/// What a workspace knows of files which were written in place.
pub(super) fn written(files: &[PathBuf]) -> Result<Since> {
    let dirty = files.iter().map(|file| {
        Ok(Dirty {
            inode: file.symlink_metadata()?.ino(),
            entries: false,
        })
    });
    Ok(Since::Known(dirty.collect::<Result<_>>()?))
}
