//! What the HTTP endpoint of palisade takes and gives: one set of types for the server and its clients.
//!
//! ```
//! use palisade_wire::{Ending, OutcomeBody};
//!
//! # fn example() -> serde_json::Result<()> {
//! let text = r#"{"denials": [], "ending": {"exited": 3}, "limits_hit": [], "more_denials": 0, "new": true,
//!     "usage": {"elapsed_ms": 1.5, "fuel": 7, "host_time_ms": 0.5, "peak_memory_bytes": 9, "read_bytes": 0,
//!     "written_bytes": 2}, "stdout": "hi"}"#;
//! let outcome: OutcomeBody = serde_json::from_str(text)?;
//! assert_eq!(outcome.ending, Ending::Exited(3));
//! assert_eq!(outcome.stdout.as_deref(), Some(&b"hi"[..]));
//! # Ok(())
//! # }
//! # example().unwrap();
//! ```
//!
//! Requests are read strictly: a field which is not known is an error. Answers are read leniently, so that a client
//! understands a server which is newer than it: fields which it does not know are left out, and values of enumerations
//! are `Unknown`.
//!
//! The feature `schema` has the types describe themselves for the OpenAPI document.

#![forbid(unsafe_code)]

mod call;
mod error;
mod event;
mod file;
mod key;
mod named;
mod outcome;
mod policy;
mod printed;
mod process;
mod sandbox;
mod session;
mod snapshot;
mod tool;
mod usage;

pub use call::{BytesForm, CallBody, Ended};
pub use error::{ErrorBody, Kind};
pub use event::{Event, LogLevel, Since};
pub use file::{At, DirectoryRequest, FileBody, FileKind, FilePage, ListRequest, MoveRequest, NameBody, PutRequest};
pub use key::{AboutBody, InvalidRole, KeyBody, KeyList, KeyRequest, NewKeyBody, Role};
pub use named::Named;
pub use outcome::{Ending, Limit, OutcomeBody, ProcessUsage};
pub use policy::{PolicyBody, PolicyLine, PolicyList, PolicyReport};
pub use process::{
    InputRequest, ProcessBody, ProcessEvent, ProcessList, ProcessRequest, ProcessState, Signal, SignalRequest,
    StandardStream, StartedBody, Stdin,
};
pub use sandbox::{PageRequest, SandboxBody, SandboxChange, SandboxPage, SandboxRequest, SandboxState, UsageBody};
pub use session::{SessionBody, SessionCall, SessionList, SessionRequest};
pub use snapshot::{
    CollectionBody, DiffBody, DiffRequest, DifferenceBody, DifferenceKind, Durability, ExpireRequest, ExpiredBody,
    NameTarget, RollbackBody, RollbackRequest, ScrubBody, SnapshotBody, SnapshotChange, SnapshotPage,
    SnapshotPageRequest, SnapshotRequest, TouchedSnapshot, VerificationBody,
};
pub use tool::{AddRequest, FunctionBody, SkippedBody, ToolBody, ToolLine, ToolList};
pub use usage::{UsageHistory, UsagePoint, UsageTotals};
