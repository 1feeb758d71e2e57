//! The registry of tools of a server.

use hyper::Method;
use palisade_wire::{AddRequest, ToolBody, ToolLine, ToolList};
use tokio::io::AsyncRead;

use crate::body;
use crate::client::part;
use crate::{Client, Result};

impl Client {
    /// The tools, in the order in which they were added.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn tools(&self) -> Result<Vec<ToolLine>> {
        let list: ToolList = self.get("/v1/tools").object().await?;
        Ok(list.tools)
    }

    /// What a tool offers, by NAME or NAME@DIGEST.
    ///
    /// # Errors
    /// `not-found`, with the nearest name; so in what follows.
    pub async fn tool(&self, reference: &str) -> Result<ToolBody> {
        self.get(tool(reference)).object().await
    }

    /// Adds the component which `reader` has, and has the name stand for it. Compiling it may take a while.
    ///
    /// # Errors
    /// `invalid-input` where it is no component or offers nothing.
    pub async fn add_tool(&self, name: &str, reader: impl AsyncRead + Send + Unpin + 'static) -> Result<ToolBody> {
        let asked = self.ask(Method::PUT, tool(name));
        asked
            .body("application/wasm", body::streamed(reader))?
            .patiently()
            .object()
            .await
    }

    /// Adds a script, which another tool interprets.
    ///
    /// # Errors
    /// As [`add_tool`](Self::add_tool); `not-found` where there is no such interpreter.
    pub async fn add_script(&self, name: &str, source: String, interpreter: &str) -> Result<ToolBody> {
        let query = AddRequest {
            interpreter: Some(interpreter.to_owned()),
        };
        let asked = self.ask(Method::PUT, tool(name)).query(&query)?;
        asked
            .body("text/plain", body::whole(source))?
            .patiently()
            .object()
            .await
    }

    /// Lets a tool be called again, or one version of it.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn enable_tool(&self, reference: &str) -> Result<()> {
        self.post(tool(reference) + "/enable").done().await
    }

    /// Keeps a tool from being called, or one version of it.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn disable_tool(&self, reference: &str) -> Result<()> {
        self.post(tool(reference) + "/disable").done().await
    }

    /// Removes a tool with all its versions, or one of them.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn remove_tool(&self, reference: &str) -> Result<()> {
        self.ask(Method::DELETE, tool(reference)).done().await
    }
}

fn tool(reference: &str) -> String {
    format!("/v1/tools/{}", part(reference))
}
