//! The policies which a client can name.

use palisade_policy::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The policies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyList {
    /// In the order of their names.
    pub policies: Vec<PolicyLine>,
    /// The one of a sandbox which names none.
    pub default: String,
}

/// A policy as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyLine {
    /// By which a sandbox asks for it.
    pub name: String,
    /// What its author says of it.
    pub description: Option<String>,
}

/// A policy with every value, as the server applies it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyBody {
    /// By which a sandbox asks for it.
    pub name: String,
    /// As a policy file.
    pub toml: String,
    /// The same values.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub values: Value,
}

/// What is wrong in a policy file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PolicyReport {
    /// Whether nothing is.
    pub ok: bool,
    /// What its author says of it.
    pub description: Option<String>,
    /// Each with `key`, `message`, and `position`: `line` and `column`, which start at 1, or `null`.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub problems: Vec<Problem>,
}
