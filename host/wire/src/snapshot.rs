//! Snapshots of a sandbox's files, and going back to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Named;

/// When it is answered that something was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Once it is on the disk: no crash of the machine undoes it.
    #[default]
    Synced,
    /// Once it is written; it is on the disk some tens of milliseconds later.
    Soon,
}

/// A snapshot as somebody asks for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SnapshotRequest {
    /// A name which leads to it from now on: 1 to 128 letters, digits, `-`, `_` and `.`. No other snapshot of the sandbox
    /// may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 4 KiB.
    #[serde(default)]
    pub description: String,
    /// What is written on it, by name: at most 64.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, String>))]
    #[serde(default)]
    pub labels: Named<String>,
    /// Whether neither deletion nor expiry removes it before it is unpinned.
    #[serde(default)]
    pub pinned: bool,
    /// When it is answered: `synced` where it is left out.
    #[serde(default)]
    pub durability: Durability,
}

/// What is to be changed of a snapshot. What is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SnapshotChange {
    /// At most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels which are put in place; `null` removes one.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, Option<String>>))]
    #[serde(default)]
    pub labels: Named<Option<String>>,
    /// Whether neither deletion nor expiry removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// A snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SnapshotBody {
    /// 64 digits of 0-9 and a-f.
    pub id: String,
    /// The names which lead to it.
    pub names: Vec<String>,
    #[expect(missing_docs, reason = "says it")]
    pub description: String,
    /// What is written on it.
    pub labels: BTreeMap<String, String>,
    /// The id of what the files were before: the latest snapshot then, or the one which they had gone back to. It may be
    /// gone by now.
    pub parent: Option<String>,
    /// In RFC 3339.
    #[cfg_attr(feature = "schema", schema(format = DateTime))]
    pub taken_at: String,
    /// Names of files, directories and links in it.
    pub files: u64,
    /// Bytes of its files. What is stored is less.
    pub bytes: u64,
    /// Names which its parent does not have.
    pub added: u64,
    /// Names with other content, mode or time than in its parent.
    pub changed: u64,
    /// Names which its parent has alone.
    pub removed: u64,
    /// Sockets, pipes, devices and mount points, which no snapshot holds; as of when all files were last looked at.
    pub skipped: u64,
    /// Whether neither deletion nor expiry removes it before it is unpinned. It goes with its sandbox all the same.
    pub pinned: bool,
}

/// Some of the snapshots of a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SnapshotPage {
    /// The latest first.
    pub snapshots: Vec<SnapshotBody>,
    /// What to give as `after` for those which are older; `null` where none are.
    pub next: Option<String>,
}

/// Which snapshots are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SnapshotPageRequest {
    /// How many at most: 1 to 1,000, 100 where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only those which are older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// Where a name is to lead.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NameTarget {
    /// A snapshot: its id, the first six digits of it or more, or another name.
    pub snapshot: String,
}

/// What a snapshot is compared with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DiffRequest {
    /// A snapshot before it, by id or name; its parent where this is left out, and where there is none, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How many differences at most: 1 to 1,000, 1,000 where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Of this file, the lines which differ: as `text`, in the unified form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// What differs between two states of a sandbox's files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DiffBody {
    /// In the order of paths, a directory before what is in it. Of a directory on one side only, all that is below it.
    pub differences: Vec<DifferenceBody>,
    /// Whether there are more.
    pub truncated: bool,
    /// The lines of one file which differ, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One name which differs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DifferenceBody {
    /// From the top of the sandbox's own files, as `/notes/today.txt`. Bytes which are no UTF-8 are U+FFFD.
    pub path: String,
    /// `added`, `removed`, `replaced` by another kind of thing, `content` or, where only mode and time differ, `metadata`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub kind: DifferenceKind,
    /// Bytes before; `null` where it was not there.
    pub size_before: Option<u64>,
    /// Bytes after; `null` where it is gone.
    pub size_after: Option<u64>,
}

/// How a name differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say it")]
pub enum DifferenceKind {
    Added,
    Removed,
    Replaced,
    Content,
    Metadata,
    /// One which this version does not know.
    #[serde(other)]
    Unknown,
}

/// Where a sandbox's files are to go back to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// A snapshot: its id, the first six digits of it or more, or a name.
    pub to: String,
    /// What goes back, each with all that is below it, as `/src`; everything where there are none.
    #[serde(default)]
    pub paths: Vec<String>,
    /// What stays as it is all the same, each with all that is below it, as `/var/log`.
    #[serde(default)]
    pub keep: Vec<String>,
    /// When it is answered: `synced` where it is left out.
    #[serde(default)]
    pub durability: Durability,
}

/// What a rollback did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RollbackBody {
    /// The snapshot which it went back to.
    pub to: String,
    /// The files as they were before, which a snapshot was taken of. Going back to it undoes the rollback.
    pub before: SnapshotBody,
    /// What differs between before and now.
    pub undone: DiffBody,
    /// What changed in mounted directories since the snapshot was taken, and was not undone: a thousand paths at most.
    pub outside: Vec<String>,
    /// Whether there is more of that.
    pub outside_truncated: bool,
    /// Milliseconds that it took, the end of processes included.
    pub elapsed_ms: f64,
}

/// What a verification found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VerificationBody {
    /// Pieces of content which were read, and are what they were.
    pub blobs: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Paths which cannot be read, of a directory with all below it: a thousand at most.
    pub damaged: Vec<String>,
}

/// Which snapshots of a sandbox stay: any of these keeps one. One with a name or a pin stays always, and so does the one
/// at which the files stand.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpireRequest {
    /// So many of the latest.
    #[serde(default)]
    pub last: u32,
    /// Those which are no older than so many seconds.
    #[serde(default)]
    pub within_seconds: u64,
    /// Those with any of these labels.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, String>))]
    #[serde(default)]
    pub labels: Named<String>,
}

/// The ids of snapshots which were deleted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExpiredBody {
    #[expect(missing_docs, reason = "says it")]
    pub deleted: Vec<String>,
}

/// What a collection gave back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CollectionBody {
    /// Files which are gone.
    pub packs: u64,
    /// Bytes which are free now.
    pub freed_bytes: u64,
    /// Bytes which were moved for that.
    pub moved_bytes: u64,
    /// Files which stayed since they are damaged.
    pub damaged: u64,
}

/// What a scrub found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScrubBody {
    /// Bytes which were read.
    pub bytes: u64,
    /// Places which are damaged.
    pub damaged: u64,
    /// Bytes in those.
    pub damaged_bytes: u64,
    /// The snapshots which need any of that.
    pub snapshots: Vec<TouchedSnapshot>,
}

/// A snapshot of a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct TouchedSnapshot {
    pub sandbox: String,
    pub snapshot: String,
}
