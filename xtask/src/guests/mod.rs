//! `cargo xtask guests`: what runs inside sandboxes, compiled to WebAssembly.
//!
//! | source | becomes |
//! | --- | --- |
//! | `tools/programs.toml` | programs of crates.io, at pinned versions |
//! | `tools/<name>/Cargo.toml` | our own programs, and of `cdylib`s our own tools |
//! | `tests/guests/wasm/<name>/Cargo.toml` | guests the tests and benchmarks run |
//! | `tools/<name>/app.py` | our own tools in Python |
//! | `tests/guests/c/<name>.c` | the same, in C |
//! | `host/scaffold` | a new tool in each language, as `palisade tool new` writes it |
//!
//! Each result is kept in the cache under the digest of all that went into it, so nothing is compiled twice.

mod build;
mod cached;
mod discover;
mod manifest;
mod new;
mod programs;

use anyhow::{Result, bail};
use clap::Args;

use crate::toolchain::{Toolchain, Unavailable};
use crate::{paths, progress};

use cached::Origin;
use discover::Guest;

#[derive(Args)]
pub(crate) struct Options {
    /// Only these guests, by file name without `.wasm` (all when none is named)
    names: Vec<String>,
    /// Print what there is to compile, and compile nothing
    #[arg(long)]
    list: bool,
}

/// The command.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut guests = discover::all()?;
    if options.list {
        guests
            .iter()
            .for_each(|guest| println!("{:<24} {}", guest.name, guest.describe()));
        return Ok(());
    }
    if let Some(unknown) = options
        .names
        .iter()
        .find(|name| guests.iter().all(|guest| guest.name != **name))
    {
        bail!("no guest named {unknown:?}: see `cargo xtask guests --list`");
    }
    if !options.names.is_empty() {
        guests.retain(|guest| options.names.contains(&guest.name));
    }
    compile(&guests)
}

/// Makes sure that every guest lies in [`paths::guests`].
pub(crate) fn ensure() -> Result<()> {
    compile(&discover::all()?)
}

fn compile(guests: &[Guest]) -> Result<()> {
    let toolchain = Toolchain::ensure()?;
    let mut reused = 0;
    for guest in guests {
        match cached::obtain(guest, &toolchain) {
            Ok(Origin::Cache) => reused += 1,
            Ok(Origin::Compiled) => {}
            // Tests which need it say that it is missing.
            Err(error) if error.is::<Unavailable>() => {
                progress::note("SKIPPED", &format!("{}.wasm: {error:#}", guest.name));
            }
            Err(error) => return Err(error),
        }
    }
    let folder = paths::guests();
    progress::note(
        "guests",
        &format!(
            "{} in {}, {reused} of them from the cache",
            guests.len(),
            folder.display()
        ),
    );
    Ok(())
}
