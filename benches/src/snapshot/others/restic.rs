//! restic, whose cache is warm. Part of each of its times, half a second and more, is deriving the key from the password,
//! which it has no way around.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmtime::Result;

use super::{Other, Place, below};

pub(super) struct Restic<'a> {
    place: Place<'a>,
    name: String,
    /// Whether it can leave out the scan that is for its display alone, as it can since 0.15.
    no_scan: bool,
}

impl<'a> Restic<'a> {
    pub(super) fn new(place: Place<'a>, version: &str) -> Self {
        let help = Command::new("restic").args(["help", "backup"]).output();
        Self {
            place,
            name: format!("restic {version}"),
            no_scan: help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--no-scan")),
        }
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = self.place.command("restic");
        command
            .env("RESTIC_PASSWORD", "bench")
            .env("RESTIC_REPOSITORY", &self.place.store)
            .env("RESTIC_CACHE_DIR", self.place.store.with_extension("cache"))
            .args(["--quiet", subcommand]);
        command
    }
}

impl Other for Restic<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) -> Result<()> {
        self.place.scratch.discard(&self.place.store)?;
        self.place.scratch.run(&mut self.command("init"))
    }

    fn save(&mut self) -> Result<f64> {
        let mut command = self.command("backup");
        command.args(self.no_scan.then_some("--no-scan")).arg(".");
        self.place.scratch.time(&mut command)
    }

    fn go_back(&mut self, changed: &[PathBuf]) -> Result<f64> {
        let mut command = self.command("restore");
        command.args(["latest", "--target", "."]);
        for file in below(&self.place.tree, changed) {
            command.arg("--include").arg(Path::new("/").join(file));
        }
        self.place.scratch.time(&mut command)
    }

    fn restore(&mut self, into: &Path) -> Result<f64> {
        let mut command = self.command("restore");
        command.args(["latest", "--target"]).arg(into);
        self.place.scratch.time(&mut command)
    }

    fn store(&self) -> &Path {
        &self.place.store
    }
}
