//! Compiling in a process of its own: it can be stopped, and what it may hold is bounded by the kernel.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use palisade_policy::{Metering, Nans};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::engine::{Engine, Variant};
use super::workshop::{self, Compiling, NICE};
use crate::{Error, Kind, Program, Result};

/// The one argument of a compiler: see [`compile_program`].
pub const COMPILE_PROGRAM: &str = "compile-program";

/// What a compiler may say of a program which it refuses, in bytes.
const MAX_MESSAGE: u64 = 16 << 10;

/// What a compiler is told, on a line before the program.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    metering: Metering,
    nans: Nans,
    /// Bytes which it may hold.
    memory: u64,
    /// Seconds of processor time, over all cores. Who gave the order ends it before that, unless it is gone.
    time: u64,
}

/// Has `program` compiled by the program at `compiler`; the process ends when this is dropped.
pub(super) async fn compile(
    compiler: &Path,
    program: &Program,
    variant: Variant,
    compiling: &Compiling,
) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        let message = format!("cannot compile {:?} by {compiler:?}: {error}", program.name());
        Error::new(Kind::Unavailable, message).with_source(error)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let order = Order {
        name: program.name().to_owned(),
        metering: variant.metering,
        nans: variant.nans,
        memory: compiling.memory.as_bytes(),
        time: compiling.time.as_secs().saturating_add(1).saturating_mul(cores),
    };
    let mut order = serde_json::to_vec(&order).map_err(|error| failed(error.into()))?;
    order.push(b'\n');
    let mut child = tokio::process::Command::new(compiler)
        .arg(COMPILE_PROGRAM)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(Error::new(Kind::Internal, "a process has no pipes"));
    };
    let give = async move {
        // One which refuses the program ends before it has read all.
        let _ = stdin.write_all(&order).await;
        let _ = stdin.write_all(program.bytes()).await;
    };
    let (mut artefact, mut message) = (Vec::new(), Vec::new());
    let mut stdout = stdout.take(compiling.memory.as_bytes());
    let mut stderr = stderr.take(MAX_MESSAGE);
    let (_, read, told) = tokio::join!(
        give,
        stdout.read_to_end(&mut artefact),
        stderr.read_to_end(&mut message)
    );
    read.and(told).map_err(failed)?;
    drop((stdout, stderr));
    let status = child.wait().await.map_err(failed)?;
    let message = String::from_utf8_lossy(&message);
    match status.code() {
        Some(0) => Ok(artefact),
        Some(REFUSED) => Err(Error::new(Kind::InvalidInput, message.trim_end())),
        _ => {
            let said = message.lines().next().unwrap_or_default().escape_debug();
            let why = format!(
                "{:?} is not compiled: the compiler ended with {status}; it may hold {} ({said})",
                program.name(),
                compiling.memory,
            );
            Err(Error::new(Kind::InvalidInput, why))
        }
    }
}

/// The exit code for a program which is refused.
const REFUSED: i32 = 1;

/// Compiles one program, from standard input to standard output, and ends.
///
/// This is the other side of [`HostConfig::compiler`](crate::HostConfig::compiler): the program which is named there
/// calls it when its one argument is [`COMPILE_PROGRAM`]. Before it looks at the program, it bounds its own memory and
/// time, and makes itself nicer.
pub fn compile_program() -> ExitCode {
    let refused = |message: &str| {
        let _ = std::io::stderr().write_all(message.as_bytes());
        ExitCode::from(REFUSED as u8)
    };
    match receive().and_then(|(program, variant)| {
        let engine = Engine::new(variant, 1)
            .map_err(|error| Error::new(Kind::Unavailable, format!("cannot set up the engine: {error:#}")))?;
        workshop::compile(&engine.wasmtime, &program)
    }) {
        Ok(artefact) => match std::io::stdout().write_all(&artefact) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refused(&error.to_string()),
        },
        Err(error) => refused(&error.to_string()),
    }
}

fn receive() -> Result<(Program, Variant)> {
    let failed = |error: std::io::Error| Error::new(Kind::InvalidInput, format!("cannot read the order: {error}"));
    let mut stdin = std::io::BufReader::new(std::io::stdin().lock());
    let mut line = Vec::new();
    std::io::BufRead::read_until(&mut stdin, b'\n', &mut line).map_err(failed)?;
    let order: Order = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
    limit(Resource::Data, order.memory).map_err(|errno| failed(errno.into()))?;
    limit(Resource::Cpu, order.time).map_err(|errno| failed(errno.into()))?;
    limit(Resource::Core, 0).map_err(|errno| failed(errno.into()))?;
    let _ = rustix::process::nice(NICE);
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes).map_err(failed)?;
    let variant = Variant {
        metering: order.metering,
        nans: order.nans,
    };
    Ok((Program::from_bytes(order.name, bytes)?, variant))
}

/// Lowers what this process may use, never raises it.
fn limit(resource: Resource, to: u64) -> rustix::io::Result<()> {
    let maximum = rustix::process::getrlimit(resource).maximum;
    let to = Some(maximum.map_or(to, |maximum| maximum.min(to)));
    setrlimit(
        resource,
        Rlimit {
            current: to,
            maximum: to,
        },
    )
}
