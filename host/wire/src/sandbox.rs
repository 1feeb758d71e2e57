//! Sandboxes.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use palisade_policy::{Limits, LimitsRequest};
use serde::{Deserialize, Deserializer, Serialize};

use crate::Named;

/// A sandbox as somebody asks for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SandboxRequest {
    /// The name of a policy; the default one where it is left out.
    pub policy: Option<String>,
    /// Environment variables by name.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, String>))]
    #[serde(default)]
    pub env: Named<String>,
    /// Limits which differ from the policy's: `memory`, `disk` and `output` as `"256 MiB"`, `time` as `"30s"`, `cpu` as
    /// cores, `fuel`, `files`, `processes` and `handles` as numbers.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub limits: LimitsRequest,
    /// What is written on it, by name, to find it again: at most 64.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, String>))]
    #[serde(default)]
    pub labels: Named<String>,
    /// It is destroyed so many seconds after its creation, whatever it does then; never where this is left out.
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<NonZeroU32>,
    /// It is destroyed when for so many seconds no process was in it, and no request for it came but such as look at it;
    /// never where this is left out.
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<NonZeroU32>,
}

/// What is to be changed of a sandbox. What is left out stays; nothing is changed where something cannot be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SandboxChange {
    /// Limits which are put in the place of those it has, as at its creation. Those of each process hold for the next
    /// ones.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub limits: LimitsRequest,
    /// Labels which are put in place; `null` removes one.
    #[cfg_attr(feature = "schema", schema(value_type = std::collections::BTreeMap<String, Option<String>>))]
    #[serde(default)]
    pub labels: Named<Option<String>>,
    /// It is destroyed so many seconds from now; `null`: never.
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 1))]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<Option<NonZeroU32>>,
    /// As at its creation; `null`: never.
    #[cfg_attr(feature = "schema", schema(value_type = Option<u32>, minimum = 1))]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub idle_seconds: Option<Option<NonZeroU32>>,
}

/// What is there, `null` too.
fn given<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Option<NonZeroU32>>, D::Error> {
    Option::deserialize(source).map(Some)
}

/// A sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SandboxBody {
    /// By which it is asked for.
    pub id: String,
    /// `ready`, `running`, `suspended`, `stopping`, `stopped`, `failed`, `creating` or `destroyed`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub state: SandboxState,
    /// The name of its policy; `null` where the program around this server made it.
    pub policy: Option<String>,
    /// What is written on it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When its time to live is over, in RFC 3339; `null` where it has none.
    #[cfg_attr(feature = "schema", schema(format = DateTime))]
    pub expires_at: Option<String>,
    /// How long it may be idle; `null` where it may be for ever.
    pub idle_seconds: Option<u64>,
    /// What it may use.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub limits: Limits,
    /// What it uses.
    pub usage: UsageBody,
    /// The numbers of the processes which run, the oldest first.
    pub processes: Vec<u64>,
}

/// What a sandbox is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SandboxState {
    /// It is being set up.
    Creating,
    /// It has no processes, and takes some.
    Ready,
    /// It has at least one process.
    Running,
    /// Its processes stand still, and it takes no others.
    Suspended,
    /// Its processes are being ended, and its files made what they were in a snapshot.
    RollingBack,
    /// Its processes are being ended.
    Stopping,
    /// It has no processes and takes none; its files are still there.
    Stopped,
    /// Something which is not the guest's doing went wrong.
    Failed,
    /// Its files are gone.
    Destroyed,
    /// One which this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a sandbox uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names say it")]
pub struct UsageBody {
    pub memory_bytes: u64,
    pub peak_memory_bytes: u64,
    pub disk_bytes: u64,
    pub files: u64,
    pub open_handles: u64,
    pub processes: u64,
}

/// Some of the sandboxes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SandboxPage {
    /// In the order of their ids.
    pub sandboxes: Vec<SandboxBody>,
    /// What to give as `after` for those which follow; `null` where none do.
    pub next: Option<String>,
}

/// Which sandboxes are listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct PageRequest {
    /// How many at most: 1 to 1,000, 100 where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only those whose id comes after this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those with this label: a name, or `NAME=VALUE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}
