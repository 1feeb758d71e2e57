//! All of a directory, as a plain map, and what going back makes of one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use palisade_store::Digest;
use serde::{Deserialize, Serialize};

/// By path. The directory itself has the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image(BTreeMap<String, Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    mode: u32,
    seconds: i64,
    nanoseconds: i64,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Directory,
    Symlink(String),
    File {
        length: u64,
        digest: String,
        /// The first of its names, if it has several.
        link: Option<String>,
    },
}

/// Why no directory can go back like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InTheWay;

impl Image {
    /// Reads all of a directory in the plainest way.
    pub(crate) fn of(top: &Path) -> Self {
        let mut entries = BTreeMap::new();
        let mut inodes: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(path) = left.pop() {
            let at = top.join(&path);
            let found = at.symlink_metadata().unwrap();
            let name = path.to_str().unwrap().to_owned();
            let what = if found.is_dir() {
                let names = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name());
                left.extend(names.map(|below| path.join(below)));
                What::Directory
            } else if found.is_symlink() {
                What::Symlink(fs::read_link(&at).unwrap().to_str().unwrap().to_owned())
            } else {
                if found.nlink() > 1 {
                    inodes.entry(found.ino()).or_default().push(name.clone());
                }
                let content = fs::read(&at).unwrap();
                What::File {
                    length: content.len() as u64,
                    digest: Digest::of(&content).to_string(),
                    link: None,
                }
            };
            let entry = Entry {
                mode: found.mode() & 0o7777,
                seconds: found.mtime(),
                nanoseconds: found.mtime_nsec(),
                what,
            };
            entries.insert(name, entry);
        }
        for names in inodes.into_values() {
            let first = names.iter().min().unwrap().clone();
            for name in names {
                if let What::File { link, .. } = &mut entries.get_mut(&name).unwrap().what {
                    *link = Some(first.clone());
                }
            }
        }
        Self(entries)
    }

    /// Names below the directory.
    pub(crate) fn names(&self) -> u64 {
        self.0.len() as u64 - 1
    }

    /// Bytes of files, one with several names counting for each.
    pub(crate) fn bytes(&self) -> u64 {
        let length = |entry: &Entry| match entry.what {
            What::File { length, .. } => length,
            What::Directory | What::Symlink(_) => 0,
        };
        self.0.values().map(length).sum()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.0.keys().filter(|path| !path.is_empty()).cloned().collect()
    }

    /// Whether any file has several names.
    pub(crate) fn has_links(&self) -> bool {
        let linked = |entry: &Entry| matches!(&entry.what, What::File { link: Some(_), .. });
        self.0.values().any(linked)
    }

    /// What it is to be when it goes back to `target` for `paths`, or all of it for none, but not for what is in `keep`.
    pub(crate) fn gone_back(&self, target: &Self, paths: &[String], keep: &[String]) -> Result<Self, InTheWay> {
        let back = match paths.is_empty() {
            true => target.clone(),
            false => self.with(target, paths)?,
        };
        back.with(self, keep)
    }

    /// This, but with what `other` has at `paths` and below them.
    fn with(&self, other: &Self, paths: &[String]) -> Result<Self, InTheWay> {
        let mut result = self.clone();
        for path in paths {
            let wanted = other.0.contains_key(path);
            let above = path.match_indices('/').map(|(end, _)| &path[..end]);
            for directory in above.take_while(|_| wanted) {
                match result.0.get(directory).map(|entry| &entry.what) {
                    Some(What::Directory) => {}
                    Some(What::File { .. } | What::Symlink(_)) => return Err(InTheWay),
                    None => _ = result.0.insert(directory.to_owned(), other.0[directory].clone()),
                }
            }
            let below = |found: &str| found == path || found.starts_with(&format!("{path}/"));
            result.0.retain(|found, _| !below(found));
            let theirs = other.0.iter().filter(|(found, _)| below(found));
            result
                .0
                .extend(theirs.map(|(found, entry)| (found.clone(), entry.clone())));
        }
        Ok(result)
    }

    /// Fails with what is different.
    #[track_caller]
    pub(crate) fn assert_is(&self, expected: &Self, what: &str) {
        let different = |path: &&String| self.0.get(*path) != expected.0.get(*path);
        let all: BTreeMap<&String, ()> = self.0.keys().chain(expected.0.keys()).map(|path| (path, ())).collect();
        let told: Vec<_> = all
            .into_keys()
            .filter(different)
            .map(|path| format!("{path:?}: {:?}, not {:?}", self.0.get(path), expected.0.get(path)))
            .collect();
        assert!(told.is_empty(), "{what}: {}", told.join("\n"));
    }
}
