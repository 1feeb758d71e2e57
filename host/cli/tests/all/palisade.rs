//! The command, as tests call it.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The command with a state directory of its own.
pub(crate) struct Palisade {
    pub state: TempDir,
}

impl Palisade {
    pub(crate) fn new() -> Self {
        Self {
            state: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
        let elsewhere = self.state.path().join("config");
        command
            .args(args)
            .env("PALISADE_STATE_DIR", self.state.path().join("state"))
            .env("XDG_CONFIG_HOME", elsewhere)
            .env_remove("PALISADE_HOST")
            .env_remove("PALISADE_KEY")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn call(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the command starts")
    }

    /// Calls it, and checks the exit code and what stands on standard error.
    #[track_caller]
    pub(crate) fn expect(&self, args: &[&str], code: i32, said: &[&str]) -> Output {
        let output = self.call(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        for text in said {
            assert!(error.contains(text), "{args:?} does not say {text:?}: {error}");
        }
        output
    }
}

pub(crate) fn guest(name: &str) -> String {
    palisade_guests::path(name).to_string_lossy().into_owned()
}
