//! How a program or a call ended.

use std::fmt;
use std::time::Duration;

use palisade_policy::{Denial, Limits};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::printed;

/// How a program or a call ended and what it used. What the guest says in it is not to be trusted. What was printed,
/// where that is told here, is in `stdout` and `stderr`; what is no text, or mostly control characters, in base64 in
/// `stdout_base64` and `stderr_base64`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OutcomeBody {
    /// What the guest tried and was not granted, without repeats.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub denials: Vec<Denial>,
    /// How it ended: `{"exited": CODE}`, `returned`, `failed`, `{"trapped": WHY}`, `{"limit-reached": LIMIT}` or `killed`.
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub ending: Ending,
    /// What it was limited to when it was started; told where it met a limit.
    #[cfg_attr(feature = "schema", schema(value_type = Object, required = false))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Limits which refused the guest something, the latest last.
    pub limits_hit: Vec<Limit>,
    /// Denials beyond those which are told.
    pub more_denials: u64,
    /// What it printed to standard error, where that is told here: a string, or `stderr_base64`.
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[serde(flatten, with = "printed::stderr")]
    pub stderr: Option<Vec<u8>>,
    /// What it printed, where that is told here: a string, or `stdout_base64` for what is no text or mostly control
    /// characters.
    #[cfg_attr(feature = "schema", schema(ignore))]
    #[serde(flatten, with = "printed::stdout")]
    pub stdout: Option<Vec<u8>>,
    /// What it used.
    pub usage: ProcessUsage,
    /// What a function returned, or the error which it reported; absent where it returned nothing.
    #[cfg_attr(feature = "schema", schema(value_type = Value, required = false))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub value: Option<Value>,
}

/// `null` is a value here.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl OutcomeBody {
    /// Whether the program ended by itself with code 0, or the function returned without an error.
    pub fn is_success(&self) -> bool {
        matches!(self.ending, Ending::Exited(0) | Ending::Returned)
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ending {
    /// By itself, with this code.
    Exited(u8),
    /// By returning from the function that was called.
    Returned,
    /// By returning an error from it.
    Failed,
    /// By a trap of its own making.
    Trapped(String),
    /// Because it passed a limit.
    LimitReached(Limit),
    /// Because somebody ended it.
    Killed,
    /// In a way which this version does not know.
    #[serde(untagged)]
    Unknown(Value),
}

/// One of the things that are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Limit {
    /// Memory.
    Memory,
    /// Instructions and host calls.
    Fuel,
    /// Wall-clock time.
    Time,
    /// Bytes which are printed.
    Output,
    /// Bytes in files.
    Disk,
    /// Names in directories.
    Files,
    /// Open files and directories.
    Handles,
    /// One which this version does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Fuel => "fuel",
            Self::Time => "time",
            Self::Output => "output",
            Self::Disk => "disk",
            Self::Files => "files",
            Self::Handles => "handles",
            Self::Unknown => "unknown",
        })
    }
}

/// What one program or call used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProcessUsage {
    /// Wall-clock time from start to end.
    pub elapsed_ms: f64,
    /// Units of fuel; `null` where they are not counted.
    pub fuel: Option<u64>,
    /// Processor time of the host.
    pub host_time_ms: f64,
    /// The most memory that it held at one time.
    pub peak_memory_bytes: u64,
    /// Bytes it read from files and standard input.
    pub read_bytes: u64,
    /// Bytes it wrote to files, standard output and standard error.
    pub written_bytes: u64,
}

impl ProcessUsage {
    /// Wall-clock time from start to end.
    pub fn elapsed(&self) -> Duration {
        of_milliseconds(self.elapsed_ms)
    }

    /// Processor time of the host.
    pub fn host_time(&self) -> Duration {
        of_milliseconds(self.host_time_ms)
    }
}

/// What is no time counts as none.
fn of_milliseconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time / 1e3).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome() -> Value {
        json!({
            "denials": [], "ending": "killed", "limits_hit": ["time"], "more_denials": 0,
            "usage": { "elapsed_ms": 1.5, "fuel": null, "host_time_ms": 0.25, "peak_memory_bytes": 1,
                       "read_bytes": 2, "written_bytes": 3 },
        })
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        for (name, value) in [
            ("value", json!(null)),
            ("value", json!({"a": [1.5, null]})),
            ("stdout", json!("text")),
            ("stderr_base64", json!("/w==")),
            ("ending", json!({"exited": 3})),
            ("ending", json!({"trapped": "why"})),
            ("ending", json!({"limit-reached": "fuel"})),
            ("ending", json!({"vanished": 1})),
        ] {
            let mut written = outcome();
            written[name] = value;
            let read: OutcomeBody = serde_json::from_value(written.clone()).expect("it is an outcome");
            assert_eq!(serde_json::to_value(read).expect("it is written"), written);
        }
        let absent: OutcomeBody = serde_json::from_value(outcome()).expect("it is an outcome");
        assert!(absent.value.is_none() && absent.stdout.is_none());
        assert_eq!(absent.usage.elapsed(), Duration::from_micros(1_500));
    }

    #[test]
    fn what_a_newer_server_says_is_left_out_and_what_is_wrong_is_an_error() {
        let mut newer = outcome();
        newer["snapshot"] = json!("x");
        newer["usage"]["network_bytes"] = json!(1);
        newer["limits_hit"] = json!(["bandwidth"]);
        let read: OutcomeBody = serde_json::from_value(newer).expect("it is an outcome");
        assert_eq!(read.limits_hit, [Limit::Unknown]);
        let mut wrong = outcome();
        wrong["stdout_base64"] = json!("!");
        assert!(serde_json::from_value::<OutcomeBody>(wrong).is_err());
    }
}
