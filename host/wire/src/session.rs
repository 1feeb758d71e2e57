//! Sessions: an instance of a tool which is kept between calls.

use std::num::NonZeroU32;

use palisade_policy::{CallLimits, FileAccess};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{BytesForm, Ending, ErrorBody};

/// A session as somebody asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// NAME or NAME@DIGEST.
    pub tool: String,
    /// It ends when it was not called for so many seconds: 60 where it is left out.
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 1))]
    pub idle_seconds: Option<NonZeroU32>,
    /// The most that its calls may do in the sandbox's files: `none`, `read-only` or `read-write`.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub files: Option<FileAccess>,
    /// The most that all its calls together may use: `memory` and `output` as `"64 MiB"`, `time` as `"5s"`, in which it
    /// is called, `fuel` as a number.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub limits: CallLimits,
}

/// One call in a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionCall {
    /// Its name, as the tool's description has it.
    pub function: String,
    /// The arguments by name.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// How lists of bytes are given in the answer: `base64`, the default, or `array`.
    #[serde(default)]
    pub bytes: BytesForm,
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionBody {
    /// The number of its process in the sandbox.
    pub session: u64,
    /// As it was asked for.
    pub tool: String,
    /// It ends when it was not called for so many seconds.
    pub idle_seconds: u32,
    /// How it ended, as of a call; `null` where it has not, or could not begin.
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub ending: Option<Ending>,
    /// Why it could not begin; `null` where it did.
    pub error: Option<ErrorBody>,
}

/// The sessions of a sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// The oldest first.
    pub sessions: Vec<SessionBody>,
}
