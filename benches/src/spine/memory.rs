//! Memory of idle sandboxes and of live instances, each measured in a process of its own.

use std::process::Command as Process;
use std::sync::Arc;

use clap::ValueEnum;
use palisade::{Command, Program, Stdin};
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime::error::Context;
use wasmtime::{Caller, Linker, Module, Store};
use wasmtime::{Result, ensure};

use crate::floor;
use crate::harness::{Measurement, Settings, runtime};
use crate::http;
use crate::machine::resident_kib;
use crate::ours::Ours;

const COUNT: u32 = 10_000;
/// Sandboxes where a server makes them.
pub(crate) const FEW: u32 = 1_000;
const GOAL: f64 = 1.3;
/// A process of its own for each side is dear, and memory does not vary as time does.
const PAIRS: usize = 3;

/// One measurement; what this process starts itself for.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Probe {
    /// Sandboxes without a process.
    OursIdle,
    /// A store with its WASI context, the least that can stand for a sandbox.
    FloorIdle,
    /// A process in each of as many sandboxes, waiting for input.
    OursLive,
    /// An instance in each of as many stores, waiting in a host call.
    FloorLive,
    /// [`FEW`] sandboxes without a process, made over HTTP.
    ServedIdle,
    /// As many, made by the library.
    FewIdle,
}

/// A program which waits for input that never comes, 1 page of memory in use.
const WAITING: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 8))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))))"#;

pub(crate) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let mut results = Vec::new();
    for (name, ours, floor) in [
        ("memory of an idle sandbox", Probe::OursIdle, Probe::FloorIdle),
        ("memory of a live instance", Probe::OursLive, Probe::FloorLive),
    ] {
        let measured = compare(settings, ours, floor)?;
        results.push(Measurement::from_pairs(
            format!("{name}, of {COUNT}"),
            "KiB",
            GOAL,
            &measured,
        ));
    }
    Ok(results)
}

/// The memory which one of each side takes, in KiB, a few times.
pub(crate) fn compare(settings: Settings, ours: Probe, floor: Probe) -> Result<Vec<(f64, f64)>> {
    (0..settings.pairs.min(PAIRS))
        .map(|_| Ok((in_own_process(ours)?, in_own_process(floor)?)))
        .collect()
}

fn in_own_process(probe: Probe) -> Result<f64> {
    let name = probe.to_possible_value().context("every probe has a name")?;
    let output = Process::new(std::env::current_exe()?)
        .args(["--memory-probe", name.get_name()])
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{probe:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
        .trim()
        .parse::<f64>()
        .with_context(|| format!("{probe:?} printed {printed:?}"))
}

/// Prints the memory, in KiB, that one of [`COUNT`] things takes.
pub(crate) fn probe(probe: Probe) -> Result<()> {
    let each = runtime()?.block_on(async {
        match probe {
            Probe::OursIdle => ours_idle(COUNT),
            Probe::FloorIdle => floor_idle(),
            Probe::OursLive => ours_live().await,
            Probe::FloorLive => floor_live().await,
            Probe::ServedIdle => http::idle(FEW).await,
            Probe::FewIdle => ours_idle(FEW),
        }
    })?;
    println!("{each:.3}");
    // What is alive need not be taken apart.
    std::process::exit(0);
}

fn ours_idle(count: u32) -> Result<f64> {
    let ours = Ours::new(count + 1)?;
    let granted = ours.admit(None)?;
    let _first = ours.host().create_admitted(&granted)?;
    let before = resident_kib()?;
    for _ in 0..count {
        ours.host().create_admitted(&granted)?;
    }
    Ok((resident_kib()? - before) / f64::from(count))
}

fn floor_idle() -> Result<f64> {
    let engine = floor::engine(COUNT + 1)?;
    let make = || {
        let mut wasi = wasmtime_wasi::WasiCtx::builder();
        Store::new(&engine, (wasi.build(), wasmtime::component::ResourceTable::new()))
    };
    let _first = make();
    let before = resident_kib()?;
    let stores: Vec<_> = (0..COUNT).map(|_| make()).collect();
    let each = (resident_kib()? - before) / f64::from(COUNT);
    drop(stores);
    Ok(each)
}

/// Input which never comes.
struct Never;

impl AsyncRead for Never {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Pending
    }
}

async fn ours_live() -> Result<f64> {
    let ours = Ours::new(COUNT + 1)?;
    let program = Program::from_bytes("waiting", wat::parse_str(WAITING)?)?;
    let granted = ours.admit(None)?;
    let start = async || {
        let sandbox = ours.host().create_admitted(&granted)?;
        let process = sandbox.spawn(Command::new(&program).stdin(Stdin::reader(Never)))?;
        while sandbox.usage().memory.as_bytes() == 0 {
            tokio::task::yield_now().await;
        }
        wasmtime::error::Ok(process)
    };
    let _first = start().await?;
    let before = resident_kib()?;
    let mut processes = Vec::new();
    for _ in 0..COUNT {
        processes.push(start().await?);
    }
    let each = (resident_kib()? - before) / f64::from(COUNT);
    drop(processes);
    Ok(each)
}

async fn floor_live() -> Result<f64> {
    let engine = floor::engine(COUNT + 1)?;
    let mut linker: Linker<wasmtime_wasi::p1::WasiP1Ctx> = Linker::new(&engine);
    linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "fd_read",
        |_: Caller<'_, _>, _: (i32, i32, i32, i32)| Box::new(std::future::pending::<wasmtime::Result<i32>>()),
    )?;
    let ready = Arc::new(linker.instantiate_pre(&Module::new(&engine, wat::parse_str(WAITING)?)?)?);
    let start = async || {
        let mut store = Store::new(&engine, wasmtime_wasi::WasiCtx::builder().build_p1());
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        store.set_fuel(u64::MAX)?;
        let instance = ready.instantiate_async(&mut store).await?;
        let program = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let task = tokio::spawn(async move { program.call_async(&mut store, ()).await });
        tokio::task::yield_now().await;
        wasmtime::error::Ok(task)
    };
    let _first = start().await?;
    let before = resident_kib()?;
    let mut tasks = Vec::new();
    for _ in 0..COUNT {
        tasks.push(start().await?);
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let each = (resident_kib()? - before) / f64::from(COUNT);
    drop(tasks);
    Ok(each)
}
