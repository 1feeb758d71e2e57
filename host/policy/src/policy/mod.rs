//! A checked policy.

mod amount;
mod check;
mod decide;
mod env;
mod limits;
mod mounts;
mod pattern;
mod tools;

use serde::{Serialize, Serializer};

pub use env::{EnvPattern, InvalidEnvPattern};
pub use pattern::{InvalidNamePattern, NamePattern};
pub use tools::ToolGrants;

use self::env::EnvRules;
use self::limits::LimitRules;
use self::mounts::MountRule;
use crate::file::{ClockMode, ClocksFile, RandomFile, RandomMode, Reading};
use crate::problem::Problems;
use crate::{Clocks, Limits, Metering, Nans, PolicyFile, Problem, Random};

/// Rules which have been checked: whatever they allow can be enforced.
///
/// It is made from a text by [`from_toml`](Self::from_toml), or from a [`PolicyFile`] that a program filled. Serde
/// writes it as a file with every value spelled out, which reads back as an equal policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    description: Option<String>,
    mounts: Vec<MountRule>,
    env: EnvRules,
    tools: ToolGrants,
    limits: LimitRules,
    clocks: Clocks,
    random: Random,
    nans: Nans,
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// Reports every problem with its key and its place: unknown keys, wrong types, and rules which contradict each
    /// other or which nothing could enforce. A text over 1 MiB is refused, and no text makes it panic. An empty text
    /// is a policy that grants nothing but the default limits.
    pub fn from_toml(text: &str) -> Result<Self, Vec<Problem>> {
        let (file, mut reading) = Reading::of(text);
        let mut problems = Problems::default();
        let policy = Self::check(file, &mut problems);
        reading.add(problems);
        reading.finish(policy)
    }

    /// The policy as a policy file, with every value spelled out.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.to_file()).expect("every integer fits TOML, checked in `check`")
    }

    /// The policy as a file with every value spelled out; it validates to an equal policy.
    pub fn to_file(&self) -> PolicyFile {
        PolicyFile {
            description: self.description.clone(),
            metering: Some(self.metering()),
            canonical_nans: Some(self.nans),
            mounts: self.mounts.iter().map(MountRule::to_file).collect(),
            env: self.env.to_file(),
            tools: self.tools.to_file(),
            limits: self.limits.defaults().into(),
            ceilings: self.limits.ceilings().into(),
            clocks: clocks_file(self.clocks),
            random: random_file(self.random),
            network: crate::NetworkFile {
                mode: Some(crate::NetworkMode::Off),
            },
        }
    }

    /// For whom it is, in its author's words.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// What a request gets which names no limits.
    pub fn defaults(&self) -> Limits {
        self.limits.defaults()
    }

    /// The most that a request may name.
    pub fn ceilings(&self) -> Limits {
        self.limits.ceilings()
    }

    /// How work is measured.
    pub fn metering(&self) -> Metering {
        self.limits.metering()
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_file().serialize(serializer)
    }
}

fn clocks_file(clocks: Clocks) -> ClocksFile {
    match clocks {
        Clocks::Real => ClocksFile {
            mode: Some(ClockMode::Real),
            start: None,
        },
        Clocks::Fixed { start } => ClocksFile {
            mode: Some(ClockMode::Fixed),
            start: Some(start),
        },
    }
}

fn random_file(random: Random) -> RandomFile {
    match random {
        Random::Real => RandomFile {
            mode: Some(RandomMode::Real),
            seed: None,
        },
        Random::Seeded { seed } => RandomFile {
            mode: Some(RandomMode::Seeded),
            seed: Some(seed),
        },
    }
}

#[cfg(test)]
mod tests;
