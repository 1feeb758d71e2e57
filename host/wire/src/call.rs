//! Calls of tools.

use palisade_policy::{CallLimits, FileAccess};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ErrorBody, OutcomeBody};

/// One call of a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallBody {
    /// NAME or NAME@DIGEST.
    pub tool: String,
    /// Its name, as the tool's description has it.
    pub function: String,
    /// The arguments by name.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// How lists of bytes are given in the answer: `base64`, the default, or `array`.
    #[serde(default)]
    pub bytes: BytesForm,
    /// The most that it may do in the sandbox's files: `none`, `read-only` or `read-write`.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub files: Option<FileAccess>,
    /// The most that it may use: `memory` and `output` as `"64 MiB"`, `time` as `"5s"`, `fuel` as a number.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub limits: CallLimits,
}

impl CallBody {
    /// A call with these arguments, and nothing narrowed.
    pub fn new(tool: impl Into<String>, function: impl Into<String>, arguments: Map<String, Value>) -> Self {
        Self {
            tool: tool.into(),
            function: function.into(),
            arguments,
            bytes: BytesForm::default(),
            files: None,
            limits: CallLimits::default(),
        }
    }
}

/// How lists of bytes are given in answers; in arguments both forms are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BytesForm {
    /// As a string in base64.
    #[default]
    Base64,
    /// As an array of numbers.
    Array,
}

/// What became of one call of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// It was made.
    Outcome(Box<OutcomeBody>),
    /// It was not.
    Error(ErrorBody),
}
