//! Compiles one guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::discover::{Guest, Source};
use super::new;
use super::programs::Program;
use crate::toolchain::{self, Componentize, Toolchain, Unavailable, Zig};
use crate::{command, paths};

/// The release profile of every Rust guest, whatever its own manifest says: small, and quick to compile.
pub(super) const PROFILE: [(&str, &str); 6] = [
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// zig's own stack size makes every memory start at 17 MB.
pub(super) const C_FLAGS: [&str; 5] = ["-std=c17", "-Oz", "-s", "-Wall", "-Wl,-z,stack-size=1048576"];

/// Compiles `guest` into the file `out`.
pub(super) fn compile(guest: &Guest, toolchain: &Toolchain, out: &Path) -> Result<()> {
    match &guest.source {
        Source::Program(program) => install(program, toolchain, out),
        Source::Crate { folder, target, .. } => build(folder, target, toolchain, out),
        Source::C { file } => cc(file, out),
        Source::New(project) => new::build(project, toolchain, out),
        Source::Python { folder } => python(folder, out),
    }
}

fn install(program: &Program, toolchain: &Toolchain, out: &Path) -> Result<()> {
    let Program {
        name,
        package,
        version,
        binary,
        target,
        ..
    } = program;
    let root = paths::scratch("install")?.join(name);
    let mut cargo = cargo(toolchain)?;
    cargo.args([
        "install",
        "--locked",
        "--no-track",
        "--force",
        "--target",
        target,
        "--bin",
        binary,
    ]);
    cargo.args([
        "--version",
        &format!("={version}"),
        "--features",
        &program.features.join(","),
    ]);
    if !program.default_features {
        cargo.arg("--no-default-features");
    }
    cargo.arg("--root").arg(&root).arg(package);
    command::step(&format!("compile {package} {version} for {target}"), &mut cargo)?;
    keep(&root.join("bin").join(format!("{binary}.wasm")), out)
}

fn build(folder: &Path, target: &str, toolchain: &Toolchain, out: &Path) -> Result<()> {
    let package = folder.file_name().context("a crate has a folder")?.to_string_lossy();
    let mut cargo = cargo(toolchain)?;
    cargo
        .args(["build", "--release", "--locked", "--target", target])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"));
    command::step(&format!("compile {package} for {target}"), &mut cargo)?;
    keep(
        &build_folder()?
            .join(target)
            .join("release")
            .join(format!("{package}.wasm")),
        out,
    )
}

fn cc(file: &Path, out: &Path) -> Result<()> {
    let name = file.file_name().context("a source has a name")?.to_string_lossy();
    let mut cc = Zig::ensure().context(Unavailable("zig"))?.cc();
    command::step(
        &format!("compile {name}"),
        cc.args(C_FLAGS).arg(file).arg("-o").arg(out),
    )
}

fn python(folder: &Path, out: &Path) -> Result<()> {
    let componentize = Componentize::ensure().context(Unavailable("componentize-py"))?;
    componentize.compile(folder, out)
}

/// A cargo with the profile set.
pub(super) fn cargo(toolchain: &Toolchain) -> Result<Command> {
    let mut cargo = toolchain.cargo()?;
    let flags = toolchain::remap(paths::workspace(), "palisade").join("\x1f");
    cargo
        .envs(PROFILE)
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", build_folder()?);
    Ok(cargo)
}

pub(super) fn build_folder() -> Result<PathBuf> {
    paths::scratch("build")
}

pub(super) fn keep(made: &Path, out: &Path) -> Result<()> {
    fs::copy(made, out).with_context(|| format!("the build made no {}", made.display()))?;
    Ok(())
}
