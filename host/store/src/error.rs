use std::fmt;
use std::sync::Arc;

/// What may fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The input is wrong; the same call will fail again.
    InvalidInput,
    /// There is no such thing.
    NotFound,
    /// Somebody else was first: another version is the newest, or another process has the store.
    Conflict,
    /// The disk is full. Nothing that was acknowledged is lost; the call can be made again when there is room.
    Exhausted,
    /// The file system refuses.
    Unavailable,
    /// Stored data is damaged.
    Corrupt,
    /// A store does not do this.
    Unsupported,
}

/// A failure of the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// A failure of the file system while `doing` something.
    pub(crate) fn io(doing: impl fmt::Display, source: impl Into<std::io::Error>) -> Self {
        let source = source.into();
        let kind = match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT | rustix::io::Errno::FBIG) => Kind::Exhausted,
            _ => Kind::Unavailable,
        };
        Self {
            kind,
            message: format!("{doing}: {source}"),
            source: Some(Arc::new(source)),
        }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.kind
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
