use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Access, Denial, GuestPath, LimitsRequest, Problem};

/// What a caller asks for one sandbox. The default asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// Directories of the host; each at a place of its own.
    pub mounts: Vec<MountRequest>,
    /// Environment variables by name.
    pub env: BTreeMap<String, String>,
    /// Limits that differ from the policy's defaults.
    pub limits: LimitsRequest,
}

/// A directory of the host which a guest is to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountRequest {
    /// The directory: absolute and canonical. The caller resolves symbolic links before it asks, and opens the same
    /// path afterwards; a path which is relative or has `..` is refused.
    pub host: PathBuf,
    /// Where the guest sees it.
    pub guest: GuestPath,
    /// What the guest may do there.
    pub access: Access,
}

/// Why a request gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It makes no sense, whatever the policy: a relative host path, two mounts at one place, a variable without a
    /// name, a limit of zero. All its problems are here; what the policy says about the rest is not.
    #[error("the request is not valid: {}", joined(.0))]
    Invalid(Vec<Problem>),
    /// The policy does not allow it. Every denial is here, so that granting all of them is enough.
    #[error("{}", joined(.0))]
    Denied(Vec<Denial>),
}

fn joined(reasons: &[impl Display]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
