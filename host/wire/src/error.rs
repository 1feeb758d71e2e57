//! How an error is told.

use palisade_policy::Denial;
use serde::{Deserialize, Serialize};

/// What is wrong, for a client to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// The request is wrong; the same one will fail again.
    InvalidInput,
    /// There is no such thing.
    NotFound,
    /// A policy does not grant it.
    Denied,
    /// The thing is in a state which does not allow it, or exists already.
    Conflict,
    /// Something bounded is used up; later it may be free again.
    Exhausted,
    /// It took longer than it may.
    Timeout,
    /// The server cannot do this.
    Unsupported,
    /// Something which the server needs does not answer, or others have its turn.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// A defect of the server, or a failure of its machine.
    Internal,
    /// A key is needed, and there is none or not a good one.
    Unauthenticated,
    /// The key has not the role which this takes.
    Forbidden,
    /// The path does not have this method.
    MethodNotAllowed,
    /// The body is larger than it may be.
    TooLarge,
    /// The body is of another type than it must be.
    UnsupportedMediaType,
    /// The body did not come in time.
    RequestTimeout,
    /// The file has no such bytes.
    RangeNotSatisfiable,
    /// One which this version does not know.
    #[serde(other)]
    Unknown,
}

/// How an error is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What a client can match on.
    pub kind: Kind,
    /// One line for people.
    pub message: String,
    /// What the policy refused, each with its rule and the smallest grant that would do.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denials: Vec<Denial>,
    /// The request, as the log names it; absent for one call of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}
