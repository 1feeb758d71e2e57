//! The pages as a person meets them, in a headless Chromium.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod browser;
#[path = "../all/client.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod client;
mod docs;
mod looks;
mod runs;
