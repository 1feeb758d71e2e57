//! Names of things, one type for each.

use std::fmt;
use std::str::FromStr;

/// A sandbox: 16 characters, unique among all hosts for all practical purposes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SandboxId(u64);

impl SandboxId {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SandboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SandboxId({self})")
    }
}

impl FromStr for SandboxId {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        let valid = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(id) if valid => Ok(Self(id)),
            _ => Err(crate::Error::new(
                crate::Kind::InvalidInput,
                format!(
                    "{:?} is not a sandbox id: it has 16 digits of 0-9 and a-f",
                    text.chars().take(40).collect::<String>()
                ),
            )),
        }
    }
}

impl serde::Serialize for SandboxId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A process, counted from 1 in its sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct ProcessId(pub(crate) u64);

impl ProcessId {
    /// Its number.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl FromStr for ProcessId {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        text.parse().map(Self).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            crate::Error::new(
                crate::Kind::InvalidInput,
                format!("{shown:?} is not the number of a process"),
            )
        })
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
