//! The registry of tools.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The tools.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ToolList {
    /// In the order in which they were added.
    pub tools: Vec<ToolLine>,
}

/// A tool as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ToolLine {
    /// Its name in the registry.
    pub name: String,
    /// The blake3 digest of its component or script.
    pub digest: String,
    /// Whether the name alone stands for it.
    pub current: bool,
    /// Whether it can be called.
    pub enabled: bool,
}

/// What a tool offers. All of it is its author's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ToolBody {
    /// Its name in the registry.
    pub name: String,
    /// The blake3 digest of its component or script.
    pub digest: String,
    /// The digest of what interprets it; absent where it is no script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// What can be called, in the order of the names.
    pub functions: Vec<FunctionBody>,
    /// The interfaces and functions which it imports; of a script, those of its interpreter.
    pub imports: Vec<String>,
    /// What it exports and what cannot be called.
    pub skipped: Vec<SkippedBody>,
}

/// A function which can be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FunctionBody {
    /// Its name: as exported at the root of the component, or `interface.function`; that in a script.
    pub name: String,
    /// What its author says of it.
    pub docs: Option<String>,
    /// The JSON schema of its arguments: an object with a property for each.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub parameters: Value,
    /// The JSON schema of what it returns; `null`: nothing.
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub result: Option<Value>,
}

/// An export which is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SkippedBody {
    /// Its name.
    pub name: String,
    /// Why it is not.
    pub reason: String,
}

/// What interprets a tool which is added.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// The tool which interprets the body, a script: NAME or NAME@DIGEST.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
}
