//! The server that the demo shows most of its steps through.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::scratch;
use crate::command;

/// A `palisade serve` on a free port of this machine. It ends with this.
pub(super) struct Server {
    child: Child,
    pub url: String,
    /// A file with the head by which curl shows the key of this machine.
    pub key: PathBuf,
}

impl Server {
    /// Starts it, and waits for the line in which it says where it is.
    pub(super) fn start(program: &Path) -> Result<Self> {
        let folder = scratch()?;
        let arguments = [
            "serve",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--policy",
            "default",
            "--policy",
            "strict",
        ];
        println!("\n$ palisade {} &", arguments.join(" "));
        let mut serve = Command::new(program);
        serve.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        serve.stderr(File::create(folder.join("server.log"))?);
        let mut child = serve.spawn().context("cannot start the server")?;
        let output = child.stdout.take().context("the output is a pipe")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        print!("{line}");
        let mut server = Self {
            child,
            url: String::new(),
            key: folder.join("key.header"),
        };
        let log = folder.join("server.log");
        let silent = |name| format!("the server did not say its {name}; why is in {}", log.display());
        let told = |name| member(&line, name).with_context(|| silent(name));
        server.url = told("url")?;
        let key = std::fs::read_to_string(told("local_key")?).context("the key of this machine")?;
        std::fs::write(&server.key, format!("x-api-key: {}\n", key.trim()))?;
        Ok(server)
    }

    /// Tells it to stop, and waits until it has.
    pub(super) fn stop(mut self) -> Result<()> {
        println!("$ kill %1");
        // A shell has it built in.
        let signal = Command::new("sh")
            .args(["-c", "kill \"$0\"", &self.child.id().to_string()])
            .status()?;
        ensure!(signal.success(), "cannot stop the server");
        let ended = self.child.wait()?;
        println!("{ended}");
        ensure!(ended.code() == Some(143), "the server ended with {ended}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a member of an object of JSON, as the server writes them: without escapes.
pub(super) fn member(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{name}\":\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// Makes the tar which the demo unpacks in a sandbox.
pub(super) fn pack_policies(source: &Path) -> Result<()> {
    let tar = scratch()?.join("policies.tar");
    let mut pack = Command::new("tar");
    command::step(
        "pack the policies",
        pack.arg("-cf").arg(tar).arg("-C").arg(source).arg("policies"),
    )
}
