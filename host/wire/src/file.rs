//! The files of a sandbox.

use serde::{Deserialize, Serialize};

/// Which file or directory is meant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct At {
    /// Its absolute path in the sandbox.
    pub path: String,
}

/// Where a file is put.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// Its absolute path in the sandbox.
    pub path: String,
    /// Whether the directories above it are made where they are missing.
    #[serde(default)]
    pub parents: bool,
}

/// Which names are listed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ListRequest {
    /// The absolute path of the directory.
    pub path: String,
    /// How many at most: 1 to 1,000, 100 where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only those whose name comes after this one, by the bytes of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What kind of thing a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A pipe, a socket or a device.
    #[serde(other)]
    Other,
}

/// The attributes of a file, a directory or a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FileBody {
    /// `file`, `directory`, `symlink` or `other`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub kind: FileKind,
    /// Of its content.
    pub size_bytes: u64,
    /// When its content last changed, in RFC 3339.
    #[cfg_attr(feature = "schema", schema(format = DateTime))]
    pub modified: String,
    /// The permission bits: 420 is 0o644.
    pub mode: u32,
    /// How many names it has.
    pub links: u64,
}

/// Some of the names in a directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FilePage {
    /// In the order of their bytes.
    pub entries: Vec<NameBody>,
    /// What to give as `after` for those which follow; `null` where none do.
    pub next: Option<String>,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NameBody {
    /// Without what is above it.
    pub name: String,
    /// `file`, `directory`, `symlink` or `other`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub kind: FileKind,
    /// Of a file which is still there.
    pub size_bytes: Option<u64>,
}

/// A directory to make.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DirectoryRequest {
    /// Its absolute path in the sandbox.
    pub path: String,
}

/// Where to move a file or a directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    /// The absolute path which it has.
    pub from: String,
    /// The one which it is to have.
    pub to: String,
}
