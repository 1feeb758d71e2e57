//! What a sandbox calls: functions of tools, and plug-ins.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use palisade_policy::{CallGrant, CallRequest};
use tokio::task::JoinSet;
use tracing::Instrument;

use super::Sandbox;
use crate::backend::wasm::plugin::{Plugin, PluginState, Working};
use crate::backend::{FunctionCall, Job, Work};
use crate::process::{Launch, TRACE};
use crate::session::Session;
use crate::{Call, Command, Error, Kind, Outcome, Output, Result, Tool};

/// Calls of a batch which are made at one time.
const BATCH: usize = 16;

impl Sandbox {
    /// Calls a function of a tool, in a fresh instance, on the caller's task. Dropping the future ends the call.
    ///
    /// It is a process of the sandbox: it has the sandbox's files, environment and limits, as far as the policy grants
    /// them to the tool and the call asks for them. What the tool prints is in the outcome's `stdout` and `stderr`.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the policy does not let the function be called;
    /// [`Kind::NotFound`] where the tool has no such function, [`Kind::InvalidInput`] where the arguments are not those
    /// that it takes, both before anything runs; otherwise as [`run`](Self::run). What the tool does is in the
    /// [`Outcome`], an error which it returns too.
    pub async fn call(&self, call: Call) -> Result<Outcome> {
        let Call {
            tool,
            function,
            arguments,
            bytes,
            request,
        } = call;
        tool.function(&function)?;
        let granted = self.granted(&tool, &function)?.narrow(&request);
        let named = tracing::span_enabled!(target: TRACE, tracing::Level::INFO).then(|| function.clone());
        let question = tool.question(function.into(), arguments, bytes)?;
        let (launch, job, _) = Launch::new(self, self.tool_command(&tool, granted, Work::Call(question)))?;
        if let Some(function) = named {
            launch.name_call(tool.name(), &function);
        }
        launch.run(job).await
    }

    /// Makes a call of a tool's program with just what is granted.
    pub(crate) fn ask(
        &self,
        tool: &Tool,
        granted: CallGrant,
        call: FunctionCall<'static>,
    ) -> Result<impl Future<Output = Result<Outcome>> + use<>> {
        let (launch, job, _) = Launch::new(self, self.tool_command(tool, granted, Work::Call(call)))?;
        Ok(launch.run(job))
    }

    /// Opens a session: an instance of `tool` which is kept between calls, until nobody has called it for `idle`.
    ///
    /// It is one process of the sandbox, narrowed as a call is. Its limits are for all its calls together, that of time
    /// for the time in which it is called; what is left of memory and fuel by one call, the next one has.
    ///
    /// # Errors
    /// [`Kind::Denied`] where the policy lets none of the tool's functions be called, otherwise as [`spawn`](Self::spawn);
    /// what is wrong with the tool is told by the first call.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open_session(&self, tool: &Tool, idle: Duration, request: &CallRequest) -> Result<Session> {
        let session = Session::new(self, tool, idle, request, self.keep_instance(tool, request)?);
        self.note_session(session.inner());
        Ok(session)
    }

    /// Makes what a session needs for one more instance.
    pub(crate) fn keep_instance(&self, tool: &Tool, request: &CallRequest) -> Result<(Box<Launch>, Box<Job>)> {
        let functions = &tool.description().functions;
        let granted = functions
            .iter()
            .map(|function| self.grants().tools.judge(tool.name(), &function.name));
        let granted = granted.reduce(Result::or);
        let granted = granted.ok_or_else(|| Error::new(Kind::InvalidInput, "the tool has no functions"))?;
        let granted = granted.map_err(|denial| self.denied(denial))?.narrow(request);
        let (launch, job, _) = Launch::new(self, self.tool_command(tool, granted, Work::Keep))?;
        Ok((launch, job))
    }

    /// Gives `work` an instance of a plug-in, and gives back what comes of it, where it comes to its end.
    ///
    /// It is a process of the sandbox with all that the sandbox has, as by [`run`](Self::run), and `work` is a part of
    /// it: the limits hold for all calls that it makes, and end it wherever it waits. What the plug-in prints is in the
    /// outcome's `stdout` and `stderr`. An error which `work` returns is how the plug-in ended: a trap, or a limit.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] where the plug-in is no component, or imports what neither WASI nor its `link` gives;
    /// otherwise as [`run`](Self::run).
    ///
    /// # Panics
    /// Where `work` or a function of the embedder's does. The sandbox has then failed.
    pub async fn with_plugin<T, R, W>(&self, plugin: &Plugin<T>, data: T, work: W) -> Result<(Option<R>, Outcome)>
    where
        T: Send + 'static,
        R: Send + 'static,
        W: for<'a> FnOnce(&'a mut wasmtime::Store<PluginState<T>>, wasmtime::component::Instance) -> Working<'a, R>
            + Send
            + 'static,
    {
        let (visit, answer) = plugin.visit(data, work);
        let command = Command::new(plugin.program());
        let mut command = command.stdout(Output::Capture).stderr(Output::Capture);
        command.work = Work::Visit(visit);
        let outcome = self.run(command).await?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok((answer, outcome))
    }

    pub(crate) fn granted(&self, tool: &Tool, function: &str) -> Result<CallGrant> {
        let granted = self.grants().tools.judge(tool.name(), function);
        granted.map_err(|denial| self.denied(denial))
    }

    fn tool_command(&self, tool: &Tool, granted: CallGrant, work: Work) -> Command {
        let command = Command::new(tool.program());
        let mut command = command.stdout(Output::Capture).stderr(Output::Capture);
        command.granted = Some(granted);
        command.work = work;
        command
    }

    /// Makes several calls at one time, at most 16 of them, each as by [`call`](Self::call); what becomes of one is by
    /// its key, of equal keys of one of them. Dropping the future ends them all.
    pub async fn call_all<K: Ord>(&self, calls: impl IntoIterator<Item = (K, Call)>) -> BTreeMap<K, Result<Outcome>> {
        let calls = calls.into_iter().map(|(key, call)| {
            let sandbox = self.clone();
            async move {
                let mut task = JoinSet::new();
                task.spawn(async move { sandbox.call(call).await }.in_current_span());
                let ended = task.join_next().await.and_then(Result::ok);
                let failed = || Err(Error::new(Kind::Internal, "the task of a call failed"));
                (key, ended.unwrap_or_else(failed))
            }
        });
        stream::iter(calls)
            .buffer_unordered(BATCH.min(self.limits().processes.max(1) as usize))
            .collect()
            .await
    }
}
