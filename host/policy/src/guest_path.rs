use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A place in a guest's file tree, as somebody spelled it and as it is meant: `data`, `./data/` and `/data` are one
/// place. It has no `..`, no control characters, and no empty components.
///
/// Equality is of the spelling too; compare [`components`](Self::components) to ask whether two are one place.
/// Serde reads and writes the spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestPath {
    spelled: String,
    components: Vec<String>,
}

/// A text which is no [`GuestPath`], and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a path in a guest: {reason}")]
pub struct InvalidGuestPath {
    path: String,
    reason: &'static str,
}

/// The longest name that Linux file systems take, in bytes.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;

impl GuestPath {
    /// The path as its author wrote it; WASI programs look for a preopened directory by this name.
    pub fn spelled(&self) -> &str {
        &self.spelled
    }

    /// The names from the root down; empty for the root.
    pub fn components(&self) -> &[String] {
        &self.components
    }

    /// Whether it is the place `ancestor` or below it, name by name: `/data2` is not below `/data`.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.components.starts_with(&ancestor.components)
    }
}

impl FromStr for GuestPath {
    type Err = InvalidGuestPath;

    fn from_str(path: &str) -> Result<Self, InvalidGuestPath> {
        let invalid = |reason| InvalidGuestPath {
            path: path.chars().take(200).collect(),
            reason,
        };
        if path.is_empty() {
            return Err(invalid("it is empty"));
        }
        if path.len() > PATH_MAX {
            return Err(invalid("it is longer than 4,096 bytes"));
        }
        if path.chars().any(char::is_control) {
            return Err(invalid("it has a control character"));
        }
        let named = |name: &&str| !matches!(*name, "" | ".");
        let components: Vec<String> = path.split('/').filter(named).map(String::from).collect();
        if components.iter().any(|name| name == "..") {
            return Err(invalid("`..` has no place in it"));
        }
        if components.iter().any(|name| name.len() > NAME_MAX) {
            return Err(invalid("a name in it is longer than 255 bytes"));
        }
        Ok(Self {
            spelled: path.to_owned(),
            components,
        })
    }
}

/// The normal form, which starts with `/`.
impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.components.is_empty() {
            return f.write_str("/");
        }
        self.components.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

impl Serialize for GuestPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.spelled)
    }
}

impl<'de> Deserialize<'de> for GuestPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(path: &str) -> GuestPath {
        path.parse().unwrap()
    }

    #[test]
    fn one_place_has_many_spellings_and_one_normal_form() {
        for (spelled, normal) in [
            ("data", "/data"),
            ("./data/", "/data"),
            ("//data//sub/.", "/data/sub"),
            ("/", "/"),
            (".", "/"),
            ("/...", "/..."),
        ] {
            assert_eq!(guest(spelled).to_string(), normal);
            assert_eq!(guest(spelled).spelled(), spelled);
        }
    }

    #[test]
    fn paths_which_lead_elsewhere_are_refused() {
        let long_name = format!("/{}", "n".repeat(256));
        let long_path = "/n".repeat(2_049);
        for path in ["", "..", "/data/../etc", "a/..", "a\0b", "a\nb", &long_name, &long_path] {
            assert!(path.parse::<GuestPath>().is_err(), "{path:?}");
        }
    }

    #[test]
    fn being_within_is_judged_name_by_name() {
        assert!(guest("/data/sub").is_within(&guest("data")));
        assert!(guest("/data").is_within(&guest("/data/")));
        assert!(guest("/data").is_within(&guest("/")));
        assert!(!guest("/data2").is_within(&guest("/data")));
        assert!(!guest("/").is_within(&guest("/data")));
    }

    #[test]
    fn serde_keeps_the_spelling() {
        let json = serde_json::to_string(&guest("./data/")).unwrap();
        assert_eq!(json, "\"./data/\"");
        assert_eq!(serde_json::from_str::<GuestPath>(&json).unwrap(), guest("./data/"));
        assert!(serde_json::from_str::<GuestPath>("\"../x\"").is_err());
    }
}
