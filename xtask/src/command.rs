//! Running other programs: quietly with a log, or in the foreground.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::progress::Step;

/// How much of a failed step's log is printed.
const TAIL_LINES: usize = 30;

/// Variables of the calling cargo that would change what a nested cargo builds.
const FOREIGN: [&str; 9] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "LD_LIBRARY_PATH",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
];

/// The cargo that runs this xtask.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::workspace());
    command
}

/// A cargo for guests: what the environment says about native builds does not reach it.
pub(crate) fn guest_cargo() -> Command {
    let mut command = cargo();
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// Runs `command` as one step; its output goes to a log whose end is printed when it fails.
pub(crate) fn step(title: &str, command: &mut Command) -> Result<()> {
    let log = paths::scratch("log")?.join(format!("{}.log", slug(title)));
    let step = Step::start(title);
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", name(command)))?;
    if !status.success() {
        drop(step);
        eprintln!("{}", tail(&log));
        bail!(
            "{title}: {} ended with {status}; whole log: {}",
            name(command),
            log.display()
        );
    }
    step.done();
    Ok(())
}

/// Runs `command` with the terminal as its own.
pub(crate) fn foreground(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", name(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// What `command` prints, or `None` when it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `command` succeeds within `limit`; it is ended when it does not. Prints nothing.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let Ok(mut child) = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
    else {
        return false;
    };
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(status)) => return ExitStatus::success(&status),
            Ok(None) => thread::sleep(Duration::from_millis(50)),
            Err(_) => break,
        }
    }
    let _ended_already = child.kill();
    let _ended_already = child.wait();
    false
}

/// The program and its arguments, for messages.
pub(crate) fn line(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    [name(command).into()]
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned()
}

fn slug(title: &str) -> String {
    title
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

fn tail(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Runs `command` with `input` as its standard input.
pub(crate) fn with_input(command: &mut Command, input: &str) -> Result<()> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child
        .stdin
        .take()
        .context("the standard input is a pipe")?
        .write_all(input.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}
