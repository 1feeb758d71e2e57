//! cargo-deny: which licences, crates and sources the dependency trees may have.
//!
//! Advisories are a separate command, because their database has to be fetched: `cargo deny check advisories`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{command, lock, paths};

/// Compiles with the toolchain of this workspace.
const VERSION: &str = "0.20.2";

/// Every dependency tree of the repository.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "tools/Cargo.toml", "tests/guests/wasm/Cargo.toml"];

/// Checks all of them against `deny.toml`.
pub(crate) fn check() -> Result<()> {
    let program = ensure()?;
    for manifest in MANIFESTS {
        let mut deny = Command::new(&program);
        deny.current_dir(paths::workspace());
        deny.args(["--manifest-path", manifest, "--config", "deny.toml", "--locked"]);
        deny.args(["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
        command::step(&format!("cargo deny for {manifest}"), &mut deny)?;
    }
    Ok(())
}

/// Takes cargo-deny from the cache, or compiles it.
fn ensure() -> Result<PathBuf> {
    let folder = paths::cache()?.join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !program.exists() {
        let _lock = lock::hold("cargo-deny")?;
        if !program.exists() {
            install(&folder)?;
        }
    }
    Ok(program)
}

/// cargo puts the program in place by a rename, so it is there whole or not at all.
fn install(folder: &PathBuf) -> Result<()> {
    let mut cargo = command::guest_cargo();
    cargo
        .args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"])
        .arg(folder);
    // It runs for a second, so compiling it fast is what counts.
    cargo
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    cargo
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_TARGET_DIR", paths::scratch("cargo-deny")?);
    command::step(&format!("compile cargo-deny {VERSION}"), &mut cargo)
}
