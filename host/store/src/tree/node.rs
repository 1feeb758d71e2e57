//! What a tree of files looks like in a store: one node for each directory, named by its digest.
//!
//! A node names those below it, so that a change writes the nodes above it and no others, and two trees are compared
//! by looking only at what differs.

use serde::{Deserialize, Serialize};

use crate::{Digest, Error, Kind, Result};

/// Where content is put and found by its digest.
pub(crate) trait Blobs: Sync {
    /// Keeps `content`, unless it is kept already.
    fn put(&self, content: &[u8]) -> Result<Digest>;

    /// The content of that digest, which was verified.
    fn get(&self, digest: &Digest) -> Result<Vec<u8>>;
}

/// One directory: what is in it, by name, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub entries: Vec<Entry>,
}

/// A name in a directory, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Neither empty, `.` nor `..`, and without `/` and NUL. Mostly UTF-8.
    pub name: Vec<u8>,
    pub meta: Meta,
    pub body: Body,
}

/// What is kept of an inode beside its content. Owners and the time of the last reading are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// The permission bits, `0o7777` of them.
    pub mode: u32,
    pub modified: Time,
}

/// Seconds since 1970, before it when negative, and nanoseconds of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Body {
    File(File),
    Directory {
        node: Digest,
        /// What is below it: names, and bytes of files (one with several names counts for each).
        totals: Totals,
    },
    Symlink {
        target: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    pub size: u64,
    pub content: Content,
    /// Whether it had holes; it gets holes wherever it is zero, then.
    pub sparse: bool,
    /// The number which it shares with its other names in the tree; `None` where it has one name.
    pub link: Option<u64>,
}

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    Empty,
    /// All of it in one blob, up to [`WHOLE_MAX`].
    Whole(Digest),
    /// A blob with the encoded [`Chunks`].
    Chunked(Digest),
}

/// The pieces of a large file: each [`CHUNK`] bytes, but for the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chunks {
    /// A chunk, and how many times in a row it is repeated.
    pub runs: Vec<(Digest, u64)>,
}

/// Names and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub names: u64,
    pub bytes: u64,
}

/// The largest file which is one blob.
pub(crate) const WHOLE_MAX: u64 = 64 << 10;

/// What larger files are cut into.
pub(crate) const CHUNK: usize = 128 << 10;

/// The tree of a whole directory: its node, and what is kept of the directory itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pub node: Digest,
    pub meta: Meta,
    pub totals: Totals,
}

impl Node {
    /// Its bytes, of which the digest is its name. Entries must be sorted.
    pub(crate) fn put(&self, blobs: &impl Blobs) -> Result<Digest> {
        blobs.put(&encode(self)?)
    }

    /// That of `digest`. It is corrupt unless every name and number in it can be one of a file system.
    pub(crate) fn get(blobs: &impl Blobs, digest: &Digest) -> Result<Self> {
        let node: Self = decode(&blobs.get(digest)?, digest)?;
        let ascending = node.entries.windows(2).all(|pair| pair[0].name < pair[1].name);
        if ascending && node.entries.iter().all(Entry::is_possible) {
            Ok(node)
        } else {
            Err(Error::new(
                Kind::Corrupt,
                format!("blob {digest} is no node which a store has written"),
            ))
        }
    }

    /// What is in it and below it.
    pub(crate) fn totals(&self) -> Totals {
        self.entries.iter().fold(Totals::default(), |sum, entry| {
            let (names, bytes) = match &entry.body {
                Body::File(file) => (0, file.size),
                Body::Directory { totals, .. } => (totals.names, totals.bytes),
                Body::Symlink { .. } => (0, 0),
            };
            Totals {
                names: sum.names.saturating_add(1).saturating_add(names),
                bytes: sum.bytes.saturating_add(bytes),
            }
        })
    }
}

impl Entry {
    fn is_possible(&self) -> bool {
        let name = self.name.as_slice();
        let named = !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
        let target = match &self.body {
            Body::Symlink { target } => !target.is_empty() && !target.contains(&0),
            Body::File(_) | Body::Directory { .. } => true,
        };
        named && target && self.meta.mode <= 0o7777 && self.meta.modified.nanoseconds < 1_000_000_000
    }
}

impl Chunks {
    pub(crate) fn put(&self, blobs: &impl Blobs) -> Result<Digest> {
        blobs.put(&encode(self)?)
    }

    pub(crate) fn get(blobs: &impl Blobs, digest: &Digest) -> Result<Self> {
        decode(&blobs.get(digest)?, digest)
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(|error| Error::new(Kind::InvalidInput, format!("cannot encode: {error}")))
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], digest: &Digest) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|error| {
        Error::new(
            Kind::Corrupt,
            format!("blob {digest} is not what it is used as: {error}"),
        )
    })
}
