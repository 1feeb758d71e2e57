use std::fmt;
use std::io::ErrorKind;
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
        // By its kind: sled makes errors anew, without the number.
        let kind = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Kind::Exhausted,
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

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_full_disk_is_told_as_such_whoever_tells_it() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert_eq!(Error::io("cannot", errno).kind(), Kind::Exhausted);
            let again = io::Error::new(io::Error::from(errno).kind(), "said again");
            assert_eq!(Error::io("cannot", again).kind(), Kind::Exhausted);
        }
        assert_eq!(Error::io("cannot", Errno::IO).kind(), Kind::Unavailable);
    }
}
