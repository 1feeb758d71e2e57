//! The list of the registry, which pins names to digests as a lock file does: what each name stands for.

use std::io::{self, Write};
use std::sync::Arc;

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt};
use serde::{Deserialize, Serialize};

use super::registry::{MAX_TOOLS, check_name};
use crate::{Error, Kind, Result};

const FILE: &str = "tools.toml";

/// The most that is read of it, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// All tools, in the order in which they were added. Of several with one name the last is meant by it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    #[serde(default)]
    pub tools: Vec<Entry>,
}

/// One component or script under one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub name: String,
    pub digest: Digest,
    /// The component which interprets it, where it is a script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<Digest>,
    pub enabled: bool,
}

impl Entry {
    /// The file of the component which is called.
    pub(super) fn program_file(&self) -> String {
        self.interpreter.unwrap_or(self.digest).file("wasm")
    }

    /// The file of the script, where it is one.
    pub(super) fn script_file(&self) -> Option<String> {
        self.interpreter.map(|_| self.digest.file("script"))
    }

    /// The file which says what it offers.
    pub(super) fn description_file(&self) -> String {
        match self.interpreter {
            // Interpreters differ in what they find.
            Some(interpreter) => format!("{}-{}", self.digest.0.to_hex(), interpreter.file("json")),
            None => self.digest.file("json"),
        }
    }

    /// All its files.
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        [self.program_file(), self.description_file()]
            .into_iter()
            .chain(self.script_file())
    }
}

impl Digest {
    fn file(self, ending: &str) -> String {
        format!("{}.{ending}", self.0.to_hex())
    }
}

/// A digest as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest(pub blake3::Hash);

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digest = blake3::Hash::from_hex(&text);
        digest
            .map(Self)
            .map_err(|_| format!("{text:?} is not a digest of 64 hexadecimal digits"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.to_hex().to_string()
    }
}

/// Which state of the file was read: another file, or the same one written again, is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Version(u64, i64, i64, u64);

impl Version {
    pub(super) fn of(folder: &Dir) -> io::Result<Self> {
        match folder.symlink_metadata(FILE) {
            Ok(metadata) => Ok(Self(
                metadata.ino(),
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.len(),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}

impl Index {
    /// Reads the file; an empty index where there is none.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where it is not what was written.
    pub(super) fn read(folder: &Dir) -> Result<Self> {
        let corrupt = |why: String| {
            Error::new(
                Kind::Corrupt,
                format!("the list of tools, {FILE}, cannot be read: {why}"),
            )
        };
        match folder.symlink_metadata(FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_BYTES => {}
            Ok(_) => return Err(corrupt("it is too large, or no regular file".into())),
            Err(error) => return Err(corrupt(error.to_string())),
        }
        let text = folder
            .read_to_string(FILE)
            .map_err(|error| corrupt(error.to_string()))?;
        let index: Self = toml::from_str(&text).map_err(|error| corrupt(error.message().to_owned()))?;
        if index.tools.len() > MAX_TOOLS {
            return Err(corrupt(format!("it has more than {MAX_TOOLS} tools")));
        }
        let bad = index.tools.iter().find_map(|entry| check_name(&entry.name).err());
        bad.map_or(Ok(index), |error| Err(corrupt(error.to_string())))
    }

    /// Puts it in place of the file, at once and for good.
    pub(super) fn write(&self, folder: &Dir) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        put(folder, FILE, text.as_bytes())
    }
}

/// Puts a file in place of what is there, so that a crash leaves the one or the other.
pub(super) fn put(folder: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = format!(".new-{:016x}", rand::random::<u64>());
    let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
    let put = folder.open_with(&unfinished, &options).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        folder.rename(&unfinished, folder, name)?;
        folder.try_clone()?.into_std_file().sync_all()
    });
    if put.is_err() {
        let _ = folder.remove_file(&unfinished);
    }
    put
}

/// Keeps other processes from writing while it lives.
pub(super) struct Lock(#[expect(dead_code, reason = "held until it is dropped")] std::fs::File);

impl Lock {
    /// Waits for its turn. Blocks.
    pub(super) fn take(folder: &Arc<Dir>) -> io::Result<Self> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags.bits() as i32);
        let file = folder.open_with("lock", &options)?.into_std();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }
}
