//! What one call of a tool gets.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::{ByteSize, EnvPattern, Limits, time};

/// What one call of a tool has of its sandbox: never more than the sandbox, often less.
///
/// [`ToolGrants::judge`](crate::ToolGrants::judge) gives what the policy allows, and [`narrow`](Self::narrow) what is
/// left of it for a caller who wants less.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallGrant {
    /// What it may do in the sandbox's files.
    pub files: FileAccess,
    /// Which of the sandbox's variables it sees.
    #[serde(serialize_with = "as_list")]
    pub env: Arc<[EnvPattern]>,
    /// What it may use, beside the sandbox's own limits.
    pub limits: CallLimits,
}

fn as_list<S: Serializer>(patterns: &[EnvPattern], serializer: S) -> Result<S::Ok, S::Error> {
    patterns.serialize(serializer)
}

/// What a caller wants for one call. The default is all that the policy allows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallRequest {
    /// The most that it may do in the sandbox's files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileAccess>,
    /// The names of the variables it sees: names and no patterns, so that one with a `*` in it is never seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The most that it may use.
    #[serde(skip_serializing_if = "CallLimits::is_empty")]
    pub limits: CallLimits,
}

impl CallGrant {
    /// What both the grant and the request allow.
    ///
    /// It never widens and never refuses: where the request asks for more than the grant has, the grant's lesser value
    /// is taken and nothing tells of it.
    #[must_use]
    pub fn narrow(self, request: &CallRequest) -> Self {
        let env = match &request.env {
            Some(names) => self.seen_of(names),
            None => self.env,
        };
        Self {
            files: request.files.map_or(self.files, |files| files.min(self.files)),
            env,
            limits: self.limits.least(request.limits),
        }
    }

    /// Whether the call sees the sandbox's variable `name`.
    pub fn allows_env(&self, name: &str) -> bool {
        self.env.iter().any(|pattern| pattern.matches(name))
    }

    fn seen_of(&self, names: &[String]) -> Arc<[EnvPattern]> {
        let seen = names.iter().filter(|name| self.allows_env(name));
        seen.filter_map(|name| EnvPattern::only(name)).collect()
    }
}

/// What a call may do in its sandbox's files, its mounts among them; a larger one includes the smaller. Written `none`,
/// `read-only` or `read-write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAccess {
    /// It sees no files.
    None,
    /// It may list and read them.
    ReadOnly,
    /// It may do what the sandbox may.
    ReadWrite,
}

/// What one call may use. What is `None` is bounded by the sandbox's limits alone, which always hold as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallLimits {
    /// Bytes of its linear memories and tables, and of what the host holds for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Instructions, host calls charged too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall-clock time, waiting included.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::as_optional_text")]
    pub time: Option<Duration>,
    /// Bytes of standard output, of standard error and of what it logs or reports, together. It also bounds the answer
    /// of a function, which is counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
}

impl CallLimits {
    /// The lesser of both, limit by limit.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        Self {
            memory: least(self.memory, other.memory),
            fuel: least(self.fuel, other.fuel),
            time: least(self.time, other.time),
            output: least(self.output, other.output),
        }
    }

    /// The limits of a call in a sandbox which has these: the lesser of both.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Limits {
        Limits {
            memory: self.memory.map_or(limits.memory, |own| own.min(limits.memory)),
            fuel: least(self.fuel, limits.fuel),
            time: self.time.map_or(limits.time, |own| own.min(limits.time)),
            output: self.output.map_or(limits.output, |own| own.min(limits.output)),
            ..limits.clone()
        }
    }

    /// Whether nothing is limited.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
pub(crate) mod tests;
