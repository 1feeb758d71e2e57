//! Where tests and benchmarks find the compiled guests.
//!
//! `cargo xtask guests` compiles what lies in `wasm/` and `c/` beside this crate, and in `tools/`:
//!
//! | file | is |
//! | --- | --- |
//! | `guest.p1.wasm`, `guest.p2.wasm` | the multi-call guest, as a preview-1 module and as a preview-2 component |
//! | `exit-code.wasm` | a component that ends through `wasi:cli/exit.exit-with-code` |
//! | `c-guest.wasm` | a preview-1 module made of C; may be missing where there is no python |
//! | `new-rust.wasm`, `new-c.wasm`, `new-js.wasm` | what `palisade tool new` writes; the latter two may be missing |
//! | `python.wasm` | the interpreter of Python scripts; may be missing there too |
//! | `rg.wasm`, `checksums.wasm`, … | the tools and programs shipped |
//!
//! ```no_run
//! let module = std::fs::read(palisade_guests::path("guest.p1.wasm"))?;
//! # Ok::<(), std::io::Error>(())
//! ```

use std::env;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of the compiled guests: `$PALISADE_GUESTS`, else `guests` in the workspace's target folder.
pub fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = || env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    env::var_os("PALISADE_GUESTS").map_or_else(|| workspace.join(target()).join("guests"), PathBuf::from)
}

/// The path of the guest called `file`.
///
/// # Panics
/// When it is not there, saying what to run.
#[track_caller]
pub fn path(file: &str) -> PathBuf {
    let Some(path) = find(file) else {
        panic!("no {file} in {}: run `cargo xtask guests`", folder().display());
    };
    path
}

/// The path of the guest called `file`, if it was compiled.
pub fn find(file: &str) -> Option<PathBuf> {
    let path = folder().join(file);
    path.is_file().then_some(path)
}

/// Says that a test did nothing, and why. `cargo xtask test` repeats it after all tests have run.
///
/// ```no_run
/// # fn engine() -> Option<()> { None }
/// let Some(engine) = engine() else {
///     return palisade_guests::skip("pull_is_refused", "no Docker engine");
/// };
/// ```
pub fn skip(test: &str, reason: impl Display) {
    eprintln!("skipped {test}: {reason}");
    let list = env::var_os("PALISADE_SKIPPED").map(|path| OpenOptions::new().append(true).create(true).open(path));
    if let Some(Ok(mut list)) = list {
        // A list that cannot be written is no reason to fail a test that has nothing to say.
        let _written = list.write_all(format!("{test}: {reason}\n").as_bytes());
    }
}
