//! Measures peers at the work that palisade is measured at: `cargo xtask bench tools --peers` starts this beside its own
//! measurements and asks for figures in turn with them.
//!
//! A line on standard input is `WORK BYTES REPETITIONS`; the answer is a line of JSON, with the microseconds that one
//! repetition took. What a peer has compiled is kept, as palisade keeps it.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use extism::{CompiledPlugin, Error, Manifest, Plugin, PluginBuilder, Wasm};

/// A plug-in which gives back what it gets, with the least that one can do: nothing is copied in it.
const ECHO: &str = r#"(module
    (import "extism:host/env" "input_offset" (func $offset (result i64)))
    (import "extism:host/env" "input_length" (func $length (result i64)))
    (import "extism:host/env" "output_set" (func $set (param i64 i64)))
    (memory (export "memory") 4)
    (func (export "echo") (result i32) (call $set (call $offset) (call $length)) (i32.const 0)))"#;

fn main() -> Result<(), Error> {
    let manifest = Manifest::new([Wasm::data(wat::parse_str(ECHO)?)]);
    let compiled = PluginBuilder::new(manifest).with_wasi(false).compile()?;
    let mut kept = Plugin::new_from_compiled(&compiled)?;
    let version = extism::extism_version().trim_end_matches('\0');
    for line in io::stdin().lock().lines() {
        let micros = measure(&compiled, &mut kept, &line?)?;
        println!(r#"{{"peer": "Extism {version}", "micros": {micros}}}"#);
        io::stdout().flush()?;
    }
    Ok(())
}

fn measure(compiled: &CompiledPlugin, kept: &mut Plugin, asked: &str) -> Result<f64, Error> {
    let words: Vec<&str> = asked.split_whitespace().collect();
    let [work, bytes, repetitions] = words[..] else {
        return Err(Error::msg(format!("what is {asked:?}?")));
    };
    let (text, repetitions) = ("x".repeat(bytes.parse()?), repetitions.parse::<u32>()?);
    let started = Instant::now();
    for _ in 0..repetitions {
        match work {
            "fresh" => echo(&mut Plugin::new_from_compiled(compiled)?, &text)?,
            "kept" => echo(kept, &text)?,
            _ => return Err(Error::msg(format!("nobody does {work:?}"))),
        }
    }
    Ok(started.elapsed().as_secs_f64() * 1e6 / f64::from(repetitions))
}

fn echo(plugin: &mut Plugin, text: &str) -> Result<(), Error> {
    let answer: String = plugin.call("echo", text)?;
    if answer.len() != text.len() {
        return Err(Error::msg("it gives back another text"));
    }
    Ok(())
}
