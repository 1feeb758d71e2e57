//! zig, as a C compiler for WASI: the PyPI package `ziglang`, unpacked into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, lock, paths};

const VERSION: &str = "0.17.0";

/// Always optimised and stripped, so that there is one libc to compile.
const FLAGS: [&str; 4] = ["-target", "wasm32-wasi", "-O2", "-s"];

/// An unpacked zig.
pub(crate) struct Zig {
    folder: PathBuf,
    /// Where it keeps the libc it has compiled. Worth keeping: that takes longest.
    pub(super) cache: PathBuf,
}

impl Zig {
    /// Takes zig from the cache, or fetches it with pip.
    pub(crate) fn ensure() -> Result<Zig> {
        let folder = paths::cache()?.join(format!("zig-{VERSION}"));
        if !folder.exists() {
            let _lock = lock::hold("zig")?;
            if !folder.exists() {
                install(&folder)?;
            }
        }
        let cache = paths::create(paths::cache()?.join(format!("zig-{VERSION}-objects")))?;
        Ok(Zig { folder, cache })
    }

    /// `zig cc` for preview-1 modules.
    pub(crate) fn cc(&self) -> Command {
        let mut command = self.zig();
        command.arg("cc").args(FLAGS);
        command
    }

    /// `zig ar`.
    pub(super) fn ar(&self) -> Command {
        let mut command = self.zig();
        command.arg("ar");
        command
    }

    /// Differs whenever the code it makes may differ.
    pub(crate) fn identity() -> String {
        format!("{VERSION} {FLAGS:?}")
    }

    fn zig(&self) -> Command {
        let mut command = Command::new(self.folder.join("ziglang/zig"));
        command
            .env("ZIG_GLOBAL_CACHE_DIR", &self.cache)
            .env("ZIG_LOCAL_CACHE_DIR", &self.cache)
            // What it has compiled is found again only from the same working folder.
            .current_dir(&self.folder);
        command
    }
}

fn install(folder: &Path) -> Result<()> {
    let temporary = folder.with_extension("part");
    remove(&temporary)?;
    let unpacked = temporary.join("zig");
    let mut pip = Pip::find(&temporary)?.command();
    pip.args([
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--only-binary=:all:",
        "--target",
    ])
    .arg(&unpacked);
    command::step(&format!("fetch zig {VERSION}"), pip.arg(format!("ziglang=={VERSION}")))?;
    fs::rename(&unpacked, folder).with_context(|| format!("cannot create {}", folder.display()))?;
    remove(&temporary)
}

/// A pip that can be run.
enum Pip {
    /// The machine's own.
    System,
    /// That of a virtual environment made for this.
    Private(PathBuf),
}

impl Pip {
    /// Finds pip; a virtual environment under `temporary` where the machine's python has none.
    fn find(temporary: &Path) -> Result<Pip> {
        if succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
            return Ok(Pip::System);
        }
        let environment = temporary.join("venv");
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&environment);
        if !succeeds(&mut make) {
            super::debian::install_package("python3-venv").context("zig needs python3 with pip or venv")?;
            remove(&environment)?;
            command::step("make a python environment", &mut make)?;
        }
        Ok(Pip::Private(environment.join("bin/python")))
    }

    fn command(&self) -> Command {
        let mut command = match self {
            Pip::System => Command::new("python3"),
            Pip::Private(python) => Command::new(python),
        };
        command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
        command
    }
}

fn succeeds(command: &mut Command) -> bool {
    command::output(command).is_some()
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("cannot remove {}: {error}", folder.display())
        }
        _ => Ok(()),
    }
}
