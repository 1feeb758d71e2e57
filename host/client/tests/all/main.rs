//! The client against a real server, and against what is none.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad;
mod server;
mod snapshots;
mod verbs;
