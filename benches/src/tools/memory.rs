//! What a host holds for a thousand tools that it has listed, and then looked up one by one, in a process of its own.
//! Beside it is what their descriptions take as JSON.

use std::path::Path;
use std::process::Command as Process;

use palisade::{Host, HostConfig};
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use crate::harness::{Measurement, Settings, runtime, wait};
use crate::machine::resident_kib;
use crate::ours::Ours;

const COUNT: usize = 1000;
/// Memory does not vary as time does.
const PAIRS: usize = 3;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let ours = Ours::new(100)?;
    let mut described = 0;
    for number in 0..COUNT {
        let tool = wait(ours.add(&format!("tool-{number}"), tool(number)?))?;
        described += serde_json::to_vec(tool.description())?.len();
    }
    let floor = described as f64 / COUNT as f64 / 1024.0;
    let (mut listed, mut looked_up) = (Vec::new(), Vec::new());
    for _ in 0..settings.pairs.min(PAIRS) {
        let (before, after) = in_own_process(ours.host().state_dir())?;
        listed.push((before, floor));
        looked_up.push((after, floor));
    }
    Ok(vec![
        Measurement::from_pairs(format!("memory of a tool listed, of {COUNT}"), "KiB", None, &listed),
        Measurement::from_pairs(
            format!("memory of a tool looked up, of {COUNT}"),
            "KiB",
            None,
            &looked_up,
        ),
    ])
}

/// A component like no other, with eight functions.
fn tool(number: usize) -> Result<Vec<u8>> {
    let functions: String = (0..8)
        .map(|function| {
            format!(
                r#"(func (export "function-{number}-{function}")
                    (param "path" string) (param "first" (option u64)) (param "names" (list string))
                    (result (result string (error string)))
                    (canon lift (core func $i "f") (memory $memory) (realloc $realloc)))"#
            )
        })
        .collect();
    let component = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "f") (param i32 i32 i32 i64 i32 i32) (result i32) unreachable))
            (core instance $i (instantiate $m))
            (alias core export $i "memory" (core memory $memory))
            (alias core export $i "realloc" (core func $realloc))
            {functions})"#
    );
    Ok(wat::parse_str(component)?)
}

fn in_own_process(state: &Path) -> Result<(f64, f64)> {
    let output = Process::new(std::env::current_exe()?)
        .arg("--tools-probe")
        .arg(state)
        .output()?;
    ensure!(
        output.status.success(),
        "the probe failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut figures = printed.split_whitespace().map(str::parse::<f64>);
    let mut next = || figures.next().with_context(|| format!("the probe printed {printed:?}"));
    Ok((next()??, next()??))
}

/// Prints the memory, in KiB, that a host takes for each tool in its state directory: when they are listed, and when
/// each was looked up.
pub(crate) fn probe(state: &Path) -> Result<()> {
    let before = resident_kib()?;
    let host = Host::open(HostConfig::new(state))?;
    let tools = host.tools().list()?;
    let each = |now: f64| (now - before) / tools.len() as f64;
    let listed = each(resident_kib()?);
    runtime()?.block_on(async {
        for entry in &tools {
            host.tools().get(&entry.name).await?;
        }
        wasmtime::error::Ok(())
    })?;
    println!("{listed:.3} {:.3}", each(resident_kib()?));
    Ok(())
}
