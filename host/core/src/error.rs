use std::fmt;
use std::sync::Arc;

/// What may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The input is wrong; the same call will fail again.
    InvalidInput,
    /// There is no such thing.
    NotFound,
    /// A policy does not grant it; [`Error::denials`] says what would.
    Denied,
    /// The thing is in a state which does not allow it, or exists already.
    Conflict,
    /// Something bounded is used up; later it may be free again.
    Exhausted,
    /// It took longer than it may.
    Timeout,
    /// palisade cannot do this.
    Unsupported,
    /// Something which palisade needs does not answer.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// A defect in palisade, or a failure of the machine.
    Internal,
}

/// An error of the host or of its caller. A guest which misbehaves is an outcome, never an error.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    denials: Vec<palisade_policy::Denial>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a message of one line: lower case, no full stop, naming the thing and the value.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            denials: Vec::new(),
            source: None,
        }
    }

    /// Adds what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Every refusal behind a [`Kind::Denied`].
    pub fn denials(&self) -> &[palisade_policy::Denial] {
        &self.denials
    }
}

impl From<Vec<palisade_policy::Denial>> for Error {
    fn from(denials: Vec<palisade_policy::Denial>) -> Self {
        let message = denials.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self {
            kind: Kind::Denied,
            message,
            denials,
            source: None,
        }
    }
}

impl From<palisade_store::Error> for Error {
    fn from(error: palisade_store::Error) -> Self {
        let kind = match error.kind() {
            palisade_store::Kind::InvalidInput => Kind::InvalidInput,
            palisade_store::Kind::NotFound => Kind::NotFound,
            palisade_store::Kind::Conflict => Kind::Conflict,
            palisade_store::Kind::Exhausted => Kind::Exhausted,
            palisade_store::Kind::Unavailable => Kind::Unavailable,
            palisade_store::Kind::Corrupt => Kind::Corrupt,
            palisade_store::Kind::Unsupported => Kind::Unsupported,
        };
        Self::new(kind, error.to_string()).with_source(error)
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
