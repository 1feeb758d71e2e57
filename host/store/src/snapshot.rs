//! What a snapshot is.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::tree::{Root, Time};
use crate::{Digest, Error, Kind, Result};

/// The longest name of a snapshot, in bytes.
pub const NAME_MAX: usize = 128;

/// The longest description, in bytes.
pub const DESCRIPTION_MAX: usize = 4096;

/// How many labels a snapshot may have.
pub const LABELS_MAX: usize = 64;

/// The most bytes of all labels of a snapshot together.
pub const LABEL_BYTES_MAX: usize = 4096;

/// A snapshot: 64 digits of 0-9 and a-f, unique among all for all practical purposes.
///
/// It is the digest of what can never change about the snapshot, the files in it included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SnapshotId(Digest);

/// One state of a directory, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    #[expect(missing_docs, reason = "says it")]
    pub id: SnapshotId,
    /// Whose directory it is.
    pub owner: String,
    /// The names which lead to it now.
    pub names: Vec<String>,
    #[expect(missing_docs, reason = "says it")]
    pub description: String,
    #[expect(missing_docs, reason = "says it")]
    pub labels: BTreeMap<String, String>,
    /// What the directory was before it became this: the latest snapshot, or the one that it went back to. It may be
    /// gone by now.
    pub parent: Option<SnapshotId>,
    /// When it was taken.
    pub taken: SystemTime,
    /// Names of files, directories and links in it.
    pub files: u64,
    /// Bytes of its files. What is stored is less: it is compressed, and shared with other snapshots.
    pub bytes: u64,
    /// What differs from the parent; from nothing where there is none.
    pub changes: Changes,
    /// Sockets, pipes, devices and mount points, which no snapshot holds; as of when all of the directory was last looked
    /// at.
    pub skipped: u64,
    /// Whether neither deletion nor expiry removes it before it is unpinned; forgetting its owner does.
    pub pinned: bool,
}

/// How many names differ between two states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Changes {
    #[expect(missing_docs, reason = "says it")]
    pub added: u64,
    /// Other content, mode or time, or another kind of thing.
    pub changed: u64,
    #[expect(missing_docs, reason = "says it")]
    pub removed: u64,
}

/// What is said of a snapshot by whoever takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// A name which leads to it from now on; no other snapshot of the owner may have it.
    pub name: Option<String>,
    #[expect(missing_docs, reason = "says it")]
    pub description: String,
    #[expect(missing_docs, reason = "says it")]
    pub labels: BTreeMap<String, String>,
    /// Whether neither deletion nor expiry removes it before it is unpinned; forgetting its owner does.
    pub pinned: bool,
}

/// What is stored of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub fixed: Fixed,
    pub description: String,
    pub labels: BTreeMap<String, String>,
    pub pinned: bool,
}

/// What never changes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fixed {
    pub owner: String,
    pub parent: Option<SnapshotId>,
    pub taken: Time,
    pub root: Root,
    pub changes: Changes,
    pub skipped: u64,
    /// Of two which are alike to the nanosecond.
    pub nonce: u64,
}

impl Details {
    pub(crate) fn check(&self) -> Result<()> {
        self.name.iter().try_for_each(|name| check_name(name))?;
        let refuse = |message| Err(Error::new(Kind::InvalidInput, message));
        if self.description.len() > DESCRIPTION_MAX {
            let length = self.description.len();
            return refuse(format!(
                "a description of {length} bytes: it may have {DESCRIPTION_MAX}"
            ));
        }
        let bytes: usize = self.labels.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.labels.len() > LABELS_MAX || bytes > LABEL_BYTES_MAX {
            let count = self.labels.len();
            return refuse(format!(
                "{count} labels of {bytes} bytes: there may be {LABELS_MAX}, of {LABEL_BYTES_MAX} bytes together"
            ));
        }
        Ok(())
    }
}

impl Record {
    pub(crate) fn id(&self) -> Result<SnapshotId> {
        Ok(SnapshotId(Digest::of(&encode(&self.fixed)?)))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let decoded = postcard::from_bytes(bytes);
        decoded.map_err(|error| Error::new(Kind::Corrupt, format!("cannot decode a snapshot: {error}")))
    }

    pub(crate) fn told(self, id: SnapshotId, names: Vec<String>) -> Snapshot {
        Snapshot {
            id,
            names,
            description: self.description,
            labels: self.labels,
            parent: self.fixed.parent,
            taken: self.fixed.taken.into(),
            files: self.fixed.root.totals.names,
            bytes: self.fixed.root.totals.bytes,
            changes: self.fixed.changes,
            skipped: self.fixed.skipped,
            owner: self.fixed.owner,
            pinned: self.pinned,
        }
    }
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    let encoded = postcard::to_stdvec(value);
    encoded.map_err(|error| Error::new(Kind::InvalidInput, format!("cannot encode a snapshot: {error}")))
}

/// Refuses what cannot be the name of a snapshot: names have 1 to [`NAME_MAX`] letters, digits, `-`, `_` and `.`,
/// and are none that an id can be.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(allowed) && name.parse::<SnapshotId>().is_err() {
        return Ok(());
    }
    let shown: String = name.chars().take(NAME_MAX).collect();
    let message = format!(
        "{shown:?} cannot be the name of a snapshot: it has 1 to {NAME_MAX} letters, digits, `-`, `_` and `.`, and \
         is no id"
    );
    Err(Error::new(Kind::InvalidInput, message))
}

impl SnapshotId {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Digest::from_bytes(bytes.try_into().ok()?)))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotId({self})")
    }
}

impl FromStr for SnapshotId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let shown: String = text.chars().take(70).collect();
        let message = format!("{shown:?} is not the id of a snapshot: it has 64 digits of 0-9 and a-f");
        let digest = text.parse().map_err(|_| Error::new(Kind::InvalidInput, message))?;
        Ok(Self(digest))
    }
}

impl From<SystemTime> for Time {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> Self {
        let seconds = u64::try_from(time.seconds).unwrap_or_default();
        // Nanoseconds from a disk may be more than a second.
        let since = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(time.nanoseconds.into()));
        SystemTime::UNIX_EPOCH
            .checked_add(since)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
