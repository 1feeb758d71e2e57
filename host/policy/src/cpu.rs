use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A share of processor time in thousandths of a core: 250 is a quarter of one core, 2000 is two cores.
///
/// People write it as a number of cores, `0.25` or `2`, with three decimals at most; serde does the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuShare(u32);

/// A number which is no [`CpuShare`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a number of cores: write one such as 0.25 or 2, in thousandths at the finest")]
pub struct InvalidCpuShare(String);

impl CpuShare {
    /// A share in thousandths of a core.
    pub const fn from_millicores(millicores: u32) -> Self {
        Self(millicores)
    }

    /// The share in thousandths of a core.
    pub const fn as_millicores(self) -> u32 {
        self.0
    }
}

impl FromStr for CpuShare {
    type Err = InvalidCpuShare;

    fn from_str(text: &str) -> Result<Self, InvalidCpuShare> {
        parse(text.trim()).ok_or_else(|| InvalidCpuShare(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<CpuShare> {
    let (cores, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if decimals.is_empty() || decimals.len() > 3 || !digits_only(cores) || !digits_only(decimals) {
        return None;
    }
    let millicores = format!("{decimals:0<3}").parse::<u32>().ok()?;
    let whole = cores.parse::<u32>().ok()?.checked_mul(1_000)?;
    whole.checked_add(millicores).map(CpuShare)
}

/// A number of cores without needless zeros: `2`, `0.25`.
impl fmt::Display for CpuShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_cores())
    }
}

impl CpuShare {
    /// Its shortest decimal form has three decimals at most, for 32 bits fit a double with room to spare.
    fn as_cores(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

impl Serialize for CpuShare {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_cores())
    }
}

impl<'de> Deserialize<'de> for CpuShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CoresVisitor)
    }
}

struct CoresVisitor;

impl de::Visitor<'_> for CoresVisitor {
    type Value = CpuShare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of cores such as 0.25")
    }

    fn visit_f64<E: de::Error>(self, cores: f64) -> Result<CpuShare, E> {
        cores.to_string().parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, cores: u64) -> Result<CpuShare, E> {
        cores.to_string().parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, cores: i64) -> Result<CpuShare, E> {
        cores.to_string().parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_as_a_number_of_cores() {
        for (millicores, json) in [
            (0, "0.0"),
            (1, "0.001"),
            (250, "0.25"),
            (1_000, "1.0"),
            (64_000, "64.0"),
        ] {
            let share = CpuShare::from_millicores(millicores);
            assert_eq!(serde_json::to_string(&share).unwrap(), json);
            assert_eq!(serde_json::from_str::<CpuShare>(json).unwrap(), share);
        }
        assert_eq!(serde_json::from_str::<CpuShare>("2").unwrap().as_millicores(), 2_000);
    }

    #[test]
    fn what_is_no_number_of_cores_is_refused() {
        for text in [
            "", ".", "1.", ".5", "0.0001", "-1", "+1", "1e3", "250m", "NaN", "inf", "4294968",
        ] {
            assert!(text.parse::<CpuShare>().is_err(), "{text:?}");
        }
        for json in ["-1", "0.0005", "1e300", "\"1\""] {
            assert!(serde_json::from_str::<CpuShare>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_exactly(millicores: u32) {
            let share = CpuShare::from_millicores(millicores);
            prop_assert_eq!(share.to_string().parse::<CpuShare>(), Ok(share));
            let json = serde_json::to_string(&share).unwrap();
            prop_assert_eq!(serde_json::from_str::<CpuShare>(&json).unwrap(), share);
        }
    }
}
