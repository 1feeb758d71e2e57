//! What becomes of programs which want too much: `cargo run --example limits`.

use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Command, Host, HostConfig, Program, SandboxSpec};

/// Computes for ever.
const SPIN: &str = r#"(module (func (export "_start") (loop (br 0))))"#;

/// Takes 64 KiB after 64 KiB, and goes on when it gets no more.
const GROW: &str = r#"(module (memory (export "memory") 1)
    (func (export "_start") (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))))"#;

/// The same, but cannot do without.
const INSIST: &str = r#"(module (memory (export "memory") 1)
    (func (export "_start") (loop (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (br 0))))"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let state = tempfile::tempdir()?;
    let host = Host::open(HostConfig::new(state.path()))?;
    let time = LimitsRequest {
        time: Some(Duration::from_millis(100)),
        ..LimitsRequest::default()
    };
    let fuel = LimitsRequest {
        fuel: Some(1_000_000),
        ..LimitsRequest::default()
    };
    let memory = LimitsRequest {
        memory: Some(ByteSize::from_mib(16)),
        ..LimitsRequest::default()
    };
    for (name, text, limits) in [
        ("100 ms", SPIN, time),
        ("1,000,000 units of fuel", SPIN, fuel),
        ("16 MiB, and it can do without more", GROW, memory.clone()),
        ("16 MiB, and it cannot", INSIST, memory),
    ] {
        let sandbox = host.create(SandboxSpec::new(Policy::standard()).limits(limits))?;
        let program = Program::from_bytes("greedy", wat::parse_str(text)?)?;
        let outcome = sandbox.run(Command::new(&program)).await?;

        println!("{name}: it ended with {:?}", outcome.ending);
        println!("    it was refused something by {:?}", outcome.limits_hit);
        println!("    it used {:?}", outcome.usage);
        sandbox.destroy().await?;
    }
    Ok(())
}
