//! The ordinary way: the targets of the active rustup toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{TARGETS, Toolchain};
use crate::command;
use crate::progress::Step;

/// Two targets are 45 MB. Where the server cannot be reached at all, rustup gives up much sooner.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether both targets are installed already.
pub(super) fn is_complete() -> bool {
    sysroot().is_ok_and(|sysroot| TARGETS.iter().all(|target| has_std(&sysroot, target)))
}

/// Asks rustup for the targets. `false` when it is missing, cannot have them, or was told by `RUSTUP_AUTO_INSTALL=0` to
/// install nothing by itself.
pub(super) fn add() -> bool {
    if is_complete() {
        return true;
    }
    if std::env::var_os("RUSTUP_AUTO_INSTALL").is_some_and(|value| value == "0") {
        return false;
    }
    let step = Step::start("ask rustup for the wasm targets");
    let asked = command::succeeds_within(Command::new("rustup").args(["target", "add"]).args(TARGETS), PATIENCE);
    if asked && is_complete() {
        step.done();
        return true;
    }
    false
}

pub(super) fn toolchain() -> Result<Toolchain> {
    let identity = command::output(Command::new("rustc").arg("-vV")).context("`rustc -vV` failed")?;
    Ok(Toolchain {
        rustc: None,
        linkers: Vec::new(),
        identity,
    })
}

/// Where the active toolchain lies.
pub(super) fn sysroot() -> Result<PathBuf> {
    let printed = command::output(Command::new("rustc").args(["--print", "sysroot"]));
    Ok(PathBuf::from(
        printed
            .context("rustc is missing: install rustup and its stable toolchain")?
            .trim_end(),
    ))
}

fn has_std(sysroot: &Path, target: &str) -> bool {
    let folder = sysroot.join("lib/rustlib").join(target).join("lib");
    folder.read_dir().is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
    })
}
