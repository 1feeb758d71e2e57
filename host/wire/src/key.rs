//! Keys: who may ask.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a key is good for; a later one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks at everything and changes nothing.
    Reader,
    /// Makes sandboxes, runs programs in them and calls tools.
    Operator,
    /// Changes tools and keys too.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text which is no role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRole;

impl fmt::Display for InvalidRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a role is `reader`, `operator` or `admin`")
    }
}

impl std::error::Error for InvalidRole {}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or(InvalidRole)
    }
}

/// A key to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What it is good for.
    pub role: Role,
}

/// A key which was made. Its text is told here and nowhere else.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewKeyBody {
    /// The part of its text which is no secret.
    pub id: String,
    /// What it is good for.
    pub role: Role,
    /// Its text, a secret.
    pub key: String,
}

impl fmt::Debug for NewKeyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeyBody")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// The keys, without their secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyList {
    /// In the order of their ids.
    pub keys: Vec<KeyBody>,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyBody {
    /// The part of its text which is no secret.
    pub id: String,
    /// What it is good for.
    pub role: Role,
    /// When it was made, in RFC 3339.
    pub created: String,
    /// Whether it is the key of the server's own machine, which nobody made.
    pub local: bool,
}

/// What a server is, and who asks it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AboutBody {
    /// That of palisade.
    pub version: String,
    /// The id of the key of this request.
    pub key: String,
    /// What the key is good for.
    pub role: Role,
}
