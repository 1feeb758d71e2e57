use std::fmt;

use serde::{Deserialize, Serialize};

/// What may be done below a mount; the larger one includes the smaller. Written `read-only` or `read-write`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Files and directories may be listed and read. The default.
    #[default]
    ReadOnly,
    /// They may also be made, changed, renamed and removed.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}
