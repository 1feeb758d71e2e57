use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One name, or all that start alike. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    Name(String),
    Prefix(String),
}

impl Pattern {
    /// Reads `LANG`, `APP_*` or `*`; `flaw` says what is wrong with a name.
    pub(super) fn parse(pattern: &str, flaw: impl Fn(&str) -> Option<&'static str>) -> Result<Self, InvalidPattern> {
        let invalid = |reason| InvalidPattern {
            pattern: pattern.chars().take(64).collect(),
            reason,
        };
        let prefix = pattern.strip_suffix('*');
        let name = prefix.unwrap_or(pattern);
        if name.contains('*') {
            return Err(invalid("a `*` may only be its last character"));
        }
        match (prefix, flaw(name)) {
            (Some(""), _) => Ok(Self::Prefix(String::new())),
            (_, Some(reason)) => Err(invalid(reason)),
            (Some(_), None) => Ok(Self::Prefix(name.to_owned())),
            (None, None) => Ok(Self::Name(name.to_owned())),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(known) => name == known,
            // Comparing nothing with a string that has no memory takes a tenth of a microsecond.
            Self::Prefix(start) => start.is_empty() || name.starts_with(start.as_str()),
        }
    }

    /// The narrowest pattern which matches `name` and can be written: none spells a `*` or a control character.
    pub(super) fn narrowest(name: &str) -> Self {
        let unwritable = |c: char| c == '*' || c.is_control();
        match name.find(unwritable) {
            Some(end) => Self::Prefix(name[..end].to_owned()),
            None if name.is_empty() => Self::Prefix(String::new()),
            None => Self::Name(name.to_owned()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Prefix(start) => write!(f, "{start}*"),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is wrong with a pattern, whatever it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidPattern {
    pub(super) pattern: String,
    pub(super) reason: &'static str,
}

/// Names of tools or of their functions: one (`files`), or all that start alike (`data-*`; `*` is all there are).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct NamePattern(Pattern);

/// A text which is no [`NamePattern`], and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} is not a pattern of names: {}", .0.pattern, .0.reason)]
pub struct InvalidNamePattern(InvalidPattern);

impl NamePattern {
    /// The pattern of all names, `*`.
    pub(super) fn all() -> Self {
        Self(Pattern::Prefix(String::new()))
    }

    /// The narrowest pattern which matches `name`.
    pub(super) fn narrowest(name: &str) -> Self {
        Self(Pattern::narrowest(name))
    }

    /// Whether `name` is one of them. Case matters.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    /// How exact it is. Of two patterns which match one name, the more exact one matches fewer names.
    pub(super) fn exactness(&self) -> usize {
        match &self.0 {
            Pattern::Name(_) => usize::MAX,
            Pattern::Prefix(start) => start.len(),
        }
    }
}

impl FromStr for NamePattern {
    type Err = InvalidNamePattern;

    fn from_str(pattern: &str) -> Result<Self, InvalidNamePattern> {
        Pattern::parse(pattern, name_flaw).map(Self).map_err(InvalidNamePattern)
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What no name can be, of whatever it is the name.
pub(super) fn name_flaw(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a name has at least one character")
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
            ("files", "files", true),
            ("files", "files2", false),
            ("files", "Files", false),
            ("data-*", "data-json", true),
            ("data-*", "data-", true),
            ("data-*", "data", false),
            ("*", "anything", true),
        ] {
            let parsed: NamePattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(name), matches, "{pattern} {name}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn what_spells_no_name_is_no_pattern() {
        for pattern in ["", "*-json", "a**", "a*b", "a\0", "a\n*"] {
            assert!(pattern.parse::<NamePattern>().is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn the_narrowest_pattern_can_be_written_and_matches_whatever_the_name() {
        for name in ["a", "a*b", "*", "", "a\nb", "\0"] {
            let pattern = NamePattern::narrowest(name);
            assert!(pattern.matches(name));
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }
}
