//! How a program ended and what it used.

use std::fmt;
use std::time::Duration;

use palisade_policy::{ByteSize, Denial, Limits};

use crate::Limit;

/// The result of one program or call: its ending, what it used, what it was refused, and its captured output.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What a function returned, or the error which it reported; `None` where it returns nothing, or did not return.
    pub value: Option<serde_json::Value>,
    /// What it used.
    pub usage: Usage,
    /// Limits which refused the guest something, the latest last; it may have gone on after that.
    pub limits_hit: Vec<Limit>,
    /// What it was limited to when it was started.
    pub limits: Limits,
    /// What the guest tried and was not granted, without repeats; at most 32 are kept.
    pub denials: Vec<Denial>,
    /// Denials beyond those kept.
    pub more_denials: u64,
    /// Standard output, where [`Output::Capture`](crate::Output::Capture) was asked for; otherwise empty.
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// Whether the program ended by itself with code 0, or the function returned without an error.
    pub fn is_success(&self) -> bool {
        self.ending.kind() == EndingKind::Success
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with the low eight bits of its exit code, as POSIX has it.
    Exited(u8),
    /// By returning from the function that was called.
    Returned,
    /// By returning an error from it: the `error` of a `result`.
    Failed,
    /// By a trap of its own making: an `unreachable`, a bad memory access, a stack that overflowed.
    Trapped(String),
    /// Because it passed a limit, or trapped after one refused it something.
    LimitReached(Limit),
    /// Because somebody ended it: a kill, or its sandbox's stop.
    Killed,
}

/// How a program ended, without what is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndingKind {
    /// By itself with code 0, or by returning without an error.
    Success,
    /// By itself with another code, or by returning an error.
    Failure,
    /// By a trap.
    Trapped,
    /// By a limit.
    LimitReached,
    /// By somebody.
    Killed,
}

impl EndingKind {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Failure,
        Self::Trapped,
        Self::LimitReached,
        Self::Killed,
    ];
}

impl fmt::Display for EndingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Trapped => "trapped",
            Self::LimitReached => "limit-reached",
            Self::Killed => "killed",
        })
    }
}

impl Ending {
    /// Which kind of ending it is.
    pub fn kind(&self) -> EndingKind {
        match self {
            Self::Exited(0) | Self::Returned => EndingKind::Success,
            Self::Exited(_) | Self::Failed => EndingKind::Failure,
            Self::Trapped(_) => EndingKind::Trapped,
            Self::LimitReached(_) => EndingKind::LimitReached,
            Self::Killed => EndingKind::Killed,
        }
    }
}

/// What one program used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Units of fuel, about one per instruction, 1,000 per host call, and one for each element of a table or byte of a
    /// memory that an instruction is told to handle, whether or not it can; `None` where fuel is not metered, or where
    /// it was more than can be counted. Exact where the program ended by itself or by its fuel, otherwise up to
    /// 10 million short.
    pub fuel: Option<u64>,
    /// Processor time of the host spent on it, its host calls included.
    pub host_time: Duration,
    /// Wall-clock time from start to end.
    pub elapsed: Duration,
    /// The most that its memories and tables held at one time.
    pub peak_memory: ByteSize,
    /// Bytes it read from files and standard input.
    pub read: ByteSize,
    /// Bytes it wrote to files, standard output and standard error.
    pub written: ByteSize,
}

impl Usage {
    /// What was used since `before`; the peak of memory is that of all the time.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let bytes =
            |now: ByteSize, before: ByteSize| ByteSize::from_bytes(now.as_bytes().saturating_sub(before.as_bytes()));
        Self {
            fuel: self.fuel.map(|now| now.saturating_sub(before.fuel.unwrap_or(0))),
            host_time: self.host_time.saturating_sub(before.host_time),
            elapsed: self.elapsed.saturating_sub(before.elapsed),
            peak_memory: self.peak_memory,
            read: bytes(self.read, before.read),
            written: bytes(self.written, before.written),
        }
    }
}
