//! The text of a key: `palisade_ID_SECRET`.

use std::fmt;
use std::str::FromStr;

use palisade::{Error, Kind};

/// A key, without its secret: 16 digits of `0`-`9` and `a`-`f`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = text.len() == 16 && is_hex(text);
        match u64::from_str_radix(text, 16) {
            Ok(id) if valid => Ok(Self(id)),
            _ => {
                // A whole key may have been given, and is not to be repeated.
                let message = "that is not the id of a key: it has 16 digits of 0-9 and a-f";
                Err(Error::new(Kind::InvalidInput, message))
            }
        }
    }
}

/// 32 random bytes, as 64 digits. It has no way to be printed but [`join`].
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn random() -> Self {
        Self(blake3::Hash::from_bytes(rand::random()).to_hex().to_string())
    }

    pub(super) fn digest(&self) -> blake3::Hash {
        digest(&self.0)
    }
}

/// What is kept of a secret. It is random and long, so that one plain hash is enough.
fn digest(secret: &str) -> blake3::Hash {
    blake3::hash(secret.as_bytes())
}

pub(super) fn join(id: KeyId, secret: &Secret) -> String {
    format!("palisade_{id}_{}", secret.0)
}

/// The id, and the digest of the secret; `None` where it has not the form of a key.
pub(super) fn split(text: &str) -> Option<(KeyId, blake3::Hash)> {
    let (id, secret) = text.strip_prefix("palisade_")?.split_once('_')?;
    let valid = secret.len() == 64 && is_hex(secret);
    Some((id.parse().ok()?, valid.then(|| digest(secret))?))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
