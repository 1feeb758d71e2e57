//! borg, without encryption, with its own choice of compression, and without what else a snapshot here does not keep.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmtime::Result;

use super::{Other, Place, below};

pub(super) struct Borg<'a> {
    place: Place<'a>,
    name: String,
    saved: usize,
}

impl<'a> Borg<'a> {
    pub(super) fn new(place: Place<'a>, version: &str) -> Self {
        Self {
            place,
            name: format!("borg {version}"),
            saved: 0,
        }
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = self.place.command("borg");
        command
            .env("BORG_REPO", &self.place.store)
            .env("BORG_BASE_DIR", self.place.store.with_extension("base"))
            .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes")
            .env("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes")
            .arg(subcommand);
        command
    }

    fn latest(&self) -> String {
        format!("::{}", self.saved)
    }
}

impl Other for Borg<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) -> Result<()> {
        self.place.scratch.discard(&self.place.store)?;
        self.place
            .scratch
            .run(self.command("init").args(["--encryption", "none"]))
    }

    fn save(&mut self) -> Result<f64> {
        self.saved += 1;
        let mut command = self.command("create");
        command.args(["--noacls", "--noxattrs", "--noflags"]);
        self.place.scratch.time(command.args([&self.latest(), "."]))
    }

    fn go_back(&mut self, changed: &[PathBuf]) -> Result<f64> {
        let mut command = self.command("extract");
        command.arg(self.latest()).args(below(&self.place.tree, changed));
        self.place.scratch.time(&mut command)
    }

    fn restore(&mut self, into: &Path) -> Result<f64> {
        let mut command = self.command("extract");
        self.place.scratch.time(command.current_dir(into).arg(self.latest()))
    }

    fn store(&self) -> &Path {
        &self.place.store
    }
}
