//! The files of the keys. They are reached from a handle of their folder.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, OpenOptions, OpenOptionsExt};
use jiff::Timestamp;
use palisade::{Error, Kind, Result};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::KeyId;
use crate::Role;

/// The largest file that is read.
const MAX_FILE: u64 = 4 * 1024;
const LOCAL: &str = "local";
/// How anything is opened: a link is not followed, and a pipe keeps nobody waiting.
const OPEN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);
/// Damaged files that the log is told of.
const MAX_WARNED: usize = 1_000;

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    pub role: Role,
    pub created: Timestamp,
    /// Whether it is the local key, whose text is in a file beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Of the secret.
    #[serde(with = "hexadecimal")]
    pub digest: blake3::Hash,
}

/// A digest as its digits.
mod hexadecimal {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(digest: &blake3::Hash, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&digest.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<blake3::Hash, D::Error> {
        blake3::Hash::from_hex(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// `STATE/keys`.
pub(super) struct Files {
    path: PathBuf,
    folder: Dir,
    /// What the log was told of already.
    warned: Mutex<HashSet<OsString>>,
}

impl Files {
    pub(super) fn open(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join("keys");
        let folder = open_folder(state_dir).map_err(|error| failed(&path, error))?;
        Ok(Self {
            path,
            folder,
            warned: Mutex::default(),
        })
    }

    /// All keys. A damaged file is told in the log, and is none.
    pub(super) fn read(&self) -> Result<HashMap<KeyId, KeyFile>> {
        let mut keys = HashMap::new();
        let entries = self.folder.entries().map_err(|error| failed(&self.path, error))?;
        for entry in entries {
            let name = entry.map_err(|error| failed(&self.path, error))?.file_name();
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".toml")) else {
                continue;
            };
            match self.read_key(stem) {
                Ok(Some((id, file))) => drop(keys.insert(id, file)),
                Ok(None) => {}
                Err(why) => self.warn(name, &why),
            }
        }
        Ok(keys)
    }

    /// Once for each file: all are read again and again.
    fn warn(&self, name: OsString, why: &str) {
        let path = self.path.join(&name);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNED && warned.insert(name) {
            tracing::warn!(file = %path.display(), why, "this is no key");
        }
    }

    /// `None` where it has been removed meanwhile.
    fn read_key(&self, stem: &str) -> Result<Option<(KeyId, KeyFile)>, String> {
        let id = stem.parse().map_err(|_| "its name is not the id of a key".to_owned())?;
        let Some(text) = self.text(&format!("{stem}.toml")).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        // What the parser says of it could repeat what is in it.
        let file = toml::from_str(&text).map_err(|_| "it is damaged".to_owned())?;
        Ok(Some((id, file)))
    }

    pub(super) fn write(&self, id: KeyId, key: &KeyFile) -> Result<()> {
        let text = toml::to_string(key).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        self.put(&format!("{id}.toml"), &text)
    }

    pub(super) fn remove(&self, id: KeyId) -> Result<()> {
        let name = format!("{id}.toml");
        self.folder.remove_file(&name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("no key {id}")),
            _ => failed(&self.path.join(name), error),
        })
    }

    pub(super) fn local_path(&self) -> PathBuf {
        self.path.join(LOCAL)
    }

    pub(super) fn read_local(&self) -> Result<Option<String>> {
        self.text(LOCAL).map_err(|error| failed(&self.local_path(), error))
    }

    pub(super) fn write_local(&self, text: &str) -> Result<()> {
        self.put(LOCAL, &format!("{text}\n"))
    }

    /// Keeps other processes from changing keys while it lives. Waits for its turn.
    pub(super) fn lock(&self) -> Result<File> {
        let lock = || {
            let mut options = OpenOptions::new();
            let file = open(&self.folder, "lock", options.write(true).create(true).mode(0o600))?;
            file.lock().map(|()| file)
        };
        lock().map_err(|error| failed(&self.path.join("lock"), error))
    }

    /// Writes a whole file, in place of what was there.
    fn put(&self, name: &str, text: &str) -> Result<()> {
        let unfinished = format!(".new-{:016x}", rand::random::<u64>());
        let write = || {
            let mut options = OpenOptions::new();
            let options = options.write(true).create_new(true).mode(0o600);
            let mut file = open(&self.folder, &unfinished, options)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            self.folder.rename(&unfinished, &self.folder, name)
        };
        write().map_err(|error| {
            let _ = self.folder.remove_file(&unfinished);
            failed(&self.path.join(name), error)
        })
    }

    fn text(&self, name: &str) -> io::Result<Option<String>> {
        let file = match open(&self.folder, name, OpenOptions::new().read(true)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut text = String::new();
        file.take(MAX_FILE).read_to_string(&mut text)?;
        Ok(Some(text))
    }
}

fn open(folder: &Dir, name: &str, options: &mut OpenOptions) -> io::Result<File> {
    let flags = options.custom_flags(OPEN.bits() as i32);
    Ok(folder.open_with(name, flags)?.into_std())
}

fn open_folder(state_dir: &Path) -> io::Result<Dir> {
    let state = Dir::open_ambient_dir(state_dir, ambient_authority())?;
    match state.create_dir_with("keys", DirBuilder::new().mode(0o700)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = open(&state, "keys", OpenOptions::new().read(true))?;
    match folder.metadata()?.is_dir() {
        true => Ok(Dir::from_std_file(folder)),
        false => Err(io::Error::other("it is not a directory")),
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Unavailable, format!("cannot use {path:?}: {error}")).with_source(error)
}
