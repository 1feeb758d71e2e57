//! The state directory, the listen address, and a real run.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Instant;

use palisade::policy::{ByteSize, Policy};
use palisade::{Command, Host, Program, SandboxSpec};

use super::Check;
use crate::config::Config;
use crate::failure::Failure;
use crate::report::{short, short_size};

/// Free disk space below which sandboxes run short.
const FREE_DISK: u64 = 1 << 30;

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![configuration(config)];
    match config.state_dir() {
        Ok(state_dir) => {
            let path = &state_dir.value;
            checks.extend([
                directory(path),
                disk(path),
                artefacts(path, config.artefact_cache.value),
            ]);
        }
        Err(_) => checks.push(Check::fail(
            "state-dir",
            "there is no home directory",
            "give --state-dir",
        )),
    }
    checks.push(listen(config));
    checks
}

fn configuration(config: &Config) -> Check {
    let name = "configuration";
    let Some(file) = &config.file else {
        return Check::ok(name, "no file, built-in values");
    };
    let detail = file.display().to_string();
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.permissions().mode() & 0o022 != 0 => {
            Check::warn(name, detail, "others can write to it: chmod go-w")
        }
        Ok(_) | Err(_) => Check::ok(name, detail),
    }
}

fn directory(path: &Path) -> Check {
    let name = "state-dir";
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(name, format!("{shown}, not there before now"));
        }
        Err(error) => {
            return Check::fail(name, format!("{shown}: {error}"), "give another with --state-dir");
        }
    };
    let (owner, mode) = (metadata.uid(), metadata.permissions().mode() & 0o7777);
    let detail = format!("{shown}, of user {owner}, mode {mode:o}");
    if !metadata.is_dir() {
        Check::fail(
            name,
            format!("{shown} is not a directory"),
            "give another with --state-dir",
        )
    } else if owner != rustix::process::geteuid().as_raw() {
        Check::warn(name, detail, "it should belong to who runs palisade")
    } else if mode & 0o022 != 0 {
        Check::warn(name, detail, "others can write to it: chmod go-w")
    } else {
        Check::ok(name, detail)
    }
}

fn disk(path: &Path) -> Check {
    let name = "disk";
    let Some(existing) = path.ancestors().find(|path| path.exists()) else {
        return Check::warn(name, "not known", "give another with --state-dir");
    };
    match rustix::fs::statvfs(existing) {
        Ok(status) => {
            let free = ByteSize::from_bytes(status.f_bavail.saturating_mul(status.f_frsize));
            let detail = format!("{} free", short_size(free));
            match free.as_bytes() >= FREE_DISK {
                true => Check::ok(name, detail),
                false => Check::warn(name, detail, "sandboxes may run short"),
            }
        }
        Err(error) => Check::warn(name, format!("not known: {error}"), "give another with --state-dir"),
    }
}

fn artefacts(state_dir: &Path, most: ByteSize) -> Check {
    let files = std::fs::read_dir(state_dir.join("artefacts"))
        .into_iter()
        .flatten()
        .flatten();
    let sizes = files
        .filter_map(|file| file.metadata().ok())
        .filter(std::fs::Metadata::is_file);
    let used = ByteSize::from_bytes(sizes.map(|metadata| metadata.len()).sum());
    Check::ok(
        "artefact-cache",
        format!("{} of {} used", short_size(used), short_size(most)),
    )
}

fn listen(config: &Config) -> Check {
    let (name, address) = ("listen", config.listen.value);
    if let Err(error) = TcpListener::bind(address) {
        return Check::warn(
            name,
            format!("{address} cannot be bound: {error}"),
            "choose another with `listen`",
        );
    }
    match address.ip().is_loopback() {
        true => Check::ok(name, format!("{address} is free")),
        false => Check::warn(
            name,
            format!("{address} is free"),
            "it is not loopback: other machines could reach it",
        ),
    }
}

/// A module whose `_start` has one instruction.
const MODULE: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x03\x02\x01\0\
    \x05\x03\x01\0\0\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\
    \x0a\x05\x01\x03\0\x01\x0b";

/// Compiles a program and runs it, as `palisade run` does.
pub(super) async fn end_to_end(config: &Config) -> Check {
    let name = "run";
    let start = Instant::now();
    match run(config).await {
        Ok(()) => Check::ok(
            name,
            format!("a program was compiled and run in {}", short(start.elapsed())),
        ),
        Err(why) => Check::fail(
            name,
            format!("a program could not be run: {why}"),
            "see the lines above",
        ),
    }
}

async fn run(config: &Config) -> Result<(), String> {
    let failed = |error: palisade::Error| error.to_string();
    let host_config = config
        .to_host()
        .map_err(|failure: Failure| failure.message().to_owned())?;
    let host = Host::open(host_config).map_err(failed)?;
    let program = Program::from_bytes("doctor", MODULE).map_err(failed)?;
    let sandbox = host.create(SandboxSpec::new(Policy::standard())).map_err(failed)?;
    let outcome = sandbox.run(Command::new(&program)).await.map_err(failed);
    sandbox.destroy().await.map_err(failed)?;
    match outcome? {
        outcome if outcome.is_success() => Ok(()),
        outcome => Err(format!("it ended with {:?}", outcome.ending)),
    }
}
