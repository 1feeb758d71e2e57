//! Runs an untrusted program: `cargo run --example run -- PROGRAM.wasm DIRECTORY [ARGUMENT]…`.
//!
//! The program sees DIRECTORY as `/data`, read-only, and nothing else of this machine.

use std::time::Duration;

use palisade::policy::{Access, ByteSize, LimitsRequest, Policy};
use palisade::{Command, Host, HostConfig, Output, Program, SandboxSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(program), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: run PROGRAM.wasm DIRECTORY [ARGUMENT]…".into());
    };

    let state = tempfile::tempdir()?;
    let host = Host::open(HostConfig::new(state.path()))?;
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(64)),
        time: Some(Duration::from_secs(10)),
        ..LimitsRequest::default()
    };
    let spec = SandboxSpec::new(Policy::standard())
        .mount(directory, "/data".parse()?, Access::ReadOnly)
        .limits(limits);
    let sandbox = host.create(spec)?;

    let program = Program::from_file(program)?;
    let command = Command::new(&program).args(arguments).stdout(Output::Capture);
    let outcome = sandbox.run(command).await?;
    println!("{}", String::from_utf8_lossy(&outcome.stdout));
    println!("it ended with {:?}; it used {:?}", outcome.ending, outcome.usage);

    sandbox.destroy().await?;
    Ok(())
}
