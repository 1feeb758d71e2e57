//! How far a call has come.

use crate::bindings;

/// Tells the host that `done` of `total` is done, in units of the tool's own, with a line for people.
///
/// It is cheap, but not free: after each file, not after each byte. Compiled for anything but WebAssembly it does
/// nothing.
pub fn progress(done: u64, total: Option<u64>, message: &str) {
    if cfg!(target_family = "wasm") {
        bindings::report(done, total, message);
    }
}
