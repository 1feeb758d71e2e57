//! Stores which are used at random, killed, cut off from power, filled up and damaged: what they acknowledged stays.
//!
//! Each test takes some seconds; `cargo xtask crash` has them take longer, and cuts the power too.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bit_flips;
mod full_disk;
mod image;
mod interleaving;
mod journal;
mod kill;
mod model;
mod operation;
mod power;
mod settings;
mod worker;
mod workspace;
