//! What bounds a sandbox, one enforcer for each limit.

mod counter;
mod cpu;
mod refusals;
mod stopwatch;

use std::fmt;

pub(crate) use counter::{Counter, Lease};
pub(crate) use cpu::CpuMeter;
pub(crate) use refusals::Refusals;
pub(crate) use stopwatch::Stopwatch;

/// One of the things that are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Linear memories, tables, and what the host holds for a guest.
    Memory,
    /// Instructions and host calls.
    Fuel,
    /// Wall-clock time.
    Time,
    /// Bytes of standard output and standard error.
    Output,
    /// Bytes in files.
    Disk,
    /// Names in directories.
    Files,
    /// Open files and directories.
    Handles,
}

impl Limit {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Memory,
        Self::Fuel,
        Self::Time,
        Self::Output,
        Self::Disk,
        Self::Files,
        Self::Handles,
    ];
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
        })
    }
}
