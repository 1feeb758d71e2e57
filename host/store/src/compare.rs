//! What differs between two snapshots, and what is in one.

use std::time::SystemTime;

use crate::tree::{self, Blobs, Body, Chunks, Content, Entry, Node, Root};
use crate::{Error, Kind, Result, SnapshotId, Store};

/// A path, and what it stood for and stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Names with `/` between them; empty for the directory itself. Mostly UTF-8.
    pub path: Vec<u8>,
    #[expect(missing_docs, reason = "says it")]
    pub kind: DifferenceKind,
    /// `None` where it was added.
    pub before: Option<Item>,
    /// `None` where it was removed.
    pub after: Option<Item>,
}

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    #[expect(missing_docs, reason = "says it")]
    Added,
    #[expect(missing_docs, reason = "says it")]
    Removed,
    /// It is another kind of thing now.
    Replaced,
    /// The bytes of a file or the target of a link, and maybe the mode and the time.
    Content,
    /// The mode or the time, or whether a file has holes or other names.
    Metadata,
}

/// What is said of a name in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    #[expect(missing_docs, reason = "says it")]
    pub kind: ItemKind,
    /// Bytes of a file, or of all files in a directory.
    pub size: u64,
    /// The permission bits, `0o7777` of them.
    pub mode: u32,
    /// When it was changed last.
    pub modified: SystemTime,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ItemKind {
    File,
    Directory,
    Symlink,
}

/// Differences, and whether there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// In the order of paths: a directory before what is in it.
    pub differences: Vec<Difference>,
    /// Whether there are more than were asked for.
    pub truncated: Truncated,
}

/// Whether a list has all that there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Truncated {
    #[default]
    No,
    Yes,
}

impl Store {
    /// What differs between two snapshots of an owner, or from an empty directory: the first `limit` of it.
    ///
    /// A directory on one side only comes with all that is below it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a snapshot; [`Kind::Corrupt`] where one cannot be read.
    pub fn compare(
        &self,
        owner: &str,
        before: Option<SnapshotId>,
        after: SnapshotId,
        limit: usize,
    ) -> Result<Comparison> {
        let _lease = self.log.lease();
        let after = self.record(owner, after)?.fixed.root;
        let before = match before {
            Some(before) => self.record(owner, before)?.fixed.root,
            None => Root {
                node: Node::default().put(&self.log)?,
                ..after
            },
        };
        self.compare_roots(&before, &after, limit)
    }

    pub(crate) fn compare_roots(&self, before: &Root, after: &Root, limit: usize) -> Result<Comparison> {
        let mut compared = Comparison::default();
        for change in tree::diff(before, after, &self.log) {
            if compared.differences.len() == limit {
                compared.truncated = Truncated::Yes;
                break;
            }
            let change = change?;
            compared.differences.push(Difference {
                kind: change.kind().into(),
                before: change.before.as_ref().map(Item::of),
                after: change.after.as_ref().map(Item::of),
                path: change.path,
            });
        }
        Ok(compared)
    }

    /// The first `limit` bytes of a file in a snapshot.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such file; [`Kind::Corrupt`] where it cannot be read.
    pub fn read(&self, owner: &str, id: SnapshotId, path: &[u8], limit: usize) -> Result<Vec<u8>> {
        let _lease = self.log.lease();
        let missing = || {
            let message = format!("snapshot {id} has no file {}", path.escape_ascii());
            Error::new(Kind::NotFound, message)
        };
        let mut node = self.record(owner, id)?.fixed.root.node;
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            let entries = Node::get(&self.log, &node)?.entries;
            let found = entries.into_iter().find(|entry| entry.name == name);
            match found.ok_or_else(missing)?.body {
                Body::Directory { node: below, .. } => node = below,
                Body::File(file) if names.peek().is_none() => return self.read_content(&file.content, limit),
                Body::File(_) | Body::Symlink { .. } => break,
            }
        }
        Err(missing())
    }

    fn read_content(&self, content: &Content, limit: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match content {
            Content::Empty => {}
            Content::Whole(digest) => bytes = self.log.get(digest)?,
            Content::Chunked(list) => {
                for (digest, count) in Chunks::get(&self.log, list)?.runs {
                    let chunk = self.log.get(&digest)?;
                    let mut left = count;
                    while left > 0 && bytes.len() < limit {
                        bytes.extend_from_slice(&chunk);
                        left -= 1;
                    }
                    if bytes.len() >= limit {
                        break;
                    }
                }
            }
        }
        bytes.truncate(limit);
        Ok(bytes)
    }
}

impl Item {
    fn of(entry: &Entry) -> Self {
        let (kind, size) = match &entry.body {
            Body::File(file) => (ItemKind::File, file.size),
            Body::Directory { totals, .. } => (ItemKind::Directory, totals.bytes),
            Body::Symlink { target } => (ItemKind::Symlink, target.len() as u64),
        };
        Self {
            kind,
            size,
            mode: entry.meta.mode,
            modified: entry.meta.modified.into(),
        }
    }
}

impl From<tree::ChangeKind> for DifferenceKind {
    fn from(kind: tree::ChangeKind) -> Self {
        match kind {
            tree::ChangeKind::Added => Self::Added,
            tree::ChangeKind::Removed => Self::Removed,
            tree::ChangeKind::Replaced => Self::Replaced,
            tree::ChangeKind::Content => Self::Content,
            tree::ChangeKind::Metadata => Self::Metadata,
        }
    }
}
