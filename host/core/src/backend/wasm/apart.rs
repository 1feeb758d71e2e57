//! Compiling in a process of its own: it can be stopped, and what it may hold is bounded by the kernel.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use palisade_policy::{Metering, Nans};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use wasmtime::Engine;

use super::engine::{Variant, config};
use super::workshop::{self, Compiling, NICE};
use crate::text::shown;
use crate::{Error, Kind, Program, Result};

/// The one argument of a compiler: see [`compile_program`].
pub const COMPILE_PROGRAM: &str = "compile-program";

/// The longest order, in bytes.
const MAX_ORDER: u64 = 64 << 10;

/// What a compiler may say of a program which it refuses, in bytes.
const MAX_MESSAGE: u64 = 16 << 10;

/// What a compiler is told, on a line before the program.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    name: String,
    /// Bytes of the program.
    size: u64,
    metering: Metering,
    nans: Nans,
    /// Bytes which it may hold.
    memory: u64,
    /// Seconds of processor time, over all cores.
    time: u64,
}

/// Has `program` compiled by the program at `compiler`; the process ends when this is dropped.
pub(super) async fn compile(
    compiler: &Path,
    program: &Program,
    variant: Variant,
    compiling: &Compiling,
    most: u64,
) -> Result<Vec<u8>> {
    let failed = |error: io::Error| {
        let message = format!("cannot compile {:?} by {compiler:?}: {error}", program.name());
        Error::new(Kind::Unavailable, message).with_source(error)
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let order = Order {
        name: program.name().chars().take(1000).collect(),
        size: program.size(),
        metering: variant.metering,
        nans: variant.nans,
        memory: compiling.memory.as_bytes(),
        time: compiling.time.as_secs().saturating_add(1).saturating_mul(cores),
    };
    let mut order = serde_json::to_vec(&order).map_err(|error| failed(error.into()))?;
    order.push(b'\n');
    let source = program.clone();
    let bytes = tokio::task::spawn_blocking(move || source.bytes().map(Cow::into_owned))
        .await
        .map_err(|error| failed(error.into()))??;
    let mut child = tokio::process::Command::new(compiler)
        .arg(COMPILE_PROGRAM)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // What a terminal tells us is not for it.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = pipes else {
        return Err(Error::new(Kind::Internal, "a process has no pipes"));
    };
    let give = async {
        // One which refuses the program ends before it has read all.
        let _ = stdin.write_all(&order).await;
        let _ = stdin.write_all(&bytes).await;
    };
    let (_, artefact, message) = tokio::join!(
        give,
        read(&mut stdout, most.saturating_add(1)),
        read(&mut stderr, MAX_MESSAGE)
    );
    let (artefact, message) = (artefact.map_err(failed)?, message.map_err(failed)?);
    let status = child.wait().await.map_err(failed)?;
    // Until here it knows by its input that somebody waits for it.
    drop(stdin);
    let message = String::from_utf8_lossy(&message);
    let ended = |kind| {
        let why = format!(
            "{:?} is not compiled: the compiler ended with {status}; it may hold {}: {}",
            program.name(),
            compiling.memory,
            shown(message.lines().next().unwrap_or_default(), 500)
        );
        Err(Error::new(kind, why))
    };
    match status.code() {
        Some(0) if artefact.len() as u64 > most => Err(Error::new(
            Kind::InvalidInput,
            format!(
                "{:?} has over {most} bytes of native code, the most that is taken",
                program.name()
            ),
        )),
        Some(0) => Ok(artefact),
        Some(REFUSED) => Err(Error::new(Kind::InvalidInput, message.trim_end())),
        Some(_) => ended(Kind::Unavailable),
        // What it is sent when it passes a limit, or cannot have what it needs.
        None if matches!(status.signal(), Some(SIGABRT | SIGXCPU)) => ended(Kind::InvalidInput),
        None => ended(Kind::Unavailable),
    }
}

const SIGABRT: i32 = rustix::process::Signal::ABORT.as_raw();
const SIGXCPU: i32 = rustix::process::Signal::XCPU.as_raw();

/// All that comes, of which `most` bytes are kept: who waits to write more would never end.
async fn read(from: &mut (impl AsyncRead + Unpin), most: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    from.take(most).read_to_end(&mut kept).await?;
    tokio::io::copy(from, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// The exit code for a program which is refused.
const REFUSED: i32 = 1;
/// That for a compiler which cannot compile any.
const BROKEN: i32 = 2;

/// Compiles one program, from standard input to standard output, and ends.
///
/// This is the other side of [`HostConfig::compiler`](crate::HostConfig::compiler): the program which is named there
/// calls it when its one argument is [`COMPILE_PROGRAM`]. Before it looks at the program, it bounds its own memory and
/// time, and makes itself nicer.
pub fn compile_program() -> ExitCode {
    let told = |message: String, code: i32| {
        let message = shown(&message, MAX_MESSAGE as usize / 4);
        let _ = io::stderr().write_all(message.as_bytes());
        ExitCode::from(code as u8)
    };
    let ready = receive()
        .map_err(|error| error.to_string())
        .and_then(|(program, variant)| {
            let engine = Engine::new(&config(variant, 1)).map_err(|error| format!("{error:#}"))?;
            Ok((program, engine))
        });
    let (program, engine) = match ready {
        Ok(ready) => ready,
        Err(error) => return told(error, BROKEN),
    };
    match workshop::compile(&engine, &program) {
        Ok(artefact) => match io::stdout().write_all(&artefact) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => told(error.to_string(), BROKEN),
        },
        Err(error) => told(error.to_string(), REFUSED),
    }
}

fn receive() -> Result<(Program, Variant)> {
    let failed = |error: io::Error| Error::new(Kind::InvalidInput, format!("cannot read the order: {error}"));
    let mut stdin = BufReader::new(io::stdin());
    let mut line = Vec::new();
    stdin
        .by_ref()
        .take(MAX_ORDER)
        .read_until(b'\n', &mut line)
        .map_err(failed)?;
    let order: Order = serde_json::from_slice(&line).map_err(|error| failed(error.into()))?;
    limit(Resource::Data, order.memory).map_err(|errno| failed(errno.into()))?;
    limit(Resource::Cpu, order.time).map_err(|errno| failed(errno.into()))?;
    limit(Resource::Core, 0).map_err(|errno| failed(errno.into()))?;
    let _ = rustix::process::nice(NICE);
    // Where memory runs out, this is to go and not the host.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let mut bytes = Vec::new();
    stdin
        .by_ref()
        .take(order.size)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    end_with(stdin);
    let variant = Variant {
        metering: order.metering,
        nans: order.nans,
    };
    Ok((Program::from_bytes(order.name, bytes)?, variant))
}

/// Ends this process when who gave the order is gone, which is when its input ends.
fn end_with(mut input: impl Read + Send + 'static) {
    std::thread::spawn(move || {
        while input.read(&mut [0]).is_ok_and(|read| read > 0) {}
        std::process::exit(BROKEN);
    });
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
