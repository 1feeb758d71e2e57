//! Our side: a host in a temporary directory, and programs run in fresh sandboxes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade::policy::{Access, Policy};
use palisade::{Admission, Command, Host, HostConfig, Outcome, Output, Program, SandboxSpec, Tool};
use tempfile::TempDir;
use wasmtime::{Result, ensure};

pub(crate) struct Ours {
    host: Host,
    policy: Arc<Policy>,
    max_instances: u32,
    state: Arc<TempDir>,
}

impl Ours {
    pub(crate) fn new(max_instances: u32) -> Result<Self> {
        let state = Arc::new(tempfile::tempdir()?);
        let policy = Arc::new(Policy::shipped("default").expect("the policy `default` is shipped"));
        Ok(Self {
            host: open(&state, max_instances)?,
            max_instances,
            policy,
            state,
        })
    }

    /// Another host on the same state directory.
    pub(crate) fn again(&self) -> Result<Self> {
        Ok(Self {
            host: open(&self.state, self.max_instances)?,
            max_instances: self.max_instances,
            policy: Arc::clone(&self.policy),
            state: Arc::clone(&self.state),
        })
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// What every sandbox here is granted; `directory` is seen as `/`.
    pub(crate) fn admit(&self, directory: Option<&Path>) -> Result<Admission> {
        let spec = SandboxSpec::new(Arc::clone(&self.policy));
        let spec = match directory {
            Some(directory) => spec.mount(PathBuf::from(directory), "/".parse()?, Access::ReadWrite),
            None => spec,
        };
        Ok(self.host.admit(&spec)?)
    }

    /// Adds a component to the registry.
    pub(crate) async fn add(&self, name: &str, component: Vec<u8>) -> Result<Tool> {
        Ok(self
            .host
            .tools()
            .add(name, Program::from_bytes(name, component)?)
            .await?)
    }

    /// Makes a sandbox, runs a program in it, and destroys it.
    pub(crate) async fn run(&self, program: &Program, args: &[&str], granted: &Admission) -> Result<Outcome> {
        let sandbox = self.host.create_admitted(granted)?;
        let command = Command::new(program).args(args.iter().copied()).stdout(Output::Capture);
        let outcome = sandbox.run(command).await?;
        sandbox.destroy().await?;
        ensure!(outcome.is_success(), "the guest ended with {:?}", outcome.ending);
        Ok(outcome)
    }
}

fn open(state: &TempDir, max_instances: u32) -> Result<Host> {
    let mut config = HostConfig::new(state.path());
    config.max_instances = max_instances;
    config.max_sandboxes = 20_000;
    Ok(Host::open(config)?)
}
