//! A call, from the name of a tool to its answer, each in a fresh instance. Ours takes arguments that are JSON values
//! already, and gives one; the floor is a call with the types of the language. Both are given values of their
//! own, copied from one text.

use palisade::Call;
use serde_json::{Value, json};
use wasmtime::component::Component;
use wasmtime::{Result, StoreLimits, ensure};

use super::ECHO;
use crate::floor::{self, ComponentState, Tool};
use crate::harness::{Measurement, Settings, pairs, time_each, time_each_of, wait};
use crate::ours::Ours;

const REPETITIONS: u32 = 2000;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let mut results = Vec::new();
    for (size, length, repetitions, goal) in [
        ("32 B", 32, REPETITIONS, 1.5),
        ("64 KiB", 64 << 10, REPETITIONS / 4, 1.15),
    ] {
        // Where the pages of a text lie in the caches can weigh more than what is measured, so each measurement is of
        // several placements.
        let placed = (0..settings.pairs).map(|_| Placement::new(length)?.measure(repetitions));
        let measured = placed.collect::<Result<Vec<_>>>()?.concat();
        results.push(Measurement::from_pairs(
            format!("call, echo of {size}"),
            "µs",
            goal,
            &measured,
        ));
    }
    let (ours, engine, echo) = sides()?;
    results.push(with_fresh_sandbox(settings, &ours, &echo)?);
    results.push(shipped(settings, &ours, &engine)?);
    Ok(results)
}

/// Both sides, each with the echo.
fn sides() -> Result<(Ours, wasmtime::Engine, Tool<StoreLimits>)> {
    let ours = Ours::new(100)?;
    let engine = floor::engine(100)?;
    let bytes = wat::parse_str(ECHO)?;
    let echo = Tool::new(&Component::new(&engine, &bytes)?, "echo")?;
    wait(ours.add("echo", bytes))?;
    Ok((ours, engine, echo))
}

/// Both sides and what they echo.
struct Placement {
    ours: Ours,
    sandbox: palisade::Sandbox,
    echo: Tool<StoreLimits>,
    text: String,
}

impl Placement {
    fn new(length: usize) -> Result<Self> {
        let (ours, _, echo) = sides()?;
        let text = "x".repeat(length);
        Ok(Self {
            sandbox: ours.host().create_admitted(&ours.admit(None)?)?,
            ours,
            echo,
            text,
        })
    }

    /// A pair in each order.
    fn measure(&self, repetitions: u32) -> Result<Vec<(f64, f64)>> {
        let arguments = || json!({ "text": self.text });
        let ours = async |arguments| call(&self.ours, &self.sandbox, "echo", "echo", arguments).await;
        let floor = async |text| self.echo.call::<_, (String,)>((text,)).await;
        ensure!(wait(ours(arguments()))? == self.text, "it gives back another text");
        pairs(
            Settings { pairs: 2 },
            || time_each_of(repetitions, arguments, ours),
            || time_each_of(repetitions, || self.text.clone(), floor),
        )
    }
}

/// The same with a sandbox for each call, made and destroyed.
fn with_fresh_sandbox(settings: Settings, ours: &Ours, echo: &Tool<StoreLimits>) -> Result<Measurement> {
    let granted = ours.admit(None)?;
    let text = "x".repeat(32);
    let fresh = async || {
        let sandbox = ours.host().create_admitted(&granted)?;
        call(ours, &sandbox, "echo", "echo", json!({ "text": text })).await?;
        sandbox.destroy().await?;
        Ok(())
    };
    let measured = pairs(
        settings,
        || time_each(REPETITIONS, fresh),
        || time_each(REPETITIONS, async || echo.call::<_, (String,)>((text.clone(),)).await),
    )?;
    Ok(Measurement::from_pairs(
        "call in a fresh sandbox, echo of 32 B",
        "µs",
        None,
        &measured,
    ))
}

/// A tool which is shipped and imports most of WASI, in a function that needs none of it. Both are given a directory.
fn shipped(settings: Settings, ours: &Ours, engine: &wasmtime::Engine) -> Result<Measurement> {
    let bytes = std::fs::read(palisade_guests::path("files.wasm"))?;
    let files: Tool<ComponentState> = Tool::new(&Component::new(engine, &bytes)?, "diff-texts")?;
    wait(ours.add("files", bytes))?;
    let sandbox = ours.host().create_admitted(&ours.admit(None)?)?;
    let arguments = json!({ "before": "one\n", "after": "two\n" });
    let measured = pairs(
        settings,
        || {
            time_each(REPETITIONS / 4, async || {
                call(ours, &sandbox, "files", "diff-texts", arguments.clone()).await
            })
        },
        || {
            time_each(REPETITIONS / 4, async || {
                files.call::<_, (String,)>(("one\n", "two\n", None::<u32>)).await
            })
        },
    )?;
    Ok(Measurement::from_pairs(
        "call, tool with all of WASI",
        "µs",
        1.5,
        &measured,
    ))
}

async fn call(ours: &Ours, sandbox: &palisade::Sandbox, tool: &str, function: &str, arguments: Value) -> Result<Value> {
    let tool = ours.host().tools().get(tool).await?;
    let outcome = sandbox.call(Call::new(&tool, function, arguments)).await?;
    ensure!(outcome.is_success(), "the call ended with {:?}", outcome.ending);
    Ok(outcome.value.unwrap_or_default())
}
