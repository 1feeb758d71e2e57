//! This machine, by the library.

use std::sync::OnceLock;

use async_trait::async_trait;
use palisade::policy::{CallRequest, Policy};
use palisade::{Bytes, Call, Command, Ending};
use palisade_client::wire::{
    BytesForm, CallBody, KeyBody, NewKeyBody, OutcomeBody, PolicyBody, PolicyLine, PolicyReport, Role, ToolBody,
    ToolLine,
};
use palisade_server::{KeyId, Keys, add_script, told};
use serde_json::Value;
use tokio::sync::oneshot;

use super::stdio::{self, DRAIN, Streams};
use super::{Ended, Host, Process, ProgramFile, Result, Sandbox};
use crate::args::{Globals, SandboxArguments};
use crate::config::{self, Config};
use crate::doctor::{self, Check};
use crate::failure::Failure;
use crate::policy;
use crate::report::Format;
use crate::request::Request;

/// This machine. Its state directory is opened by the first who needs it.
pub(super) struct Here {
    globals: Globals,
    library: OnceLock<palisade::Host>,
}

impl Here {
    pub(super) fn new(globals: &Globals) -> Self {
        Self {
            globals: globals.clone(),
            library: OnceLock::new(),
        }
    }

    fn config(&self) -> Result<Config> {
        Config::load(&self.globals, &config::process_environment)
    }

    fn library(&self) -> Result<&palisade::Host> {
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let opened = palisade::Host::open(self.config()?.to_host()?)?;
        Ok(self.library.get_or_init(|| opened))
    }

    /// It looks whether the directory is closed to others.
    fn key_files(&self) -> Result<Keys> {
        Ok(Keys::open(self.library()?.state_dir())?)
    }
}

#[async_trait]
impl Host for Here {
    fn prepare(&self) -> Result<()> {
        self.library().map(drop)
    }

    async fn tools(&self) -> Result<Vec<ToolLine>> {
        Ok(self
            .library()?
            .tools()
            .list()?
            .into_iter()
            .map(told::tool_line)
            .collect())
    }

    async fn tool(&self, reference: &str) -> Result<ToolBody> {
        let tool = self.library()?.tools().get(reference).await;
        Ok(told::tool(&tool.map_err(Failure::program)?))
    }

    async fn add_tool(&self, name: &str, file: ProgramFile) -> Result<ToolBody> {
        Ok(told::tool(&self.library()?.tools().add(name, file.program).await?))
    }

    async fn add_script(&self, name: &str, source: String, interpreter: &str) -> Result<ToolBody> {
        Ok(told::tool(
            &add_script(self.library()?, name, source, interpreter).await?,
        ))
    }

    async fn enable_tool(&self, reference: &str) -> Result<()> {
        let tools = self.library()?.tools();
        tools.set_enabled(reference, true).await.map_err(Failure::program)
    }

    async fn disable_tool(&self, reference: &str) -> Result<()> {
        let tools = self.library()?.tools();
        tools.set_enabled(reference, false).await.map_err(Failure::program)
    }

    async fn remove_tool(&self, reference: &str) -> Result<()> {
        self.library()?
            .tools()
            .remove(reference)
            .await
            .map_err(Failure::program)
    }

    async fn keys(&self) -> Result<Vec<KeyBody>> {
        Ok(self.key_files()?.list()?.iter().map(told::key).collect())
    }

    async fn create_key(&self, role: Role) -> Result<NewKeyBody> {
        let (id, key) = self.key_files()?.create(role)?;
        let id = id.to_string();
        Ok(NewKeyBody { id, role, key })
    }

    async fn remove_key(&self, id: KeyId) -> Result<()> {
        Ok(self.key_files()?.remove(id)?)
    }

    async fn policies(&self) -> Result<Vec<PolicyLine>> {
        let shipped = Policy::SHIPPED.into_iter();
        let lines = shipped.filter_map(|name| Some(told::policy_line(name, &Policy::shipped(name)?)));
        Ok(lines.collect())
    }

    async fn policy(&self, named: &str) -> Result<PolicyBody> {
        let policy = self.config()?.host_limits.apply(policy::load(named)?)?;
        Ok(told::policy(named, &policy))
    }

    async fn check_policy(&self, text: String) -> Result<PolicyReport> {
        Ok(told::policy_report(&text))
    }

    async fn checks(&self) -> Result<Vec<Check>> {
        Ok(doctor::here(&self.config()?).await)
    }

    async fn sandbox(&self, asked: SandboxArguments) -> Result<Box<dyn Sandbox>> {
        let config = self.config()?;
        let Request { spec, base } = Request::new(asked, &config)?;
        let made = self.library()?.create(spec);
        let sandbox = made.map_err(|error| config.named_rules(error, &base))?;
        let tools = self.library()?.tools().clone();
        Ok(Box::new(Made { sandbox, tools }))
    }
}

struct Made {
    sandbox: palisade::Sandbox,
    tools: palisade::Tools,
}

#[async_trait]
impl Sandbox for Made {
    async fn call(&self, call: CallBody) -> Result<OutcomeBody> {
        let tool = self.tools.get(&call.tool).await.map_err(Failure::program)?;
        let bytes = match call.bytes {
            BytesForm::Base64 => Bytes::Base64,
            BytesForm::Array => Bytes::Array,
        };
        let request = CallRequest {
            files: call.files,
            limits: call.limits,
            ..CallRequest::default()
        };
        let call = Call::new(&tool, call.function, Value::Object(call.arguments));
        let outcome = self.sandbox.call(call.bytes(bytes).narrow(request)).await;
        Ok(told::outcome(outcome.map_err(Failure::program)?))
    }

    async fn start(&self, program: ProgramFile, args: Vec<String>, format: Format) -> Result<Box<dyn Process>> {
        let command = stdio::connect(Command::new(&program.program).args(args), format);
        let mut process = self.sandbox.spawn(command)?;
        let streams = Streams::start(&mut process);
        Ok(Box::new(Started {
            sandbox: self.sandbox.clone(),
            process,
            streams,
        }))
    }

    async fn destroy(&self) -> Result<()> {
        Ok(self.sandbox.destroy().await?)
    }
}

struct Started {
    sandbox: palisade::Sandbox,
    process: palisade::Process,
    streams: Streams,
}

#[async_trait]
impl Process for Started {
    async fn end(self: Box<Self>, mut stop: oneshot::Receiver<()>) -> Result<Ended> {
        let Self {
            sandbox,
            process,
            mut streams,
        } = *self;
        let id = process.id();
        let mut end = std::pin::pin!(process.wait());
        let mut stopped = false;
        let outcome = tokio::select! {
            outcome = &mut end => outcome?,
            Ok(()) = &mut stop => {
                stopped = true;
                sandbox.kill(id);
                end.await?
            }
        };
        let by_itself = match outcome.ending {
            Ending::Exited(_) | Ending::Returned | Ending::Failed | Ending::Trapped(_) => true,
            Ending::LimitReached(_) | Ending::Killed => false,
        };
        tokio::select! {
            () = streams.finish() => {}
            () = tokio::time::sleep(DRAIN), if !by_itself => {}
            Ok(()) = &mut stop, if !stopped => {}
        }
        let outcome = told::outcome(outcome);
        Ok(Ended { outcome, signal: None })
    }
}
