//! The first call of a large tool by a host which has just started: found in the registry, its compiled form taken from
//! disk, linked and called. The floor maps the same file, links and calls. Both engines have been in use before.

use std::path::Path;
use std::time::Instant;

use palisade::Call;
use serde_json::json;
use wasmtime::component::Component;
use wasmtime::{Result, StoreLimits, ensure};

use super::ECHO;
use crate::floor::{self, Tool};
use crate::harness::{Measurement, Settings, micros, pairs, wait};
use crate::ours::Ours;

const GOAL: f64 = 1.5;

/// How often the code of a large program is in the component.
const COPIES: usize = 4;

/// A section of a component: a core module.
const CORE_MODULE: u8 = 1;

pub(super) fn run(settings: Settings) -> Result<Measurement> {
    let small = wat::parse_str(ECHO)?;
    let large = large(&small)?;
    let ours = Ours::new(100)?;
    wait(ours.add("small", small))?;
    wait(ours.add("large", large.clone()))?;

    let engine = floor::engine(100)?;
    let compiled = tempfile::NamedTempFile::new()?;
    std::fs::write(compiled.path(), engine.precompile_component(&large)?)?;
    let mib = compiled.path().metadata()?.len() >> 20;

    let measured = pairs(
        settings,
        || {
            let again = ours.again()?;
            wait(echo(&again, "small"))?;
            let start = Instant::now();
            wait(echo(&again, "large"))?;
            Ok(micros(start.elapsed()) / 1000.0)
        },
        || {
            let start = Instant::now();
            let tool: Tool<StoreLimits> = Tool::new(&load(&engine, compiled.path())?, "echo")?;
            wait(tool.call::<_, (String,)>(("x",)))?;
            Ok(micros(start.elapsed()) / 1000.0)
        },
    )?;
    let name = format!(
        "load and first call, {:.1} MB, {mib} MiB compiled",
        large.len() as f64 / 1e6
    );
    Ok(Measurement::from_pairs(name, "ms", GOAL, &measured))
}

/// The small component with code added which is not used, but compiled and loaded as any other.
fn large(small: &[u8]) -> Result<Vec<u8>> {
    let program = std::fs::read(palisade_guests::path("rg.wasm"))?;
    let mut large = small.to_vec();
    for _ in 0..COPIES {
        large.push(CORE_MODULE);
        let mut length = program.len();
        while length > 0x7f {
            large.push(length as u8 | 0x80);
            length >>= 7;
        }
        large.push(length as u8);
        large.extend(&program);
    }
    Ok(large)
}

#[expect(unsafe_code, reason = "mapping precompiled code")]
fn load(engine: &wasmtime::Engine, file: &Path) -> Result<Component> {
    // SAFETY: this process compiled it just now, into a file of its own.
    unsafe { Component::deserialize_file(engine, file) }
}

async fn echo(ours: &Ours, tool: &str) -> Result<()> {
    let tool = ours.host().tools().get(tool).await?;
    let sandbox = ours.host().create_admitted(&ours.admit(None)?)?;
    let outcome = sandbox.call(Call::new(&tool, "echo", json!({ "text": "x" }))).await?;
    ensure!(outcome.is_success(), "the call ended with {:?}", outcome.ending);
    Ok(())
}
