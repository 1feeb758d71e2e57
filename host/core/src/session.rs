//! An instance of a tool which is kept between calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::SessionCall;
use crate::process::Launch;
use crate::{Bytes, Error, Kind, Outcome, ProcessId, Result, Sandbox, Tool};

/// A session with a tool: its calls are made one after the other, in one instance. Dropping it lets the call which has
/// begun come to its end, and no other begin.
#[derive(Debug)]
pub struct Session {
    sandbox: Sandbox,
    tool: Tool,
    process: ProcessId,
    calls: mpsc::Sender<SessionCall>,
    /// How the process ended, once it has.
    end: watch::Receiver<Option<Result<Outcome>>>,
}

impl Session {
    pub(crate) fn new(sandbox: &Sandbox, tool: &Tool, calls: mpsc::Sender<SessionCall>, launch: Launch) -> Self {
        let process = launch.id();
        let (ended, end) = watch::channel(None);
        tokio::spawn(async move {
            let outcome = launch.run().await;
            ended.send_replace(Some(outcome));
        });
        Self {
            sandbox: sandbox.clone(),
            tool: tool.clone(),
            process,
            calls,
            end,
        }
    }

    /// The number of its process in its sandbox.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// Calls a function, when those which were called before have ended. Usage, output and refusals in the outcome are
    /// those of this call, the peak of memory that of the session. A call which traps, exits or is stopped by a limit
    /// ends the session. Dropping the future lets the call go on.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the session has ended before this call could begin; otherwise as
    /// [`Sandbox::call`].
    pub async fn call(&self, function: &str, arguments: impl Into<Value>, bytes: Bytes) -> Result<Outcome> {
        self.tool.function(function)?;
        self.sandbox.granted(&self.tool, function)?;
        let call = self.tool.question(function.to_owned(), arguments.into(), bytes)?;
        let (ended, outcome) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let call = SessionCall {
            call,
            begun: Arc::clone(&begun),
            ended,
        };
        // Where it cannot be sent, the session is over, and so the other end of `outcome` is gone too.
        let _ = self.calls.send(call).await;
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => self.end_of_call(begun.load(Ordering::Acquire)).await,
        }
    }

    /// What becomes of a call that was not answered: its end is that of the session, if it had begun.
    async fn end_of_call(&self, begun: bool) -> Result<Outcome> {
        let mut end = self.end.clone();
        let ended = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        let conflict = |why: String| Error::new(Kind::Conflict, format!("the session has ended{why}"));
        match ended {
            Some(Ok(outcome)) if begun => Ok(outcome),
            Some(Ok(outcome)) => Err(conflict(format!(": {:?}", outcome.ending))),
            Some(Err(error)) => Err(error),
            None => Err(conflict(String::new())),
        }
    }

    /// Ends it, with whatever it does. Harmless when it has ended.
    pub fn kill(&self) {
        self.sandbox.kill(self.process);
    }
}
