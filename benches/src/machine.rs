//! What a run was measured on.

use std::fmt;
use std::fs;
use std::process::Command;

use serde::Serialize;
use wasmtime::Result;
use wasmtime::error::Context;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let kib = field("/proc/meminfo", "MemTotal")
            .and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok())
            .unwrap_or(f64::NAN);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self {
            processor,
            cores,
            memory_gib: (kib / (1 << 20) as f64 * 10.0).round() / 10.0,
            kernel,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
        } = self;
        write!(f, "{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}")
    }
}

/// The commit that is checked out, marked where the tree differs from it.
pub(crate) fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .args(args)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]).as_deref() {
        Some("") => commit,
        _ => commit + "-modified",
    }
}

/// The value behind the first `name:` in a file of the kernel's.
pub(crate) fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Resident memory and page tables of this process.
pub(crate) fn resident_kib() -> Result<f64> {
    let kib = |name| {
        let value = field("/proc/self/status", name).context("no /proc/self/status")?;
        let figure = value.split_whitespace().next().context("it has no figure")?;
        wasmtime::error::Ok(figure.parse::<f64>()?)
    };
    Ok(kib("VmRSS")? + kib("VmPTE")?)
}
