//! Compiled programs on disk, so that a second start does not compile.
//!
//! An artefact is native code which this process will run: whoever can write one owns the host. So the folder belongs
//! to us and is closed to everybody else, it is never one that a guest or client can reach, and each file ends in the
//! digest of what it should be. A file which is not what it says is compiled anew.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Kind, Result};

/// The digest behind the artefact proper.
const FOOTER: u64 = blake3::OUT_LEN as u64;

/// A folder of compiled programs.
#[derive(Debug)]
pub(crate) struct Artefacts {
    folder: PathBuf,
    max_bytes: u64,
}

impl Artefacts {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be made, [`Kind::InvalidInput`] where others could write to it.
    pub(crate) fn open(folder: PathBuf, max_bytes: u64) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot use {folder:?} for compiled programs: {error}"),
            )
            .with_source(error)
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed)?;
        let metadata = fs::symlink_metadata(&folder).map_err(failed)?;
        let ours = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
        if !ours || metadata.permissions().mode() & 0o022 != 0 {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "others can write to {folder:?}, where compiled programs are kept: it must be a directory of yours with mode 0700"
                ),
            ));
        }
        Ok(Self { folder, max_bytes })
    }

    /// Where the artefact stored under `key` is, checked; `None` where there is none, or a damaged one.
    pub(crate) fn find(&self, key: &str) -> Option<PathBuf> {
        let path = self.path(key);
        let mut file = open_nofollow(&path).ok()?;
        match is_whole(&mut file) {
            Ok(true) => {
                // Its time of change says when it was last of use, for `make_room`.
                let _ = file.set_modified(SystemTime::now());
                Some(path)
            }
            Ok(false) | Err(_) => {
                tracing::warn!(artefact = key, "a compiled program is damaged; it is compiled anew");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Stores an artefact. Another process may do the same at once: the last one stays.
    pub(crate) fn store(&self, key: &str, artefact: &[u8]) -> io::Result<()> {
        let whole = artefact.len() as u64 + FOOTER;
        if whole > self.max_bytes {
            return Ok(());
        }
        self.make_room(whole)?;
        let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder)?;
        temporary.write_all(artefact)?;
        temporary.write_all(blake3::hash(artefact).as_bytes())?;
        temporary.as_file().set_permissions(fs::Permissions::from_mode(0o600))?;
        temporary.persist(self.path(key)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes the least recently used artefacts until `more` bytes fit.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may have removed it meanwhile.
            if let Ok(metadata) = entry.metadata() {
                kept.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in kept {
            if total.saturating_add(more) <= self.max_bytes {
                break;
            }
            let _ = fs::remove_file(path);
            total -= bytes;
        }
        Ok(())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.cwasm"))
    }
}

fn open_nofollow(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

/// Whether `file` is a regular file of ours which ends in the digest of the rest.
fn is_whole(file: &mut File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let ours = metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw();
    let Some(length) = metadata.len().checked_sub(FOOTER).filter(|_| ours) else {
        return Ok(false);
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Read::by_ref(file).take(length))?;
    let mut footer = [0; FOOTER as usize];
    file.read_exact(&mut footer)?;
    Ok(hasher.finalize() == footer)
}
