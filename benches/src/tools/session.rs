//! Calls of one instance which is kept, each after the other. The floor is a call with the types of the language in an
//! instance which is kept as well.

use std::time::Duration;

use palisade::policy::CallRequest;
use palisade::{Bytes, Sandbox, Session, Tool};
use serde_json::json;
use wasmtime::component::Component;
use wasmtime::{Result, StoreLimits, ensure};

use super::ECHO;
use crate::floor;
use crate::harness::{Measurement, Settings, pairs, time_each, wait};
use crate::ours::Ours;

const REPETITIONS: u32 = 5000;

const GOAL: f64 = 3.0;

pub(super) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let ours = Ours::new(100)?;
    let bytes = wat::parse_str(ECHO)?;
    let engine = floor::engine(100)?;
    let bare: floor::Tool<StoreLimits> = floor::Tool::new(&Component::new(&engine, &bytes)?, "echo")?;
    let echo = wait(ours.add("echo", bytes))?;
    let sandbox = ours.host().create_admitted(&ours.admit(None)?)?;
    [("32 B", 32), ("64 KiB", 64 << 10)]
        .map(|(size, length)| {
            let text = "x".repeat(length);
            let mut kept = wait(bare.keep::<(String,), (String,)>())?;
            let measured = pairs(
                settings,
                || time(&open(&sandbox, &echo)?, &text, REPETITIONS),
                || time_each(REPETITIONS, async || kept.call((text.clone(),)).await),
            )?;
            let name = format!("call in a session, echo of {size}");
            Ok(Measurement::from_pairs(name, "µs", GOAL, &measured))
        })
        .into_iter()
        .collect()
}

/// A session of its own for each measurement, since limits of output are for all calls of one.
pub(super) fn open(sandbox: &Sandbox, echo: &Tool) -> Result<Session> {
    Ok(sandbox.open_session(echo, Duration::from_secs(60), &CallRequest::default())?)
}

/// Microseconds of one of so many calls in a session, the first of which does not count.
pub(super) fn time(session: &Session, text: &str, repetitions: u32) -> Result<f64> {
    let arguments = json!({ "text": text });
    let call = async || {
        let outcome = session.call("echo", arguments.clone(), Bytes::Base64).await?;
        ensure!(outcome.is_success(), "the call ended with {:?}", outcome.ending);
        Ok(())
    };
    wait(call())?;
    time_each(repetitions, call)
}
