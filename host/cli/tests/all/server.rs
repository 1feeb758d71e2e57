//! A server, as tests start one: `palisade serve` on any port.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::palisade::Palisade;

/// A server which is ended when this is dropped.
pub(crate) struct Server {
    pub child: Child,
    pub told: Value,
}

impl Server {
    pub(crate) fn start(palisade: &Palisade, args: &[&str]) -> Self {
        let all = [&["serve", "--json", "--listen", "127.0.0.1:0"], args].concat();
        let mut command = palisade.command(&all);
        command.env("PALISADE_LOG", "warn");
        Self::of(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    pub(crate) fn of(mut child: Child) -> Self {
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let told = match line.strip_prefix("serving on ") {
            Some(text) => {
                let (url, rest) = text.split_once(';').unwrap();
                let key = rest.rsplit_once(" is in ").unwrap().1;
                json!({"url": url, "local_key": key.trim_end()})
            }
            None => serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")),
        };
        Self { child, told }
    }

    pub(crate) fn url(&self) -> &str {
        self.told["url"].as_str().unwrap()
    }

    pub(crate) fn address(&self) -> &str {
        self.url().strip_prefix("http://").unwrap()
    }

    pub(crate) fn local_key(&self) -> String {
        let path = self.told["local_key"].as_str().unwrap();
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    }

    /// A command for this server, with the key of its machine.
    pub(crate) fn command(&self, elsewhere: &Palisade, args: &[&str]) -> Command {
        let mut command = elsewhere.command(args);
        command
            .env("PALISADE_HOST", self.url())
            .env("PALISADE_KEY", self.local_key());
        command
    }

    /// Sends a signal, and returns the exit code.
    pub(crate) fn end(mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
