//! The server as a client meets it, over sockets on loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod access;
mod admin;
mod bounds;
mod calls;
mod client;
mod events;
mod files;
mod page;
mod processes;
mod sandboxes;
mod schemathesis;
mod sessions;
mod snapshots;
mod traces;
mod usage;
