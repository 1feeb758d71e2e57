//! What happens in sandboxes, as it is told while it does.

use palisade_policy::Denial;
use serde::{Deserialize, Serialize};

use crate::{Ending, Limit, ProcessUsage, SandboxState};

/// Where a client takes up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// The id of the last event that was seen, for clients which cannot send `Last-Event-ID`. The header counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What happened: the name of a server-sent event, and the object which is its data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are named for what they are")]
pub enum Event {
    /// A sandbox was made.
    SandboxCreated { sandbox: String },
    /// A request for a sandbox, or to one, was refused by its policy.
    RequestDenied {
        sandbox: Option<String>,
        denials: Vec<Denial>,
    },
    /// A sandbox went from one state to another.
    StateChanged {
        sandbox: String,
        from: SandboxState,
        to: SandboxState,
    },
    /// A snapshot of its files was taken.
    SnapshotTaken { sandbox: String, snapshot: String },
    /// Its files, or a part of them, are again what they were in a snapshot.
    RolledBack { sandbox: String, snapshot: String },
    /// A process began.
    ProcessStarted {
        sandbox: String,
        process: u64,
        program: String,
    },
    /// A process ended.
    ProcessEnded {
        sandbox: String,
        process: u64,
        ending: Ending,
        usage: ProcessUsage,
    },
    /// A guest tried what it was not granted.
    GuestDenied {
        sandbox: String,
        process: u64,
        denial: Denial,
    },
    /// A guest logged something. It is the guest's word.
    GuestLogged {
        sandbox: String,
        process: u64,
        level: LogLevel,
        context: String,
        message: String,
    },
    /// A guest told how far it is. It is the guest's word.
    GuestProgressed {
        sandbox: String,
        process: u64,
        done: u64,
        total: Option<u64>,
        message: String,
    },
    /// A limit refused a guest something.
    LimitHit {
        sandbox: String,
        process: u64,
        limit: Limit,
    },
    /// So many events are no longer kept, of all sandboxes; `None`: nobody knows how many.
    Missed { missed: Option<u64> },
}

/// How much a guest's line matters, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "those of WASI")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}
