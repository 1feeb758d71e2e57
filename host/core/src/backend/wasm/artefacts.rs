//! Compiled programs on disk, so that a second start does not compile.
//!
//! An artefact is native code which this process will run: whoever can write one owns the host. So the folder is one of
//! the state directory, which is closed to everybody else and which no guest or client can reach, and each file ends in
//! the digest of what it should be. A file which is not what it says is compiled anew.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

/// The digest behind the artefact proper.
const FOOTER: u64 = blake3::OUT_LEN as u64;

/// A folder of compiled programs.
#[derive(Debug)]
pub(crate) struct Artefacts {
    folder: Arc<Dir>,
    max_bytes: u64,
}

impl Artefacts {
    pub(crate) fn new(folder: Arc<Dir>, max_bytes: u64) -> Self {
        Self { folder, max_bytes }
    }

    /// The most that is kept, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The artefact stored under `key`, checked; `None` where there is none, or a damaged one.
    pub(crate) fn find(&self, key: &str) -> Option<File> {
        let name = file_name(key);
        let mut file = open_nofollow(&self.folder, &name).ok()?;
        match is_whole(&mut file) {
            Ok(true) => {
                // Its time of change says when it was last of use, for `make_room`.
                let _ = file.set_modified(SystemTime::now());
                Some(file)
            }
            Ok(false) | Err(_) => {
                tracing::warn!(artefact = key, "a compiled program is damaged; it is compiled anew");
                let _ = self.folder.remove_file(&name);
                None
            }
        }
    }

    /// Removes what is stored under `key`.
    pub(crate) fn remove(&self, key: &str) {
        let _ = self.folder.remove_file(file_name(key));
    }

    /// Stores an artefact. Another process may do the same at once: the last one stays.
    pub(crate) fn store(&self, key: &str, artefact: &[u8]) -> io::Result<()> {
        let whole = artefact.len() as u64 + FOOTER;
        if whole > self.max_bytes {
            return Ok(());
        }
        self.make_room(whole)?;
        let unfinished = format!(".new-{:016x}", rand::random::<u64>());
        let stored = self
            .write(&unfinished, artefact)
            .and_then(|()| self.folder.rename(&unfinished, &self.folder, file_name(key)));
        if stored.is_err() {
            let _ = self.folder.remove_file(&unfinished);
        }
        stored
    }

    fn write(&self, name: &str, artefact: &[u8]) -> io::Result<()> {
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
        let mut file = self.folder.open_with(name, &options)?;
        file.write_all(artefact)?;
        file.write_all(blake3::hash(artefact).as_bytes())
    }

    /// Removes the least recently used artefacts until `more` bytes fit.
    fn make_room(&self, more: u64) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            // Another process may have removed it meanwhile.
            if let Ok(metadata) = entry.metadata() {
                kept.push((metadata.modified()?.into_std(), metadata.len(), entry.file_name()));
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, name) in kept {
            if total.saturating_add(more) <= self.max_bytes {
                break;
            }
            let _ = self.folder.remove_file(name);
            total -= bytes;
        }
        Ok(())
    }
}

fn file_name(key: &str) -> String {
    format!("{key}.cwasm")
}

fn open_nofollow(folder: &Dir, name: &str) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let options = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).clone();
    folder.open_with(name, &options).map(cap_std::fs::File::into_std)
}

/// Whether `file` is a regular file of ours, closed to others, which ends in the digest of the rest.
fn is_whole(file: &mut File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    let ours =
        metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0;
    let Some(length) = metadata.len().checked_sub(FOOTER).filter(|_| ours) else {
        return Ok(false);
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Read::by_ref(file).take(length))?;
    let mut footer = [0; FOOTER as usize];
    file.read_exact(&mut footer)?;
    Ok(hasher.finalize() == footer)
}
