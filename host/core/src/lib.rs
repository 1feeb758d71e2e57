//! A host for untrusted WebAssembly programs: each runs in a sandbox with its own files, environment, grants and limits.
//!
//! ```no_run
//! use palisade::policy::{Access, Policy};
//! use palisade::{Command, Host, HostConfig, Output, Program, SandboxSpec};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::open(HostConfig::new("/var/lib/my-service"))?;
//! let spec = SandboxSpec::new(Policy::standard()).mount("/srv/corpus", "/data".parse()?, Access::ReadOnly);
//! let sandbox = host.create(spec)?;
//!
//! let program = Program::from_file("rg.wasm")?;
//! let command = Command::new(&program).args(["-c", "needle", "/data"]).stdout(Output::Capture);
//! let outcome = sandbox.run(command).await?;
//! println!("{:?} after {:?}", outcome.ending, outcome.usage);
//!
//! sandbox.destroy().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # The types to know
//!
//! | type | is |
//! | --- | --- |
//! | [`Host`] | what lives long: engines, the state directory, the sandboxes, their [`Events`] |
//! | [`SandboxSpec`] | what a caller asks for; a [`Policy`](policy::Policy) grants it or says why not |
//! | [`Sandbox`] | a [`Workspace`] of files, an environment, limits, and the processes which share them |
//! | [`Program`], [`Command`] | a wasm file; one run of it |
//! | [`Tools`], [`Tool`], [`Call`] | the registry of components whose functions are called by name; one; one call |
//! | [`Session`] | an instance of a tool which is kept between calls |
//! | [`Plugin`] | a component which is called with Rust's own types, and may call functions of yours |
//! | [`Outcome`] | how a program or call ended, what it used, what it was refused |
//! | [`Totals`] | what all programs and calls of a sandbox, or of the host, have used |
//!
//! A guest which misbehaves is an [`Outcome`]. An [`Error`] is the caller's or the host's doing.
//!
//! # What it does not do
//!
//! There is no network for guests, and no threads. It needs Linux and a tokio
//! runtime with time enabled. A guest which computes takes its thread for up to 10 ms at a time: give guests a runtime
//! with several workers, or one of their own, where other tasks must answer sooner than that.
//!
//! # Features
//!
//! `testing` adds a host whose programs are told what to do, for tests of what is built on this.

mod admission;
mod backend;
mod error;
mod events;
mod host;
mod ids;
mod lifecycle;
mod limits;
mod outcome;
mod process;
mod program;
mod record;
mod sandbox;
mod session;
pub mod snapshots;
mod spec;
mod state_dir;
mod stdio;
mod supervise;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod tool;
mod totals;
mod workspace;

/// The engine, for the bindings of plug-ins: `bindgen!` with `wasmtime_crate: palisade::wasmtime`.
pub use wasmtime;

/// Policies, grants, limits and denials.
pub use palisade_policy as policy;

pub use admission::Admission;
pub use backend::Instances;
pub use backend::wasm::plugin::{Plugin, PluginState, Working};
pub use backend::wasm::{COMPILE_PROGRAM, compile_program};
pub use error::{Error, Kind, Result};
pub use events::{Delivery, Event, Events, LogLevel};
pub use host::{Host, HostConfig};
pub use ids::{ProcessId, SandboxId};
pub use lifecycle::State;
pub use limits::Limit;
pub use outcome::{Ending, EndingKind, Outcome, Usage};
pub use process::Process;
pub use program::{Format, Program};
pub use sandbox::{Sandbox, SandboxUsage};
pub use session::Session;
pub use spec::{Call, Command, MountSpec, SandboxSpec};
pub use stdio::{Device, Output, PipeReader, Stdin};
pub use tool::{Bytes, Description, Function, Skipped, Tool, ToolEntry, Tools};
pub use totals::Totals;
pub use workspace::{ChangedInode, DirEntry, HostFile, Kind as FileKind, Metadata, NewFile, Workspace};
