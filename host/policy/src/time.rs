//! Durations and moments as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment of the wall clock from the year 1970 to 9999, written in UTC: `2026-01-01T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(SystemTime);

/// A text which is no [`WallTime`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a moment in UTC: write one such as `2026-01-01T00:00:00Z`")]
pub struct InvalidWallTime(String);

impl WallTime {
    /// The moment as the standard library has it.
    pub fn as_system_time(self) -> SystemTime {
        self.0
    }
}

impl FromStr for WallTime {
    type Err = InvalidWallTime;

    fn from_str(text: &str) -> Result<Self, InvalidWallTime> {
        let invalid = |_| InvalidWallTime(text.chars().take(64).collect());
        humantime::parse_rfc3339(text).map(Self).map_err(invalid)
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339(self.0).fmt(f)
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A duration which reads and writes itself as `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HumanDuration(pub(crate) Duration);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let invalid = |_| {
            let start: String = text.chars().take(64).collect();
            let hint = "write one such as `500ms`, `30s`, `5m` or `1h 30m`";
            de::Error::custom(format!("{start:?} is not a duration: {hint}"))
        };
        humantime::parse_duration(&text).map(Self).map_err(invalid)
    }
}

/// For a field of type `Duration`.
pub(crate) mod as_text {
    use super::{Deserialize, Deserializer, Duration, HumanDuration, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&HumanDuration(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        HumanDuration::deserialize(from).map(|time| time.0)
    }
}

/// For a field of type `Option<Duration>`.
pub(crate) mod as_optional_text {
    use super::{Deserialize, Deserializer, Duration, HumanDuration, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.collect_str(&HumanDuration(*time)),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<HumanDuration>::deserialize(from)?.map(|time| time.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<HumanDuration, serde_json::Error> {
        serde_json::from_value(serde_json::Value::from(text))
    }

    #[test]
    fn moments_are_in_utc_and_in_range() {
        for text in ["2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z"] {
            let moment: WallTime = text.parse().unwrap();
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        for text in [
            "",
            "2026-01-01",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00+02:00",
            "now",
        ] {
            assert!(text.parse::<WallTime>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(read("1h 30m").unwrap().0, Duration::from_secs(5_400));
        for text in ["", "5", "5 parsecs", "-1s", "99999999999999999999s"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_exactly(seconds: u64, nanos in 0u32..1_000_000_000) {
            let time = Duration::new(seconds, nanos);
            prop_assert_eq!(read(&HumanDuration(time).to_string()).unwrap().0, time);
        }

        #[test]
        fn no_text_makes_them_panic(text in "\\PC{0,30}|[0-9TZ:.-]{0,30}|([0-9]{1,20}[a-z]{1,6} ?){1,3}") {
            let _ = (read(&text), text.parse::<WallTime>());
        }
    }
}
