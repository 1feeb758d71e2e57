//! Compiled programs on disk, so that a second start does not compile.
//!
//! An artefact is native code which this process will run: whoever can write one owns the host. So the folder is one of
//! the state directory, which is closed to everybody else and which no guest or client can reach, and each file ends in
//! the digest of what it should be. A file which is not what it says is compiled anew.
//!
//! Reading a large file whole takes far longer than mapping it, so that it is checked once in a boot of the machine:
//! `KEY.checked` beside it says in what state it was found whole. What a kernel has taken it keeps; a crash may leave
//! anything behind.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

const ARTEFACT: &str = ".cwasm";
const RECORD: &str = ".checked";

/// The most that is read of a record, in bytes.
const MAX_STATE: u64 = 256;

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
        let mut file = open_nofollow(&self.folder, &file_name(key), OpenOptions::new().read(true)).ok()?;
        if self.is_whole(key, &mut file).unwrap_or(false) {
            return Some(file);
        }
        tracing::warn!(artefact = key, "a compiled program is damaged; it is compiled anew");
        self.remove(key);
        None
    }

    /// Whether `file` is a regular file of ours, closed to others, which ends in the digest of the rest.
    fn is_whole(&self, key: &str, file: &mut File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        let uid = rustix::process::geteuid().as_raw();
        if !metadata.is_file() || metadata.uid() != uid || metadata.mode() & 0o022 != 0 {
            return Ok(false);
        }
        let state = state(&metadata);
        // Without a record it is only checked again.
        let mut record = self.record(key).ok();
        if let Some(record) = &record {
            // Its time of change says when the artefact was last of use, for `make_room`.
            let _ = record.set_modified(SystemTime::now());
        }
        if let (Some(record), Some(state)) = (&mut record, &state) {
            let mut checked = String::new();
            let read = Read::by_ref(record).take(MAX_STATE).read_to_string(&mut checked);
            if read.is_ok() && checked == *state {
                return Ok(true);
            }
        }
        if !ends_in_digest(file, metadata.len())? {
            return Ok(false);
        }
        if let (Some(record), Some(state)) = (&mut record, &state) {
            let _ = record.set_len(0);
            let _ = record.rewind().and_then(|()| record.write_all(state.as_bytes()));
        }
        Ok(true)
    }

    /// The file which says in what state an artefact was whole, made where there is none.
    fn record(&self, key: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        open_nofollow(&self.folder, &record_name(key), &mut options)
    }

    /// Removes what is stored under `key`.
    pub(crate) fn remove(&self, key: &str) {
        let _ = self.folder.remove_file(file_name(key));
        let _ = self.folder.remove_file(record_name(key));
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
        // When each was last of use, and what it takes, with its record.
        let mut kept: HashMap<String, (SystemTime, u64)> = HashMap::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let key = [ARTEFACT, RECORD]
                .into_iter()
                .find_map(|ending| name.strip_suffix(ending));
            let key = key.unwrap_or(&name).to_owned();
            // Another process may have removed it meanwhile.
            if let Ok(metadata) = entry.metadata() {
                let used = metadata.modified()?.into_std();
                let (latest, bytes) = kept.entry(key).or_insert((used, 0));
                *latest = used.max(*latest);
                *bytes += metadata.len();
            }
        }
        let mut total: u64 = kept.values().map(|(_, bytes)| bytes).sum();
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort_by_key(|(_, (used, _))| *used);
        for (key, (_, bytes)) in kept {
            if total.saturating_add(more) <= self.max_bytes {
                break;
            }
            self.remove(&key);
            let _ = self.folder.remove_file(key);
            total -= bytes;
        }
        Ok(())
    }
}

fn file_name(key: &str) -> String {
    format!("{key}{ARTEFACT}")
}

fn record_name(key: &str) -> String {
    format!("{key}{RECORD}")
}

/// What a file is in this boot of the machine, so that it is another when the file is changed; `None` where the boot has
/// no name.
fn state(metadata: &std::fs::Metadata) -> Option<String> {
    static BOOT: LazyLock<Option<String>> =
        LazyLock::new(|| std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok());
    let boot = BOOT.as_deref()?.trim_end();
    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    Some(format!(
        "{boot} {} {} {seconds}.{nanos:09}",
        metadata.ino(),
        metadata.len()
    ))
}

fn open_nofollow(folder: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let options = options.custom_flags(flags.bits() as i32);
    folder.open_with(name, options).map(cap_std::fs::File::into_std)
}

/// Whether a file of `length` bytes ends in the digest of the rest.
fn ends_in_digest(file: &mut File, length: u64) -> io::Result<bool> {
    let Some(length) = length.checked_sub(FOOTER) else {
        return Ok(false);
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(Read::by_ref(file).take(length))?;
    let mut footer = [0; FOOTER as usize];
    file.read_exact(&mut footer)?;
    Ok(hasher.finalize() == footer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artefacts(max_bytes: u64) -> (Artefacts, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let opened = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        (Artefacts::new(Arc::new(opened), max_bytes), folder)
    }

    #[test]
    fn what_was_checked_and_is_changed_is_checked_again() {
        let (artefacts, folder) = artefacts(1 << 20);
        artefacts.store("key", b"native code").unwrap();
        assert!(artefacts.find("key").is_some());
        let record = std::fs::read_to_string(folder.path().join("key.checked")).unwrap();
        assert!(artefacts.find("key").is_some());
        assert_eq!(
            std::fs::read_to_string(folder.path().join("key.checked")).unwrap(),
            record
        );

        let path = folder.path().join("key.cwasm");
        let (mut bytes, before) = (std::fs::read(&path).unwrap(), path.metadata().unwrap());
        bytes[0] ^= 1;
        // The kernel's times move on by ticks.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, bytes).unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(before.modified().unwrap())
            .unwrap();
        assert!(artefacts.find("key").is_none());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_record_which_says_something_else_is_no_harm() {
        let (artefacts, folder) = artefacts(1 << 20);
        artefacts.store("key", b"native code").unwrap();
        for record in [&b""[..], b"\xff", &[b'1'; 1000]] {
            std::fs::write(folder.path().join("key.checked"), record).unwrap();
            assert!(artefacts.find("key").is_some());
        }
        std::fs::remove_file(folder.path().join("key.checked")).unwrap();
        std::fs::create_dir(folder.path().join("key.checked")).unwrap();
        assert!(artefacts.find("key").is_some());
    }

    #[test]
    fn the_least_recently_used_makes_room_with_its_record() {
        let (artefacts, folder) = artefacts(500);
        for key in ["a", "b"] {
            artefacts.store(key, &[0; 100]).unwrap();
            assert!(artefacts.find(key).is_some());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(artefacts.find("a").is_some());
        artefacts.store("c", &[0; 200]).unwrap();
        let mut names: Vec<_> = folder
            .path()
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a.checked", "a.cwasm", "c.cwasm"]);
    }
}
