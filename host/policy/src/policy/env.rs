use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Denial;
use crate::file::EnvFile;
use crate::problem::Problems;
use crate::spelling::{member, quoted};

/// Names of environment variables: one (`LANG`), or all that start alike (`APP_*`; `*` is all there are).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvPattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pattern {
    Name(String),
    Prefix(String),
}

/// A text which is no [`EnvPattern`], and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a pattern of variable names: {reason}")]
pub struct InvalidEnvPattern {
    pattern: String,
    reason: &'static str,
}

impl EnvPattern {
    /// Whether the variable `name` is one of them. Case matters.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Pattern::Name(known) => name == known,
            Pattern::Prefix(start) => name.starts_with(start.as_str()),
        }
    }

    /// The narrowest pattern which matches `name`; patterns cannot spell a name with a `*` in it.
    fn narrowest(name: &str) -> Self {
        Self(match name.split_once('*') {
            Some((start, _)) => Pattern::Prefix(start.to_owned()),
            None => Pattern::Name(name.to_owned()),
        })
    }
}

impl FromStr for EnvPattern {
    type Err = InvalidEnvPattern;

    fn from_str(pattern: &str) -> Result<Self, InvalidEnvPattern> {
        let invalid = |reason| InvalidEnvPattern {
            pattern: pattern.chars().take(64).collect(),
            reason,
        };
        let prefix = pattern.strip_suffix('*');
        let name = prefix.unwrap_or(pattern);
        if name.contains('*') {
            return Err(invalid("a `*` may only be its last character"));
        }
        match (prefix, name_flaw(name)) {
            (Some(""), _) => Ok(Self(Pattern::Prefix(String::new()))),
            (_, Some(reason)) => Err(invalid(reason)),
            (Some(_), None) => Ok(Self(Pattern::Prefix(name.to_owned()))),
            (None, None) => Ok(Self(Pattern::Name(name.to_owned()))),
        }
    }
}

impl fmt::Display for EnvPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Name(name) => f.write_str(name),
            Pattern::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

impl Serialize for EnvPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
    let pattern = quoted(&EnvPattern::narrowest(name).to_string());
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
    if name.is_empty() {
        Some("a name has at least one character")
    } else if name.contains('=') {
        Some("a name has no `=`")
    } else if name.chars().any(char::is_control) {
        Some("a name has no control characters")
    } else {
        None
    }
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

    #[test]
    fn the_narrowest_pattern_matches_even_a_star() {
        for name in ["A", "A*B", "*"] {
            let pattern = EnvPattern::narrowest(name);
            assert!(pattern.matches(name));
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }
}
