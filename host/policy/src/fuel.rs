use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many instructions a process may execute; written as an integer or as `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FuelLimit {
    /// No more than these.
    AtMost(u64),
    /// As many as the time limit allows.
    Unlimited,
}

/// A text which is no [`FuelLimit`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fuel limit: write a number of instructions or `unlimited`")]
pub struct InvalidFuelLimit(String);

/// `None` is unlimited, as in [`Limits::fuel`](crate::Limits::fuel).
impl From<Option<u64>> for FuelLimit {
    fn from(fuel: Option<u64>) -> Self {
        fuel.map_or(Self::Unlimited, Self::AtMost)
    }
}

impl From<FuelLimit> for Option<u64> {
    fn from(limit: FuelLimit) -> Self {
        match limit {
            FuelLimit::AtMost(fuel) => Some(fuel),
            FuelLimit::Unlimited => None,
        }
    }
}

impl FromStr for FuelLimit {
    type Err = InvalidFuelLimit;

    fn from_str(text: &str) -> Result<Self, InvalidFuelLimit> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let invalid = |_| InvalidFuelLimit(text.chars().take(64).collect());
        text.parse().map(Self::AtMost).map_err(invalid)
    }
}

impl fmt::Display for FuelLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(fuel) => write!(f, "{fuel}"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// TOML has no integers above `i64::MAX`, so a larger limit is written as a string of digits.
impl Serialize for FuelLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtMost(fuel) if i64::try_from(*fuel).is_ok() => serializer.serialize_u64(*fuel),
            Self::AtMost(_) | Self::Unlimited => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for FuelLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FuelVisitor)
    }
}

struct FuelVisitor;

impl de::Visitor<'_> for FuelVisitor {
    type Value = FuelLimit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of instructions or \"unlimited\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FuelLimit, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, fuel: u64) -> Result<FuelLimit, E> {
        Ok(FuelLimit::AtMost(fuel))
    }

    fn visit_i64<E: de::Error>(self, fuel: i64) -> Result<FuelLimit, E> {
        let unexpected = || E::invalid_value(de::Unexpected::Signed(fuel), &self);
        u64::try_from(fuel).map(FuelLimit::AtMost).map_err(|_| unexpected())
    }
}

/// For a field of type `Option<u64>` which is a [`FuelLimit`].
pub(crate) mod as_option {
    use super::{Deserialize, Deserializer, FuelLimit, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(fuel: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        FuelLimit::from(*fuel).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        FuelLimit::deserialize(from).map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlimited_is_more_than_any_number() {
        assert!(FuelLimit::Unlimited > FuelLimit::AtMost(u64::MAX));
        assert!(FuelLimit::AtMost(2) > FuelLimit::AtMost(1));
    }

    #[test]
    fn what_is_written_reads_back() {
        for fuel in [FuelLimit::AtMost(0), FuelLimit::AtMost(u64::MAX), FuelLimit::Unlimited] {
            let json = serde_json::to_string(&fuel).unwrap();
            assert_eq!(serde_json::from_str::<FuelLimit>(&json).unwrap(), fuel, "{json}");
            assert_eq!(fuel.to_string().parse(), Ok(fuel));
        }
        for json in ["-1", "\"lots\"", "1.5", "null"] {
            assert!(serde_json::from_str::<FuelLimit>(json).is_err(), "{json}");
        }
    }
}
