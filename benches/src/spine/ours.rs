//! Our side: a host in a temporary directory, and programs run in fresh sandboxes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade::policy::{Access, Policy};
use palisade::{Admission, Command, Host, HostConfig, Outcome, Output, Program, SandboxSpec};
use wasmtime::{Result, ensure};

pub(super) struct Ours {
    host: Host,
    policy: Arc<Policy>,
    _state: tempfile::TempDir,
}

impl Ours {
    pub(super) fn new(max_instances: u32) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let mut config = HostConfig::new(state.path());
        config.max_instances = max_instances;
        config.max_sandboxes = 20_000;
        let policy = Arc::new(Policy::shipped("default").expect("the policy `default` is shipped"));
        Ok(Self {
            host: Host::open(config)?,
            policy,
            _state: state,
        })
    }

    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// What every sandbox here is granted; `directory` is seen as `/`.
    pub(super) fn admit(&self, directory: Option<&Path>) -> Result<Admission> {
        let spec = SandboxSpec::new(Arc::clone(&self.policy));
        let spec = match directory {
            Some(directory) => spec.mount(PathBuf::from(directory), "/".parse()?, Access::ReadWrite),
            None => spec,
        };
        Ok(self.host.admit(&spec)?)
    }

    /// Makes a sandbox, runs a program in it, and destroys it.
    pub(super) async fn run(&self, program: &Program, args: &[&str], granted: &Admission) -> Result<Outcome> {
        let sandbox = self.host.create_admitted(granted)?;
        let command = Command::new(program).args(args.iter().copied()).stdout(Output::Capture);
        let outcome = sandbox.run(command).await?;
        sandbox.destroy().await?;
        ensure!(outcome.is_success(), "the guest ended with {:?}", outcome.ending);
        Ok(outcome)
    }
}
