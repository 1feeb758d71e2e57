//! git, with its settings for many files, and its repository beside the directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmtime::Result;

use super::{Other, Place};

pub(super) struct Git<'a> {
    place: Place<'a>,
    name: String,
}

/// What is set in the repository.
const SETTINGS: [(&str, &str); 4] = [
    ("feature.manyFiles", "true"),
    ("gc.auto", "0"),
    ("user.name", "bench"),
    ("user.email", "bench@localhost"),
];

impl<'a> Git<'a> {
    pub(super) fn new(place: Place<'a>, version: &str) -> Self {
        Self {
            place,
            name: format!("git {version}"),
        }
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = self.place.command("git");
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_DIR", &self.place.store)
            .env("GIT_WORK_TREE", &self.place.tree)
            .arg(subcommand);
        command
    }
}

impl Other for Git<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) -> Result<()> {
        self.place.scratch.discard(&self.place.store)?;
        self.place.scratch.run(self.command("init").arg("--quiet"))?;
        for (key, value) in SETTINGS {
            self.place.scratch.run(self.command("config").args([key, value]))?;
        }
        // Whatever the directory says of itself, files are kept as they are.
        std::fs::create_dir_all(self.place.store.join("info"))?;
        std::fs::write(self.place.store.join("info/attributes"), "* -text -filter -ident\n")?;
        Ok(())
    }

    fn save(&mut self) -> Result<f64> {
        let scratch = self.place.scratch;
        let added = scratch.time(self.command("add").args(["--all", "--force"]))?;
        let committed = scratch.time(self.command("commit").args(["--quiet", "--message", "bench"]))?;
        Ok(added + committed)
    }

    fn go_back(&mut self, _: &[PathBuf]) -> Result<f64> {
        self.place
            .scratch
            .time(self.command("reset").args(["--quiet", "--hard"]))
    }

    fn restore(&mut self, into: &Path) -> Result<f64> {
        let mut command = self.command("checkout-index");
        let prefix = format!("--prefix={}/", into.display());
        self.place.scratch.time(command.args(["--all", "--quiet", &prefix]))
    }

    fn store(&self) -> &Path {
        &self.place.store
    }
}
