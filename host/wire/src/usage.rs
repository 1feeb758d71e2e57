//! What sandboxes use and have used.

use serde::{Deserialize, Serialize};

/// What is used now, was used lately, and has been used in all.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsageHistory {
    /// The time between two points, but for the last.
    pub interval_seconds: u64,
    /// One to 60 points, the oldest first; the last is of now.
    pub history: Vec<UsagePoint>,
    /// What was used in all.
    pub totals: UsageTotals,
}

/// What was used at one time, and on the way to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsagePoint {
    /// In RFC 3339.
    pub at: String,
    /// Processor time for each second since the point before.
    pub cpu_cores: f64,
    /// Bytes read from files and standard input for each second since then.
    pub read_bytes_per_second: u64,
    /// Bytes written to files, standard output and standard error likewise.
    pub written_bytes_per_second: u64,
    /// Memory of instances, and what the host holds for them.
    pub memory_bytes: u64,
    /// Bytes in files of sandboxes.
    pub disk_bytes: u64,
    /// Processes which ran.
    pub processes: u32,
    /// Sandboxes which there were; absent where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxes: Option<u32>,
}

/// What has been used since the sandbox was made, or the server started.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UsageTotals {
    /// Processor time.
    pub cpu_seconds: f64,
    /// Units of fuel, where the policy has it metered.
    pub fuel: u64,
    /// Bytes read from files and standard input.
    pub read_bytes: u64,
    /// Bytes written to files, standard output and standard error.
    pub written_bytes: u64,
    /// Processes which came to an end.
    pub processes_ended: u64,
    /// What guests and callers were not granted.
    pub denials: u64,
    /// Limits which refused something, or ended a process.
    pub limits_hit: u64,
}
