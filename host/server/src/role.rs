//! What keys are good for.

use std::fmt;
use std::str::FromStr;

use palisade::Kind;
use serde::{Deserialize, Serialize};

/// What a key is good for; a later one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Looks at everything and changes nothing.
    Reader,
    /// Makes sandboxes, runs programs in them and calls tools.
    Operator,
    /// Changes tools too.
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

impl FromStr for Role {
    type Err = palisade::Error;

    fn from_str(text: &str) -> palisade::Result<Self> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| palisade::Error::new(Kind::InvalidInput, "a role is `reader`, `operator` or `admin`"))
    }
}
