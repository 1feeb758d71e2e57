//! A policy as somebody wrote it.

mod reading;
mod section;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::problem::Problems;
use crate::{
    Access, ByteSize, CallLimits, CpuShare, EnvPattern, FileAccess, FuelLimit, GuestPath, Metering, NamePattern, Nans,
    Policy, Problem, WallTime, time,
};

pub(crate) use section::Reading;

/// A policy as it is written: every key may be missing, and no rule is checked against another yet.
///
/// It is read from TOML by [`parse`](Self::parse), and serialises to what `parse` reads. Keys are in kebab-case, and
/// an unknown key is a problem.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PolicyFile {
    /// For whom the policy is; nothing is decided by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How work is measured. Default: `"fuel"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metering: Option<Metering>,
    /// Whether every NaN that a guest computes has the same bits. Default: `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical_nans: Option<Nans>,
    /// What of the host may be mounted; a mount needs one rule that allows all of it. Default: nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<MountRuleFile>,
    /// Environment variables.
    pub env: EnvFile,
    /// Which tools may be called; one entry for each name. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolRuleFile>,
    /// What a request gets which does not name a limit.
    pub limits: LimitsFile,
    /// The most that a request may name. Default for each: the value in `limits`.
    pub ceilings: LimitsFile,
    /// What the guest's clocks show.
    pub clocks: ClocksFile,
    /// Where the guest's random bytes come from.
    pub random: RandomFile,
    /// The network, of which there is none.
    pub network: NetworkFile,
}

/// One rule of `[[mounts]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MountRuleFile {
    /// Directories at or below this one may be mounted: an absolute path without `..`, `/` for any. Requests name
    /// canonical paths, so a path through a symbolic link matches nothing. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The most that may be granted. Default: `"read-only"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Only at or below this place in the guest. Default: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestPath>,
}

/// The table `[env]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EnvFile {
    /// Variables that a request may set. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<EnvPattern>,
    /// Variables which every guest has. A request replaces the value of one only where `allow` has its name.
    /// Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

/// One entry of `[[tools]]`.
///
/// Of the entries whose name matches a tool, the most exact one decides, wherever it stands: the name itself, else the
/// longest prefix. Only that one counts, so that an entry for a tool also takes it out of those for patterns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolRuleFile {
    /// The tool, or all whose names start alike, `"data-*"`, or every tool, `"*"`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<NamePattern>,
    /// Which of its functions may be called. Default: all, for it is the name that grants them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<Vec<NamePattern>>,
    /// The most that a call may do in the sandbox's files. Default: `"none"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<FileAccess>,
    /// Which of the sandbox's variables a call sees. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvPattern>>,
    /// The most that one call may use, beside the sandbox's own limits, which hold for it too. Default: those alone.
    #[serde(skip_serializing_if = "CallLimits::is_empty")]
    pub limits: CallLimits,
}

/// The tables `[limits]` and `[ceilings]`; [`Limits`](crate::Limits) tells what each key bounds, and its default.
///
/// A built-in default above a written ceiling is lowered to it; a written one is a problem.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LimitsFile {
    /// Bytes of memory, `"2 GiB"`. Not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Instructions, or `"unlimited"`. Not zero; no number where `metering = "time"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<FuelLimit>,
    /// Wall-clock time, `"5m"`. Not zero.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "time::as_optional_text::serialize"
    )]
    pub time: Option<Duration>,
    /// Cores, `0.25`. Not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuShare>,
    /// Bytes in files, `"10 GiB"`. Zero: files may be made and stay empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// Names in directories. Zero: no file may be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Processes at one time. Not zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files and directories. Not zero, for a program holds its root directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u32>,
    /// Bytes of output, `"64 MiB"`. Zero: none may be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
}

/// The table `[clocks]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClocksFile {
    /// Default: `"real"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ClockMode>,
    /// Where a fixed clock starts; required for `mode = "fixed"`, and wrong with any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<WallTime>,
}

/// The values of `clocks.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockMode {
    /// The clocks of the host.
    Real,
    /// Clocks which know nothing of the host's.
    Fixed,
}

/// The table `[random]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RandomFile {
    /// Default: `"real"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RandomMode>,
    /// What the bytes are computed from; required for `mode = "seeded"`, and wrong with any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The values of `random.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RandomMode {
    /// The host's source of randomness.
    Real,
    /// The same bytes each time.
    Seeded,
}

/// The table `[network]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NetworkFile {
    /// Default: `"off"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<NetworkMode>,
}

/// The one value of `network.mode`; no other can be enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "String")]
pub enum NetworkMode {
    /// No sockets, no name look-ups, no requests.
    Off,
}

impl TryFrom<String> for NetworkMode {
    type Error = String;

    fn try_from(mode: String) -> Result<Self, String> {
        match mode.as_str() {
            "off" => Ok(Self::Off),
            _ => Err(format!("{mode:?} cannot be enforced, only \"off\" can")),
        }
    }
}

impl PolicyFile {
    /// The longest text that is parsed, in bytes.
    pub const MAX_TEXT: usize = 1 << 20;

    /// Reads TOML, and reports every unknown key and every value of a wrong type.
    ///
    /// A syntax error is one problem, for nothing after it can be trusted. A text over [`MAX_TEXT`](Self::MAX_TEXT) is refused. No text
    /// makes it panic.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (file, reading) = Reading::of(text);
        reading.finish(file)
    }

    /// Checks every rule and reports all problems, not only the first. Their positions are not known here;
    /// [`Policy::from_toml`] knows them.
    pub fn validate(self) -> Result<Policy, Vec<Problem>> {
        let mut problems = Problems::default();
        let policy = Policy::check(self, &mut problems);
        problems.or(policy)
    }
}

#[cfg(test)]
mod tests;
