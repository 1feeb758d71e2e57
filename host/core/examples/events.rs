//! What a host tells of what happens on it: `cargo run --example events`.

use palisade::policy::{Access, Policy};
use palisade::{Command, Delivery, Event, Host, HostConfig, Program, SandboxSpec};

/// Does nothing, and does it well.
const PROGRAM: &str = r#"(module (func (export "_start")))"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let state = tempfile::tempdir()?;
    let host = Host::open(HostConfig::new(state.path()))?;
    // From here on; who listens late, or is slow, does not hold up what it listens to.
    let mut events = host.events();

    let sandbox = host.create(SandboxSpec::new(Policy::strict()))?;
    let program = Program::from_bytes("program", wat::parse_str(PROGRAM)?)?;
    sandbox.run(Command::new(&program)).await?;
    sandbox.destroy().await?;

    // The policy grants no mounts.
    let spec = SandboxSpec::new(Policy::strict()).mount("/etc", "/etc".parse()?, Access::ReadOnly);
    let refused = host.create(spec).expect_err("nothing is granted");
    println!("refused: {refused}");

    // A service would have a task with `while let Some(delivery) = events.next().await`.
    while let Some(delivery) = events.try_next() {
        match delivery {
            Delivery::Event(Event::ProcessEnded { process, ending, .. }) => {
                println!("process {process} ended: {ending:?}");
            }
            Delivery::Event(Event::RequestDenied { denials, .. }) => {
                for denial in denials {
                    println!("denied: {}; {} would do", denial.asked, denial.smallest_grant);
                }
            }
            Delivery::Event(other) => println!("{other:?}"),
            Delivery::Missed(count) => println!("{count} events came too fast"),
        }
    }
    Ok(())
}
