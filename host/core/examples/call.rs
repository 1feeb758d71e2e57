//! Calls a function of a tool: `cargo run --example call -- COMPONENT.wasm FUNCTION '{"name": "value"}'`.
//!
//! It prints what happens on the host meanwhile, a tool's own log lines among it.

use palisade::policy::{ByteSize, CallLimits, CallRequest, FileAccess, Policy};
use palisade::{Call, Delivery, Ending, Host, HostConfig, Program, SandboxSpec};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(component), Some(function), Some(json)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: call COMPONENT.wasm FUNCTION JSON".into());
    };

    let state = tempfile::tempdir()?;
    let host = Host::open(HostConfig::new(state.path()))?;
    let mut events = host.events();
    let tool = host.tools().add("example", Program::from_file(component)?).await?;
    for function in &tool.description().functions {
        println!("{}: {}", function.name, function.parameters);
    }

    // The policy lets any tool be called; this call has less than it grants.
    let sandbox = host.create(SandboxSpec::new(Policy::standard()))?;
    let request = CallRequest {
        files: Some(FileAccess::None),
        limits: CallLimits {
            fuel: Some(1_000_000_000),
            memory: Some(ByteSize::from_mib(64)),
            ..CallLimits::default()
        },
        ..CallRequest::default()
    };
    let arguments: serde_json::Value = serde_json::from_str(&json)?;
    let outcome = sandbox
        .call(Call::new(&tool, function, arguments).narrow(request))
        .await?;

    while let Some(Delivery::Event(event)) = events.try_next() {
        println!("{event:?}");
    }
    match (outcome.ending, outcome.value) {
        (Ending::Returned, Some(value)) => println!("it returned {value}"),
        (Ending::Failed, Some(error)) => println!("it failed: {error}"),
        (ending, _) => println!("it ended with {ending:?}; it used {:?}", outcome.usage),
    }
    sandbox.destroy().await?;
    Ok(())
}
