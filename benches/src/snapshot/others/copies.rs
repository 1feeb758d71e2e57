//! A copy of everything each time, as files or as one archive.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use wasmtime::Result;

use super::{Other, Place};
use crate::harness::micros;

pub(super) struct Copies<'a> {
    place: Place<'a>,
    name: String,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Files,
    Archive,
}

impl<'a> Copies<'a> {
    /// By `cp -a`.
    pub(super) fn plain(place: Place<'a>) -> Self {
        Self {
            place,
            name: "cp -a".to_owned(),
            form: Form::Files,
        }
    }

    /// By tar with zstd at its fastest level and with all processors.
    pub(super) fn packed(place: Place<'a>, tar: &str, zstd: &str) -> Self {
        Self {
            place,
            name: format!("tar {tar} + zstd {zstd}"),
            form: Form::Archive,
        }
    }

    fn copy(&self) -> PathBuf {
        self.place.store.join("copy")
    }

    fn saving(&self) -> Command {
        match self.form {
            Form::Files => {
                let mut command = self.place.command("cp");
                command.args(["-a", "."]).arg(self.copy());
                command
            }
            Form::Archive => {
                let mut command = self.place.command("tar");
                command.args(["-I", "zstd -1 -T0", "-cf"]).arg(self.copy()).arg(".");
                command
            }
        }
    }

    fn restoring(&self, into: &Path) -> Command {
        match self.form {
            Form::Files => {
                let mut command = self.place.command("cp");
                command.arg("-a").arg(self.copy().join(".")).arg(into);
                command
            }
            Form::Archive => {
                let mut command = self.place.command("tar");
                command.args(["-I", "zstd", "-xf"]).arg(self.copy()).arg("-C").arg(into);
                command
            }
        }
    }
}

impl Other for Copies<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) -> Result<()> {
        self.place.scratch.discard(&self.place.store)?;
        Ok(std::fs::create_dir(&self.place.store)?)
    }

    fn save(&mut self) -> Result<f64> {
        // A user would keep the older one; removing it is not in the time.
        self.reset()?;
        self.place.scratch.time(&mut self.saving())
    }

    /// Removes everything and copies it back: it has nothing that says what changed.
    fn go_back(&mut self, _: &[PathBuf]) -> Result<f64> {
        let start = Instant::now();
        std::fs::remove_dir_all(&self.place.tree)?;
        std::fs::create_dir(&self.place.tree)?;
        let mut command = self.restoring(&self.place.tree);
        // The one it would begin in was removed.
        self.place.scratch.run(command.current_dir("/"))?;
        Ok(micros(start.elapsed()))
    }

    fn restore(&mut self, into: &Path) -> Result<f64> {
        self.place.scratch.time(&mut self.restoring(into))
    }

    fn store(&self) -> &Path {
        &self.place.store
    }
}
