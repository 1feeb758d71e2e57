//! `cargo xtask ci`: every check a change must pass beside the tests, cheapest first.

use std::process::Command;

use anyhow::Result;

use crate::{command, deny, fuzz, guests, paths, progress};

/// Fixed, so that a failure in CI is the same failure at home.
const FUZZ_SEED: u64 = 1;
const FUZZ_SECONDS: u64 = 10;

/// Workspaces beside the main one. Their code is for WebAssembly, but compiles for the host as well.
const GUEST_MANIFESTS: [&str; 2] = ["tools/Cargo.toml", "tests/guests/wasm/Cargo.toml"];

/// The command.
pub(crate) fn run() -> Result<()> {
    format()?;
    deny::check()?;
    lint()?;
    let mut doc = command::cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "-D warnings");
    command::step("cargo doc", &mut doc)?;
    // They run the compiled guests.
    guests::ensure()?;
    fuzz::run(&fuzz::Options::seeded(FUZZ_SEED, FUZZ_SECONDS))?;
    progress::note("ok", "every check passed");
    Ok(())
}

fn format() -> Result<()> {
    let fmt = |manifest: &str| {
        let mut fmt = command::cargo();
        fmt.args(["fmt", "--all", "--check", "--manifest-path", manifest]);
        command::step(&format!("cargo fmt for {manifest}"), &mut fmt)
    };
    fmt("Cargo.toml")?;
    GUEST_MANIFESTS.into_iter().try_for_each(fmt)
}

fn lint() -> Result<()> {
    let clippy = |manifest: &str, target: Option<&str>| {
        let mut clippy: Command = command::cargo();
        clippy.args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--manifest-path",
            manifest,
        ]);
        if target.is_some() {
            clippy.env("CARGO_TARGET_DIR", paths::scratch("lint")?);
        }
        command::step(
            &format!("cargo clippy for {manifest}"),
            clippy.args(["--", "-D", "warnings"]),
        )
    };
    clippy("Cargo.toml", None)?;
    GUEST_MANIFESTS
        .into_iter()
        .try_for_each(|manifest| clippy(manifest, Some("guests")))
}
