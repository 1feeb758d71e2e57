use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ByteSize, CpuShare, fuel, time};

/// What one sandbox, and each process in it, may use.
///
/// `Limits::default()` has what a policy file without `[limits]` gives. Serde writes the values as people do:
/// `"2 GiB"`, `"5m"`, `"unlimited"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memories and tables of all the sandbox's instances together, and what the host holds for them.
    /// Default: 2 GiB.
    pub memory: ByteSize,
    /// Instructions that each process may execute, host calls charged too; `None`: as many as time allows.
    /// Default: `None`.
    #[serde(with = "fuel::as_option")]
    pub fuel: Option<u64>,
    /// Wall-clock time of each process, waiting included. Default: 5 minutes.
    #[serde(with = "time::as_text")]
    pub time: Duration,
    /// How much of a core the sandbox's processes may use together, over any longer while. Default: 1 core.
    pub cpu: CpuShare,
    /// Bytes in the sandbox's files. Default: 10 GiB.
    pub disk: ByteSize,
    /// Names in the sandbox's directories. Default: 1,000,000.
    pub files: u64,
    /// Processes at one time. Default: 50.
    pub processes: u32,
    /// Open files and directories of all processes together. Default: 1,024.
    pub handles: u32,
    /// Bytes of standard output and standard error of each process together. Default: 64 MiB.
    pub output: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::from_gib(2),
            fuel: None,
            time: Duration::from_secs(5 * 60),
            cpu: CpuShare::from_millicores(1_000),
            disk: ByteSize::from_gib(10),
            files: 1_000_000,
            processes: 50,
            handles: 1_024,
            output: ByteSize::from_mib(64),
        }
    }
}

/// Limits as somebody asks for them, in the units of [`Limits`]; what is left out is the policy's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsRequest {
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Instructions of each process. There is no way to ask for unlimited ones; a policy may give them by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Wall-clock time of each process.
    #[serde(skip_serializing_if = "Option::is_none", with = "time::as_optional_text")]
    pub time: Option<Duration>,
    /// Share of processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuShare>,
    /// Bytes in files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// Names in directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// Processes at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files and directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u32>,
    /// Bytes of standard output and standard error of each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_people_write_them() {
        let written = toml::to_string(&Limits::default()).unwrap();
        let expected = "memory = \"2 GiB\"\nfuel = \"unlimited\"\ntime = \"5m\"\ncpu = 1.0\ndisk = \"10 GiB\"\n\
                        files = 1000000\nprocesses = 50\nhandles = 1024\noutput = \"64 MiB\"\n";
        assert_eq!(written, expected);
        assert_eq!(toml::from_str::<Limits>(&written).unwrap(), Limits::default());
    }

    #[test]
    fn a_request_names_only_what_it_asks_for() {
        let request = LimitsRequest {
            time: Some(Duration::from_secs(90)),
            ..LimitsRequest::default()
        };
        let json = serde_json::to_string(&request).unwrap();
        assert_eq!(json, r#"{"time":"1m 30s"}"#);
        assert_eq!(serde_json::from_str::<LimitsRequest>(&json).unwrap(), request);
        assert!(serde_json::from_str::<LimitsRequest>(r#"{"memroy":1}"#).is_err());
    }
}
