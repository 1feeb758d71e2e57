//! Another host, by its HTTP endpoint.

mod running;

use std::num::NonZeroU32;

use async_trait::async_trait;
use palisade::Kind;
use palisade_client::Client;
use palisade_client::wire::{
    CallBody, KeyBody, NewKeyBody, OutcomeBody, PolicyBody, PolicyLine, PolicyReport, ProcessRequest, Role,
    SandboxRequest, Stdin, ToolBody, ToolLine,
};
use palisade_server::KeyId;
use tokio::fs::File;

use self::running::Started;
use super::address::Address;
use super::stdio::terminals;
use super::{Host, Process, ProgramFile, Result, Sandbox};
use crate::args::SandboxArguments;
use crate::doctor::Check;
use crate::failure::Failure;
use crate::report::Format;

/// A sandbox which this command could not destroy, as it was killed itself, is there for so much longer.
const LEFT_BEHIND: Option<NonZeroU32> = NonZeroU32::new(60);

pub(super) struct There {
    url: String,
    client: Client,
}

impl There {
    pub(super) fn new(address: Address) -> Result<Self> {
        Ok(Self {
            client: Client::new(&address.url, &address.key)?,
            url: address.url,
        })
    }

    /// A policy there is meant by its name.
    fn named(&self, policy: String) -> Result<String> {
        if policy.contains('/') || policy.ends_with(".toml") {
            let message = format!(
                "{policy:?} is a file of this machine, and {} has policies of its own: `palisade policy list`",
                self.url
            );
            return Err(Failure::new(Kind::Unsupported, message));
        }
        Ok(policy)
    }
}

/// The bytes of a file, to be sent as they are read.
async fn bytes(file: &ProgramFile) -> Result<File> {
    let failed = |error| Failure::invalid(format!("cannot read {:?}: {error}", file.path));
    File::open(&file.path).await.map_err(failed)
}

#[async_trait]
impl Host for There {
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn tools(&self) -> Result<Vec<ToolLine>> {
        Ok(self.client.tools().await?)
    }

    async fn tool(&self, reference: &str) -> Result<ToolBody> {
        self.client.tool(reference).await.map_err(Failure::program)
    }

    async fn add_tool(&self, name: &str, file: ProgramFile) -> Result<ToolBody> {
        Ok(self.client.add_tool(name, bytes(&file).await?).await?)
    }

    async fn add_script(&self, name: &str, source: String, interpreter: &str) -> Result<ToolBody> {
        Ok(self.client.add_script(name, source, interpreter).await?)
    }

    async fn enable_tool(&self, reference: &str) -> Result<()> {
        self.client.enable_tool(reference).await.map_err(Failure::program)
    }

    async fn disable_tool(&self, reference: &str) -> Result<()> {
        self.client.disable_tool(reference).await.map_err(Failure::program)
    }

    async fn remove_tool(&self, reference: &str) -> Result<()> {
        self.client.remove_tool(reference).await.map_err(Failure::program)
    }

    async fn keys(&self) -> Result<Vec<KeyBody>> {
        Ok(self.client.keys().await?)
    }

    async fn create_key(&self, role: Role) -> Result<NewKeyBody> {
        Ok(self.client.create_key(role).await?)
    }

    async fn remove_key(&self, id: KeyId) -> Result<()> {
        Ok(self.client.remove_key(&id.to_string()).await?)
    }

    async fn policies(&self) -> Result<Vec<PolicyLine>> {
        Ok(self.client.policies().await?.policies)
    }

    async fn policy(&self, named: &str) -> Result<PolicyBody> {
        Ok(self.client.policy(&self.named(named.to_owned())?).await?)
    }

    async fn check_policy(&self, text: String) -> Result<PolicyReport> {
        Ok(self.client.check_policy(text).await?)
    }

    async fn checks(&self) -> Result<Vec<Check>> {
        let reach = match self.client.ready().await {
            Ok(()) => Check::ok("host", format!("{} answers and is ready", self.url)),
            Err(error) => return Ok(vec![Check::fail("host", error.to_string(), "look at the host itself")]),
        };
        Ok(match self.client.about().await {
            Ok(about) => vec![
                reach,
                Check::ok("version", about.version),
                Check::ok("key", format!("{} has the role {}", about.key, about.role)),
            ],
            Err(error) => vec![
                reach,
                Check::fail("key", error.to_string(), "`palisade key create` there makes another"),
            ],
        })
    }

    async fn sandbox(&self, asked: SandboxArguments) -> Result<Box<dyn Sandbox>> {
        let SandboxArguments {
            dirs,
            envs,
            policy,
            usage: _,
            limits,
        } = asked;
        if let Some(dir) = dirs.first() {
            let message = format!(
                "--dir: {} does not see {:?} of this machine: leave out --host, or put the files into a sandbox there, \
                 with PUT /v1/sandboxes/ID/files or files/tar, and run the program in it",
                self.url, dir.host
            );
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let variables = envs
            .into_iter()
            .map(|variable| variable.resolve(|name| std::env::var_os(name)));
        let request = SandboxRequest {
            policy: policy.map(|policy| self.named(policy)).transpose()?,
            env: variables.collect::<Result<Vec<_>>>()?.into_iter().collect(),
            limits: limits.into(),
            idle_seconds: LEFT_BEHIND,
            ..SandboxRequest::default()
        };
        let sandbox = self.client.create(&request).await?;
        Ok(Box::new(Made { sandbox }))
    }
}

struct Made {
    sandbox: palisade_client::Sandbox,
}

#[async_trait]
impl Sandbox for Made {
    async fn call(&self, call: CallBody) -> Result<OutcomeBody> {
        self.sandbox.call(&call).await.map_err(Failure::program)
    }

    async fn start(&self, program: ProgramFile, args: Vec<String>, format: Format) -> Result<Box<dyn Process>> {
        let file = bytes(&program).await?;
        // What it sees as its own name is that of its file.
        let path = format!("/{}", program.program.name());
        drop(program);
        self.sandbox.put_file(&path, file).await?;
        let request = ProcessRequest {
            remove_program: true,
            args,
            stdin: Stdin::Pipe,
            terminals: terminals(format),
            ..ProcessRequest::new(path)
        };
        let running = self.sandbox.start(&request).await?;
        Ok(Box::new(Started::new(running, format)))
    }

    async fn destroy(&self) -> Result<()> {
        Ok(self.sandbox.destroy().await?)
    }
}
