//! The decision: pure, and all or nothing.

use super::{Policy, env, limits, mounts};
use crate::problem::Problems;
use crate::{Decision, Grants, Limits, LimitsRequest, Refusal, Request};

impl Policy {
    /// Everything that was asked for, or every reason why not.
    ///
    /// It reads nothing but its arguments, so that asking is as safe as `explain` needs: the same request gets the
    /// same answer, and nothing happens.
    pub fn decide(&self, request: &Request) -> Result<Decision, Refusal> {
        check(request)?;
        let mut denials = Vec::new();
        mounts::decide(&self.mounts, &request.mounts, &mut denials);
        let env = self.env.decide(&request.env, &mut denials);
        let limits = self.limits.decide(&self.defaults(), &request.limits, &mut denials);
        if !denials.is_empty() {
            return Err(Refusal::Denied(denials));
        }
        let grants = Grants {
            mounts: request.mounts.clone(),
            env,
            tools: self.tools.clone(),
            clocks: self.clocks,
            random: self.random,
            metering: self.metering(),
            nans: self.nans,
        };
        Ok(Decision { grants, limits })
    }

    /// What `limits`, which this policy gave, become with those of `asked` in their place; or every reason why not.
    pub fn decide_limits(&self, limits: &Limits, asked: &LimitsRequest) -> Result<Limits, Refusal> {
        let mut problems = Problems::default();
        limits::report_flaws(asked, &mut problems);
        problems.or(()).map_err(Refusal::Invalid)?;
        let mut denials = Vec::new();
        let changed = self.limits.decide(limits, asked, &mut denials);
        match denials.is_empty() {
            true => Ok(changed),
            false => Err(Refusal::Denied(denials)),
        }
    }
}

fn check(request: &Request) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    mounts::report_flaws(&request.mounts, &mut problems);
    env::report_flaws(&request.env, "env", &mut problems);
    limits::report_flaws(&request.limits, &mut problems);
    problems.or(()).map_err(Refusal::Invalid)
}
