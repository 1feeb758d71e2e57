//! Why something was not done.

use std::fmt;

use palisade_policy::Denial;
use palisade_wire::ErrorBody;
use serde::{Serialize, Serializer};

/// What may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The server says so.
    Answered(palisade_wire::Kind),
    /// What was asked cannot be sent: a bad address or key, or a body which cannot be read.
    Unsendable,
    /// There is no connection to the server, or it broke off.
    Unreachable,
    /// The server did not answer in time, or did not go on.
    Silent,
    /// What came is not what a server of palisade answers.
    Garbled,
}

/// As it is written, the server's kinds as the server writes them.
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Answered(kind) => kind.serialize(to),
            Self::Unsendable => to.serialize_str("unsendable"),
            Self::Unreachable => to.serialize_str("unreachable"),
            Self::Silent => to.serialize_str("silent"),
            Self::Garbled => to.serialize_str("garbled"),
        }
    }
}

/// An error of the server, of the connection to it, or of what was asked. A guest which misbehaves is an outcome.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    denials: Vec<Denial>,
    request_id: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            denials: Vec::new(),
            request_id: None,
            source: None,
        }
    }

    pub(crate) fn with_source(self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a policy refused, where that is why.
    pub fn denials(&self) -> &[Denial] {
        &self.denials
    }

    /// The request, as the server's log names it; `None` where the server did not answer.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a server told.
impl From<ErrorBody> for Error {
    fn from(body: ErrorBody) -> Self {
        Self {
            denials: body.denials,
            request_id: body.request_id,
            ..Self::new(Kind::Answered(body.kind), body.message)
        }
    }
}
