use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Limits, MountRequest, ToolGrants, WallTime};

/// The answer to a request which is allowed in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What the sandbox may reach.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
}

/// What one sandbox may reach outside itself. There is no field for the network, which is always off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Directories of the host, as they were asked for; no two at one place.
    pub mounts: Vec<MountRequest>,
    /// All environment variables, those of the policy and those of the request.
    pub env: BTreeMap<String, String>,
    /// Which tools may be called, and what a call has of all this.
    pub tools: ToolGrants,
    /// What clocks show.
    pub clocks: Clocks,
    /// Where random bytes come from.
    pub random: Random,
    /// How work is measured.
    pub metering: Metering,
    /// Which bits a NaN may have. Serialises as `nans = true` for canonical ones.
    pub nans: Nans,
}

/// What a guest's clocks show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Clocks {
    /// The clocks of the host. The default.
    #[default]
    Real,
    /// A wall clock which begins at `start` for every process and takes nothing from the host's clocks. Files that are
    /// read and written still have the host's times.
    Fixed {
        /// Where it begins.
        start: WallTime,
    },
}

/// Where a guest's random bytes come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Random {
    /// The host's source of randomness. The default.
    #[default]
    Real,
    /// A generator that gives every process the same bytes. Nothing computed from them is secret.
    Seeded {
        /// What the bytes are computed from.
        seed: u64,
    },
}

/// How a guest's work is measured and bounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metering {
    /// Instructions are counted and limited, beside time. The default.
    #[default]
    Fuel,
    /// Only time is limited; guests run faster, and what a call used is known less exactly.
    Time,
}

/// Which bits a NaN may have that a guest computes. Serialises as the boolean `canonical-nans` of a policy file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Nans {
    /// Those which the processor gives; results can differ between machines. The default.
    #[default]
    Native,
    /// The same on every machine, at a small cost for each floating-point operation.
    Canonical,
}

impl From<bool> for Nans {
    fn from(canonical: bool) -> Self {
        if canonical { Self::Canonical } else { Self::Native }
    }
}

impl From<Nans> for bool {
    fn from(nans: Nans) -> Self {
        nans == Nans::Canonical
    }
}
