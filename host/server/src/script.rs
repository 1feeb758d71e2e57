//! Scripts as tools: texts which an interpreter runs, a tool itself.

use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Error, Host, Kind, Result, SandboxSpec, Tool};

/// Adds a script, and has `name` stand for it. To be looked at, it is run in a sandbox of its own.
///
/// # Errors
/// Those of [`Tools::add_script`](palisade::Tools::add_script); [`Kind::InvalidInput`] where `name` is that of the
/// interpreter, [`Kind::NotFound`] where there is no such interpreter.
pub async fn add_script(host: &Host, name: &str, source: String, interpreter: &str) -> Result<Tool> {
    if interpreter.split('@').next() == Some(name) {
        let message = format!("a script called {name:?} would take the place of its interpreter: give it another name");
        return Err(Error::new(Kind::InvalidInput, message));
    }
    let interpreter = host.tools().get(interpreter).await?;
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(256)),
        time: Some(Duration::from_secs(10)),
        ..LimitsRequest::default()
    };
    let sandbox = host.create(SandboxSpec::new(Policy::standard()).limits(limits))?;
    let added = host.tools().add_script(name, source, &interpreter, &sandbox).await;
    sandbox.destroy().await?;
    added
}
