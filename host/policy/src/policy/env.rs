use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::pattern::{self, InvalidPattern, Pattern};
use crate::Denial;
use crate::file::EnvFile;
use crate::problem::Problems;
use crate::spelling::{member, quoted};

/// Names of environment variables: one (`LANG`), or all that start alike (`APP_*`; `*` is all there are).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct EnvPattern(Pattern);

/// A text which is no [`EnvPattern`], and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not a pattern of variable names: {}", .0.pattern, .0.reason)]
pub struct InvalidEnvPattern(InvalidPattern);

impl EnvPattern {
    /// The pattern which matches the variable `name` only; none where no pattern can spell it.
    pub(crate) fn only(name: &str) -> Option<Self> {
        let pattern = name.parse::<Self>().ok()?;
        matches!(pattern.0, Pattern::Name(_)).then_some(pattern)
    }

    /// Whether the variable `name` is one of them. Case matters.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}

impl FromStr for EnvPattern {
    type Err = InvalidEnvPattern;

    fn from_str(pattern: &str) -> Result<Self, InvalidEnvPattern> {
        Pattern::parse(pattern, name_flaw).map(Self).map_err(InvalidEnvPattern)
    }
}

impl fmt::Display for EnvPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for EnvPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Which variables there are, and which a request may set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EnvRules {
    allow: Vec<EnvPattern>,
    set: BTreeMap<String, String>,
}

impl EnvRules {
    pub(super) fn check(file: EnvFile, problems: &mut Problems) -> Self {
        report_flaws(&file.set, "env.set", problems);
        Self {
            allow: file.allow,
            set: file.set,
        }
    }

    pub(super) fn to_file(&self) -> EnvFile {
        EnvFile {
            allow: self.allow.clone(),
            set: self.set.clone(),
        }
    }

    /// The variables of a guest for which `asked` was asked. Naming a variable which the policy sets to the same
    /// value asks for nothing.
    pub(super) fn decide(
        &self,
        asked: &BTreeMap<String, String>,
        denials: &mut Vec<Denial>,
    ) -> BTreeMap<String, String> {
        let mut env = self.set.clone();
        for (name, value) in asked {
            if self.allow.iter().any(|pattern| pattern.matches(name)) {
                env.insert(name.clone(), value.clone());
            } else if self.set.get(name) != Some(value) {
                denials.push(denial(name));
            }
        }
        env
    }
}

fn denial(name: &str) -> Denial {
    let pattern = quoted(&Pattern::narrowest(name).to_string());
    Denial {
        rule: "env.allow".into(),
        asked: format!("environment variable {name}"),
        smallest_grant: format!("env.allow = [{pattern}]"),
    }
}

/// Reports what cannot be in the environment of any process.
pub(super) fn report_flaws(env: &BTreeMap<String, String>, path: &str, problems: &mut Problems) {
    for (name, value) in env {
        let value_flaw = || value.contains('\0').then_some("its value has a NUL character");
        if let Some(flaw) = name_flaw(name).or_else(value_flaw) {
            problems.report(member(path, name), flaw);
        }
    }
}

fn name_flaw(name: &str) -> Option<&'static str> {
    let flaw = || name.contains('=').then_some("a name has no `=`");
    pattern::name_flaw(name).or_else(flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_a_name_or_a_prefix() {
        for (pattern, name, matches) in [
            ("LANG", "LANG", true),
            ("LANG", "LANGUAGE", false),
            ("LANG", "lang", false),
            ("LC_*", "LC_ALL", true),
            ("LC_*", "LC_", true),
            ("LC_*", "LC", false),
            ("*", "ANYTHING", true),
        ] {
            let parsed: EnvPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(name), matches, "{pattern} {name}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn what_names_no_variable_is_no_pattern() {
        for pattern in ["", "A=B", "*_KEY", "A**", "A*B", "A\0", "A\n*", "=*"] {
            assert!(pattern.parse::<EnvPattern>().is_err(), "{pattern:?}");
        }
    }
}
