//! Limits of a whole host, over those of any policy.

use palisade::policy::{FuelLimit, LimitsFile, Metering, Policy};

use crate::failure::Failure;

/// `[defaults]` and `[ceilings]` of the configuration. Empty: policies are as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HostLimits {
    /// What a request gets that names no limit, in place of what the policy says.
    pub defaults: LimitsFile,
    /// The most that any request may name, whatever the policy says.
    pub ceilings: LimitsFile,
}

/// One limit after the other, from two of each.
macro_rules! combine {
    ($left:expr, $right:expr, $pick:path) => {
        LimitsFile {
            memory: $pick($left.memory, $right.memory),
            fuel: $pick($left.fuel, $right.fuel),
            time: $pick($left.time, $right.time),
            cpu: $pick($left.cpu, $right.cpu),
            disk: $pick($left.disk, $right.disk),
            files: $pick($left.files, $right.files),
            processes: $pick($left.processes, $right.processes),
            handles: $pick($left.handles, $right.handles),
            output: $pick($left.output, $right.output),
        }
    };
}

fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

impl HostLimits {
    /// The policy as this host applies it. It never allows more than it did.
    pub(crate) fn apply(&self, policy: Policy) -> Result<Policy, Failure> {
        if *self == Self::default() {
            return Ok(policy);
        }
        let mut defaults = self.defaults.clone();
        if policy.metering() == Metering::Time {
            if matches!(self.ceilings.fuel, Some(FuelLimit::AtMost(_))) {
                return Err(Failure::invalid(
                    "this host has a ceiling of fuel, which nothing counts under a policy with `metering = \"time\"`",
                ));
            }
            defaults.fuel = None;
        }
        let mut file = policy.to_file();
        file.ceilings = combine!(file.ceilings, self.ceilings, least);
        let wanted = combine!(defaults, file.limits, Option::or);
        file.limits = combine!(wanted, file.ceilings, least);
        file.validate()
            .map_err(|problems| Failure::problems("the policy on this host", problems))
    }

    /// Whether a request met the ceiling of this host, and not one of `policy` itself.
    pub(crate) fn lowers(&self, rule: &str, policy: &Policy) -> bool {
        let Some(key) = rule.strip_prefix("ceilings.") else {
            return false;
        };
        let value = |file: &LimitsFile| table(file).remove(key);
        let before = policy.to_file().ceilings;
        let after = combine!(before, self.ceilings, least);
        value(&before) != value(&after)
    }
}

/// The limits that are named, by their keys.
pub(crate) fn table(limits: &LimitsFile) -> toml::Table {
    toml::Table::try_from(limits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use palisade::policy::ByteSize;

    use super::*;

    fn host(defaults: Option<ByteSize>, ceilings: Option<ByteSize>) -> HostLimits {
        let of = |memory| LimitsFile {
            memory,
            ..LimitsFile::default()
        };
        HostLimits {
            defaults: of(defaults),
            ceilings: of(ceilings),
        }
    }

    #[test]
    fn a_ceiling_lowers_ceilings_and_defaults_and_raises_none() {
        let gib = ByteSize::from_gib(1);
        let policy = host(None, Some(gib)).apply(Policy::standard()).unwrap();
        assert_eq!((policy.defaults().memory, policy.ceilings().memory), (gib, gib));
        assert_eq!(policy.defaults().time, Policy::standard().defaults().time);

        let strict = host(None, Some(ByteSize::from_gib(100)))
            .apply(Policy::strict())
            .unwrap();
        assert_eq!(strict, Policy::strict());
    }

    #[test]
    fn a_default_stays_below_the_policys_ceiling() {
        let mib = ByteSize::from_mib(3);
        let policy = host(Some(mib), None).apply(Policy::standard()).unwrap();
        assert_eq!(policy.defaults().memory, mib);
        let strict = host(Some(ByteSize::from_gib(100)), None)
            .apply(Policy::strict())
            .unwrap();
        assert_eq!(strict.defaults(), Policy::strict().defaults());
    }

    #[test]
    fn a_ceiling_that_nothing_enforces_is_an_error() {
        let fuel = LimitsFile {
            fuel: Some(FuelLimit::AtMost(1)),
            ..LimitsFile::default()
        };
        let ceiling = HostLimits {
            ceilings: fuel.clone(),
            ..HostLimits::default()
        };
        assert!(ceiling.apply(Policy::trusted()).is_err());
        let default = HostLimits {
            defaults: fuel,
            ..HostLimits::default()
        };
        assert!(default.apply(Policy::trusted()).is_ok());
    }

    #[test]
    fn it_knows_whose_ceiling_was_met() {
        let host = host(None, Some(ByteSize::from_gib(1)));
        assert!(host.lowers("ceilings.memory", &Policy::standard()));
        assert!(!host.lowers("ceilings.memory", &Policy::strict()));
        assert!(!host.lowers("ceilings.time", &Policy::standard()));
        assert!(!host.lowers("env.allow", &Policy::standard()));
    }
}
