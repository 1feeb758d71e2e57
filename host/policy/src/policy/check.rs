//! From what was written to what holds.

use super::Policy;
use super::amount::MAX_INTEGER;
use super::env::EnvRules;
use super::limits::LimitRules;
use super::mounts::MountRule;
use crate::file::{ClockMode, ClocksFile, RandomFile, RandomMode};
use crate::problem::Problems;
use crate::spelling::element;
use crate::{Clocks, PolicyFile, Random, ToolGrants};

impl Policy {
    /// The policy that `file` describes. It means nothing if there are problems.
    pub(crate) fn check(file: PolicyFile, problems: &mut Problems) -> Self {
        let metering = file.metering.unwrap_or_default();
        let mounts = file.mounts.into_iter().enumerate();
        Self {
            description: file.description,
            mounts: mounts
                .filter_map(|(n, rule)| MountRule::check(&element("mounts", n), rule, problems))
                .collect(),
            env: EnvRules::check(file.env, problems),
            tools: ToolGrants::check(file.tools, metering, problems),
            limits: LimitRules::check(&file.limits, &file.ceilings, metering, problems),
            clocks: clocks(&file.clocks, problems),
            random: random(&file.random, problems),
            nans: file.canonical_nans.unwrap_or_default(),
        }
    }
}

fn clocks(file: &ClocksFile, problems: &mut Problems) -> Clocks {
    match (file.mode, file.start) {
        (Some(ClockMode::Fixed), Some(start)) => return Clocks::Fixed { start },
        (Some(ClockMode::Fixed), None) => {
            problems.report("clocks.start", "missing, and a fixed clock starts somewhere");
        }
        (Some(ClockMode::Real) | None, Some(_)) => {
            problems.report("clocks.mode", "must be \"fixed\" where there is a start");
        }
        (Some(ClockMode::Real) | None, None) => {}
    }
    Clocks::Real
}

fn random(file: &RandomFile, problems: &mut Problems) -> Random {
    if file.seed.is_some_and(|seed| seed > MAX_INTEGER) {
        problems.report("random.seed", format_args!("must be at most {MAX_INTEGER}"));
    }
    match (file.mode, file.seed) {
        (Some(RandomMode::Seeded), Some(seed)) => return Random::Seeded { seed },
        (Some(RandomMode::Seeded), None) => {
            problems.report("random.seed", "missing, and seeded randomness needs one");
        }
        (Some(RandomMode::Real) | None, Some(_)) => {
            problems.report("random.mode", "must be \"seeded\" where there is a seed");
        }
        (Some(RandomMode::Real) | None, None) => {}
    }
    Random::Real
}
