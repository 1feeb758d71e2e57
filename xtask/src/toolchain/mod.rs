//! The compilers for guests: rustup's own targets where they can be had, else a toolchain made from Debian packages.
//!
//! Both give `wasm32-wasip1` core modules and `wasm32-wasip2` components with the whole of std. C guests go through zig,
//! which comes with its own libc, and Python through componentize-py, which comes with its own CPython: both are PyPI
//! packages. Tools in C and JavaScript need a little more of those.

pub(crate) mod browser;
pub(crate) mod componentize;
pub(crate) mod debian;
mod node;
mod pip;
mod rustup;
pub(crate) mod schemathesis;
pub(crate) mod wasm_tools;
pub(crate) mod zig;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress;

pub(crate) use componentize::Componentize;
pub(crate) use node::Node;
pub(crate) use wasm_tools::WasmTools;
pub(crate) use zig::Zig;

/// Every target guests are compiled for.
pub(crate) const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasip2"];

/// Forces one of the two ways, `rustup` or `debian`.
const CHOICE: &str = "PALISADE_WASM_TOOLCHAIN";

/// What a guest is compiled with cannot be had on this machine, so there will be no such guest.
#[derive(Debug)]
pub(crate) struct Unavailable(pub(crate) &'static str);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot have {}", self.0)
    }
}

/// A compiler for Rust guests.
pub(crate) struct Toolchain {
    /// `None`: cargo's own.
    rustc: Option<PathBuf>,
    /// Holds the linkers; searched before `PATH`.
    linkers: Vec<PathBuf>,
    identity: String,
}

impl Toolchain {
    /// Finds a toolchain, or makes one: the cheapest of what this machine allows.
    pub(crate) fn ensure() -> Result<Toolchain> {
        match env::var(CHOICE).as_deref() {
            Ok("rustup") => rustup::add()
                .then(rustup::toolchain)
                .context("rustup cannot add the wasm targets")?,
            Ok("debian") => debian::ensure(),
            Ok(other) => bail!("{CHOICE} is {other:?}: use \"rustup\" or \"debian\""),
            Err(_) if rustup::is_complete() => rustup::toolchain(),
            Err(_) if debian::is_complete()? => debian::ensure(),
            Err(_) if rustup::add() => rustup::toolchain(),
            Err(_) => {
                progress::note(
                    "note",
                    "rustup cannot add the wasm targets here; using Debian's compiler instead",
                );
                debian::ensure()
            }
        }
    }

    /// A cargo that compiles with this toolchain.
    pub(crate) fn cargo(&self) -> Result<Command> {
        let mut cargo = command::guest_cargo();
        if let Some(rustc) = &self.rustc {
            cargo.env("RUSTC", rustc).env("PATH", search_first(&self.linkers)?);
        }
        Ok(cargo)
    }

    /// Differs whenever the code it makes may differ.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }
}

/// `PATH`, with these folders before all others.
pub(crate) fn search_first(folders: &[PathBuf]) -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths(
        folders.iter().cloned().chain(env::split_paths(&inherited)),
    )?)
}

/// Flags that keep the paths of this machine out of what is compiled from `folder`, which is called `name` instead.
pub(crate) fn remap(folder: &Path, name: &str) -> Vec<String> {
    let home = env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let pairs = [(Some(folder.to_owned()), name), (cargo, "cargo")];
    let flag = |(from, to): (Option<PathBuf>, &str)| Some(format!("--remap-path-prefix={}={to}", from?.display()));
    pairs.into_iter().filter_map(flag).collect()
}
