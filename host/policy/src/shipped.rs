//! The policies that come with palisade, compiled in.

use crate::Policy;

const STRICT: &str = include_str!("../../../policies/strict.toml");
const DEFAULT: &str = include_str!("../../../policies/default.toml");
const TRUSTED: &str = include_str!("../../../policies/trusted.toml");

impl Policy {
    /// The names that [`shipped`](Self::shipped) knows, the narrowest policy first.
    pub const SHIPPED: [&str; 3] = ["strict", "default", "trusted"];

    /// For code nobody vouches for: no mounts, no variables, no tools, little of everything, and the same result each
    /// time.
    pub fn strict() -> Self {
        built_in(STRICT)
    }

    /// For an operator at the command line, who gets what they ask for; it is named `default`.
    pub fn standard() -> Self {
        built_in(DEFAULT)
    }

    /// For programs whose author the operator trusts: work is limited by time only, and ceilings are wide.
    pub fn trusted() -> Self {
        built_in(TRUSTED)
    }

    /// The shipped policy of that name: `strict`, `default` or `trusted`.
    pub fn shipped(name: &str) -> Option<Self> {
        match name {
            "strict" => Some(Self::strict()),
            "default" => Some(Self::standard()),
            "trusted" => Some(Self::trusted()),
            _ => None,
        }
    }
}

fn built_in(text: &str) -> Policy {
    Policy::from_toml(text).expect("shipped policies are fixed texts, each checked by a test below")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteSize, CallLimits, Clocks, FileAccess, Metering, Nans, Refusal, Request, ToolGrants};

    #[test]
    fn every_shipped_policy_is_valid_and_says_for_whom_it_is() {
        for (name, text) in Policy::SHIPPED.iter().zip([STRICT, DEFAULT, TRUSTED]) {
            assert!(text.starts_with("# For "), "{name}");
            let policy = Policy::from_toml(text).unwrap();
            assert!(policy.description().is_some(), "{name}");
            assert_eq!(Policy::shipped(name), Some(policy));
        }
        assert_eq!(Policy::shipped("lax"), None);
    }

    #[test]
    fn strict_grants_nothing_and_repeats_itself() {
        let decision = Policy::strict().decide(&Request::default()).unwrap();
        assert!(decision.grants.mounts.is_empty() && decision.grants.env.is_empty());
        assert!(matches!(decision.grants.clocks, Clocks::Fixed { .. }));
        assert_eq!(decision.grants.nans, Nans::Canonical);
        assert_eq!(decision.limits, Policy::strict().ceilings());

        let mut request = Request::default();
        request.env.insert("HOME".into(), "/".into());
        request.limits.memory = Some(ByteSize::from_gib(1));
        let Err(Refusal::Denied(denials)) = Policy::strict().decide(&request) else {
            panic!()
        };
        assert_eq!(denials.len(), 2);
    }

    #[test]
    fn strict_lets_no_tool_be_called_and_the_others_give_any_what_its_sandbox_has() {
        for name in Policy::SHIPPED {
            let policy = Policy::shipped(name).unwrap();
            let tools = policy.decide(&Request::default()).unwrap().grants.tools;
            match tools.judge("files", "read") {
                Ok(grant) => assert_eq!(
                    (grant.files, grant.allows_env("ANYTHING"), grant.limits),
                    (FileAccess::ReadWrite, true, CallLimits::default())
                ),
                Err(denial) => assert_eq!((name, denial.rule.as_str()), ("strict", "tools")),
            }
            assert_eq!(tools == ToolGrants::default(), name == "strict");
        }
    }

    #[test]
    fn standard_starts_from_the_usual_limits() {
        assert_eq!(Policy::standard().defaults(), crate::Limits::default());
        assert_eq!(Policy::standard().metering(), Metering::Fuel);
        assert_eq!(Policy::trusted().metering(), Metering::Time);
    }
}
