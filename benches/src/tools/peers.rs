//! Others at the same work, as far as they can do it: a process which measures them answers in turn with us. Their plug-in
//! does the least that it can; a call of ours goes by names and JSON, under all limits.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use palisade::Call;
use serde::Deserialize;
use serde_json::json;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

use super::{ECHO, session};
use crate::harness::{Measurement, Settings, pairs, time_each, wait};
use crate::ours::Ours;

/// Ours is to be no slower.
const GOAL: f64 = 1.0;

pub(super) fn run(settings: Settings, program: &Path) -> Result<Vec<Measurement>> {
    let peer = RefCell::new(Peer::start(program)?);
    let ours = Ours::new(100)?;
    let echo = wait(ours.add("echo", wat::parse_str(ECHO)?))?;
    let sandbox = ours.host().create_admitted(&ours.admit(None)?)?;
    let mut results = Vec::new();
    for (size, length, repetitions) in [("32 B", 32, 1000), ("64 KiB", 64 << 10, 500)] {
        let text = "x".repeat(length);
        let arguments = json!({ "text": text });
        let fresh = pairs(
            settings,
            || {
                time_each(repetitions, async || {
                    let outcome = sandbox.call(Call::new(&echo, "echo", arguments.clone())).await?;
                    ensure!(outcome.is_success(), "the call ended with {:?}", outcome.ending);
                    Ok(())
                })
            },
            || peer.borrow_mut().measure("fresh", length, repetitions),
        )?;
        let kept = pairs(
            settings,
            || session::time(&session::open(&sandbox, &echo)?, &text, repetitions),
            || peer.borrow_mut().measure("kept", length, repetitions),
        )?;
        let name = &peer.borrow().name;
        for (what, measured) in [("call", fresh), ("call in a session", kept)] {
            let name = format!("{what}, echo of {size}, against {name}");
            results.push(Measurement::from_pairs(name, "µs", GOAL, &measured));
        }
    }
    Ok(results)
}

/// A process of `benches/peers`.
struct Peer {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    peer: String,
    micros: f64,
}

impl Peer {
    fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let questions = process.stdin.take().context("it has no input")?;
        let answers = BufReader::new(process.stdout.take().context("it has no output")?);
        Ok(Self {
            process,
            questions,
            answers,
            name: String::new(),
        })
    }

    /// Microseconds of one repetition.
    fn measure(&mut self, work: &str, bytes: usize, repetitions: u32) -> Result<f64> {
        writeln!(self.questions, "{work} {bytes} {repetitions}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let answer: Answer = serde_json::from_str(&line).with_context(|| format!("the peer answers {line:?}"))?;
        self.name = answer.peer;
        Ok(answer.micros)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
