//! Whose something is: the name of a sandbox, of which the store knows nothing else.

use crate::{Error, Kind, Result};

/// The longest name of an owner, in bytes.
const MAX: usize = 64;

/// The key of what `owner` calls `name`. No two have the same, and those of one owner begin with [`prefix`].
pub(crate) fn key(owner: &str, name: &str) -> Result<Vec<u8>> {
    Ok([&prefix(owner)?, name.as_bytes()].concat())
}

/// How the keys of all that is of `owner` begin.
pub(crate) fn prefix(owner: &str) -> Result<Vec<u8>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if owner.is_empty() || owner.len() > MAX || !owner.bytes().all(allowed) {
        let shown: String = owner.chars().take(MAX).collect();
        let message = format!("{shown:?} is no owner: it has 1 to {MAX} letters, digits, `-`, `_` and `.`");
        return Err(Error::new(Kind::InvalidInput, message));
    }
    Ok([owner.as_bytes(), b"\0"].concat())
}

/// The owner of what has that key.
pub(crate) fn of(key: &[u8]) -> String {
    let owner = key.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(owner).into_owned()
}
