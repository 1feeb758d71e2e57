//! A host of sandboxes and tools, here or there: the one place where a verb meets either.
//!
//! A verb gets a [`Host`] from [`open`], or says by [`only_here`] that it is about this machine alone. What is told by
//! either is in the types of the wire, so that it is shown alike.

mod address;
mod here;
mod stdio;
mod there;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use palisade::Program;
use palisade_client::Client;
use palisade_client::wire::{
    CallBody, KeyBody, NewKeyBody, OutcomeBody, PolicyBody, PolicyLine, PolicyReport, Role, ToolBody, ToolLine,
};
use palisade_server::KeyId;
use tokio::sync::oneshot;

use self::address::Address;
pub(crate) use self::address::only_here;
use crate::args::{Globals, SandboxArguments};
use crate::doctor::Check;
use crate::failure::Failure;
use crate::report::Format;

type Result<T> = std::result::Result<T, Failure>;

/// The host which the flags and the environment name; without one, this machine. Nothing is opened or asked yet.
pub(crate) fn open(globals: &Globals) -> Result<Box<dyn Host>> {
    Ok(match Address::of(globals)? {
        None => Box::new(here::Here::new(globals)),
        Some(address) => Box::new(there::There::new(address)?),
    })
}

/// The server which the flags and the environment name; without one, that of this machine and state directory.
pub(crate) fn server(globals: &Globals) -> Result<Client> {
    let address = Address::of_server(globals)?;
    Ok(Client::new(&address.url, &address.key)?)
}

/// What verbs ask of a host.
#[async_trait]
pub(crate) trait Host: Sync {
    /// Does what takes long before the first sandbox, and leaves nothing behind wherever it is ended.
    fn prepare(&self) -> Result<()>;

    async fn tools(&self) -> Result<Vec<ToolLine>>;
    async fn tool(&self, reference: &str) -> Result<ToolBody>;
    /// Adds a component.
    async fn add_tool(&self, name: &str, file: ProgramFile) -> Result<ToolBody>;
    /// Adds a script, which a tool interprets.
    async fn add_script(&self, name: &str, source: String, interpreter: &str) -> Result<ToolBody>;
    async fn enable_tool(&self, reference: &str) -> Result<()>;
    async fn disable_tool(&self, reference: &str) -> Result<()>;
    async fn remove_tool(&self, reference: &str) -> Result<()>;

    async fn keys(&self) -> Result<Vec<KeyBody>>;
    async fn create_key(&self, role: Role) -> Result<NewKeyBody>;
    async fn remove_key(&self, id: KeyId) -> Result<()>;

    async fn policies(&self) -> Result<Vec<PolicyLine>>;
    /// A policy as the host applies it.
    async fn policy(&self, named: &str) -> Result<PolicyBody>;
    async fn check_policy(&self, text: String) -> Result<PolicyReport>;

    /// What the host can do, and what it lacks.
    async fn checks(&self) -> Result<Vec<Check>>;

    /// Makes a sandbox for one program or call.
    async fn sandbox(&self, asked: SandboxArguments) -> Result<Box<dyn Sandbox>>;
}

/// A sandbox which was made for one program or call.
#[async_trait]
pub(crate) trait Sandbox: Send + Sync {
    async fn call(&self, call: CallBody) -> Result<OutcomeBody>;
    /// Starts a program, connected to our streams.
    async fn start(&self, program: ProgramFile, args: Vec<String>, format: Format) -> Result<Box<dyn Process>>;
    async fn destroy(&self) -> Result<()>;
}

/// A program which runs. Dropping it ends it.
#[async_trait]
pub(crate) trait Process: Send {
    /// Waits for its end, and for all that it printed to be handed on. Once `stop` is there, it is killed, and what it
    /// printed is handed on for a moment only.
    async fn end(self: Box<Self>, stop: oneshot::Receiver<()>) -> Result<Ended>;
}

/// A program which is over.
pub(crate) struct Ended {
    pub outcome: OutcomeBody,
    /// The signal that ended it, or would have ended a native program.
    pub signal: Option<u8>,
}

/// A wasm file of this machine, of which the form was looked at.
pub(crate) struct ProgramFile {
    path: PathBuf,
    program: Program,
}

impl ProgramFile {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            program: Program::from_file(path).map_err(Failure::program)?,
        })
    }
}
