//! What palisade promises, subject by subject, through its public interface.
#![expect(clippy::unwrap_used, reason = "all of this is tests, their helpers as well")]

mod compiling;
mod denials;
mod determinism;
mod examples;
mod files;
mod freeing;
mod lifecycle;
mod limits;
mod plugins;
mod programs;
mod python;
mod scaffolds;
mod scripts;
mod sessions;
mod shipped;
mod snapshots;
mod tools;
mod totals;
