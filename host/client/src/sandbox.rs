//! Sandboxes, from their making to their end.

use hyper::Method;
use hyper::header::HeaderName;
use palisade_wire::{
    CallBody, Ended, Named, OutcomeBody, PageRequest, SandboxBody, SandboxChange, SandboxPage, SandboxRequest,
    UsageHistory,
};

use crate::client::part;
use crate::{Client, Result};

/// A sandbox of a server, by its id. It is there until it is destroyed, whatever becomes of this.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub(crate) client: Client,
    id: String,
}

impl Client {
    /// Makes a sandbox.
    ///
    /// # Errors
    /// `denied`, with every reason; `not-found` where there is no such policy; `exhausted` where there are too many.
    pub async fn create(&self, request: &SandboxRequest) -> Result<Sandbox> {
        let made: SandboxBody = self.post("/v1/sandboxes").json(request)?.object().await?;
        Ok(self.sandbox(made.id))
    }

    /// Makes a sandbox once, however often it is asked with this name in a day: for who did not hear the answer.
    ///
    /// # Errors
    /// As [`create`](Self::create); `conflict` where the name was given to another request, or its sandbox is gone.
    pub async fn create_once(&self, request: &SandboxRequest, name: &str) -> Result<Sandbox> {
        let asked = self.post("/v1/sandboxes").json(request)?;
        let asked = asked.header(HeaderName::from_static("idempotency-key"), name)?;
        let made: SandboxBody = asked.object().await?;
        Ok(self.sandbox(made.id))
    }

    /// The sandbox of that id. Whether there is one is told when it is asked.
    pub fn sandbox(&self, id: impl Into<String>) -> Sandbox {
        Sandbox {
            client: self.clone(),
            id: id.into(),
        }
    }

    /// Some of the sandboxes, in the order of their ids.
    ///
    /// # Errors
    /// Those of the server and the connection, as everywhere.
    pub async fn sandboxes(&self, page: &PageRequest) -> Result<SandboxPage> {
        self.get("/v1/sandboxes").query(page)?.object().await
    }
}

impl Sandbox {
    /// By which it is asked for.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn path(&self, below: &str) -> String {
        format!("/v1/sandboxes/{}{below}", part(&self.id))
    }

    /// What it is, and what it uses.
    ///
    /// # Errors
    /// `not-found` where it is gone, here and in what follows.
    pub async fn show(&self) -> Result<SandboxBody> {
        self.client.get(self.path("")).object().await
    }

    /// What it uses, used in the last five minutes, and has used in all.
    ///
    /// # Errors
    /// `not-found` where it is gone.
    pub async fn usage(&self) -> Result<UsageHistory> {
        self.client.get(self.path("/usage")).object().await
    }

    /// Changes its limits, labels and times, all or nothing.
    ///
    /// # Errors
    /// `denied`, with every reason.
    pub async fn change(&self, change: &SandboxChange) -> Result<SandboxBody> {
        self.client
            .ask(Method::PATCH, self.path(""))
            .json(change)?
            .object()
            .await
    }

    /// Has its processes stand still.
    ///
    /// # Errors
    /// `conflict` where its state does not allow it.
    pub async fn suspend(&self) -> Result<SandboxBody> {
        self.client.post(self.path("/suspend")).object().await
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// `conflict` where it is not suspended.
    pub async fn resume(&self) -> Result<SandboxBody> {
        self.client.post(self.path("/resume")).object().await
    }

    /// Ends its processes, and keeps its files.
    ///
    /// # Errors
    /// `conflict` where its state does not allow it.
    pub async fn stop(&self) -> Result<SandboxBody> {
        self.client.post(self.path("/stop")).object().await
    }

    /// Ends its processes, and removes its files and itself.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn destroy(&self) -> Result<()> {
        self.client.ask(Method::DELETE, self.path("")).done().await
    }

    /// Calls a function of a tool, in a fresh instance. Dropping the future ends the call.
    ///
    /// # Errors
    /// `invalid-input` where the arguments are not the function's, `denied` where the policy does not grant the tool.
    pub async fn call(&self, call: &CallBody) -> Result<OutcomeBody> {
        let asked = self.client.post(self.path("/call")).json(call)?;
        asked.patiently().object().await
    }

    /// Makes up to 100 calls. What becomes of each is under its name.
    ///
    /// # Errors
    /// As [`call`](Self::call); what is wrong with one call is told under its name.
    pub async fn call_all(&self, calls: &Named<CallBody>) -> Result<Named<Ended>> {
        let asked = self.client.post(self.path("/calls")).json(calls)?;
        asked.patiently().object().await
    }
}
