//! What to say when the file system refuses, and where.

use std::fmt;

use rustix::io::Errno;

use crate::{Error, Kind};

/// What a system call gives.
pub(super) type Io<T> = rustix::io::Result<T>;

/// As many bytes of a path are shown in a message.
const SHOWN: usize = 300;

/// A path in a message.
pub(super) struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(self.0.len().saturating_sub(SHOWN)..) {
            _ if self.0.is_empty() => f.write_str("the directory itself"),
            Some(end) if end.len() < self.0.len() => write!(f, "\"...{}\"", end.escape_ascii()),
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// A failure while `doing` something at `path`: a conflict where something else is there than was a moment ago.
pub(super) fn failed(doing: &str, path: &[u8], errno: Errno) -> Error {
    let place = Shown(path);
    match errno {
        Errno::NOENT
        | Errno::NOTDIR
        | Errno::ISDIR
        | Errno::LOOP
        | Errno::NXIO
        | Errno::XDEV
        | Errno::STALE
        | Errno::EXIST
        | Errno::NOTEMPTY => {
            let why = std::io::Error::from(errno);
            Error::new(
                Kind::Conflict,
                format!("cannot {doing} {place}: it is not what it was: {why}"),
            )
        }
        _ => Error::io(format_args!("cannot {doing} {place}"), errno),
    }
}

/// Somebody changed what is at `path` meanwhile.
pub(super) fn changed(path: &[u8]) -> Error {
    let message = format!("{} changed while it was read", Shown(path));
    Error::new(Kind::Conflict, message)
}
