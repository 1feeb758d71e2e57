//! What 200 programs print at one time, as it comes to as many clients; and as it comes to readers of the library's pipes.

use palisade::{Command, Output, Program, Sandbox};
use palisade_client::Client;
use palisade_client::wire::{ProcessEvent, ProcessRequest};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use wasmtime::{Result, ensure};

use super::{Case, ours};
use crate::harness::{Measurement, Settings, pairs, wait};

/// Streams at one time.
const STREAMS: usize = 200;
/// Bytes which each of them has.
const BYTES: usize = 256 << 10;
/// Sandboxes, since each has 50 processes at most.
const SANDBOXES: usize = 8;

/// A program which prints 64 times 4 KiB.
const PRINTER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start") (local $left i32)
        (memory.fill (i32.const 64) (i32.const 97) (i32.const 4096))
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 4096))
        (local.set $left (i32.const 64))
        (loop $more
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left)))))"#;

pub(super) fn run(settings: Settings) -> Result<Measurement> {
    let (target, library) = wait(ours(Case::echo()?))?;
    let client = Client::new(&format!("http://{}", target.address), &target.key)?;
    let bytes = wat::parse_str(PRINTER)?;
    let program = Program::from_bytes("printer", bytes.clone())?;
    let mut sandboxes = Vec::new();
    for _ in 0..SANDBOXES {
        let sandbox = library.ours.host().create_admitted(&library.ours.admit(None)?)?;
        sandbox.workspace().write("/printer.wasm", &bytes)?;
        sandboxes.push(sandbox);
    }
    let measured = pairs(
        settings,
        || timed(&sandboxes, |sandbox| served(client.sandbox(sandbox.id().to_string()))),
        || timed(&sandboxes, |sandbox| piped(sandbox.clone(), program.clone())),
    )?;
    let name = format!("{STREAMS} streams of output over HTTP, and by the library");
    Ok(Measurement::from_pairs(name, "ms", None, &measured))
}

/// Milliseconds until all streams have come to their end.
fn timed<F: Future<Output = Result<usize>> + Send + 'static>(
    sandboxes: &[Sandbox],
    stream: impl Fn(&Sandbox) -> F,
) -> Result<f64> {
    wait(async {
        let started = std::time::Instant::now();
        let mut all = JoinSet::new();
        for sandbox in sandboxes.iter().cycle().take(STREAMS) {
            all.spawn(stream(sandbox));
        }
        while let Some(ended) = all.join_next().await {
            let length = ended??;
            ensure!(length == BYTES, "a stream had {length} bytes");
        }
        Ok(started.elapsed().as_secs_f64() * 1e3)
    })
}

async fn served(sandbox: palisade_client::Sandbox) -> Result<usize> {
    let mut running = sandbox.start(&ProcessRequest::new("/printer.wasm")).await?;
    let mut length = 0;
    while let Some(event) = running.next().await? {
        if let ProcessEvent::Stdout(bytes) = event {
            length += bytes.len();
        }
    }
    Ok(length)
}

async fn piped(sandbox: Sandbox, program: Program) -> Result<usize> {
    let mut process = sandbox.spawn(Command::new(&program).stdout(Output::Pipe))?;
    let mut reader = process.take_stdout().expect("it was asked for");
    let mut buffer = vec![0; 16 << 10];
    let mut length = 0;
    loop {
        match reader.read(&mut buffer).await? {
            0 => break,
            more => length += more,
        }
    }
    ensure!(process.wait().await?.is_success(), "the program failed");
    Ok(length)
}
