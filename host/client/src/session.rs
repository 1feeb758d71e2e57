//! Sessions: an instance of a tool which is kept between calls.

use hyper::Method;
use palisade_wire::{OutcomeBody, SessionBody, SessionCall, SessionList, SessionRequest};

use crate::{Result, Sandbox};

/// A session of a sandbox, by its number. It is there until it ends, whatever becomes of this.
#[derive(Debug, Clone)]
pub struct Session {
    sandbox: Sandbox,
    number: u64,
}

impl Sandbox {
    /// Opens a session.
    ///
    /// # Errors
    /// `not-found` where there is no such tool, `denied` where the policy does not grant it.
    pub async fn open_session(&self, request: &SessionRequest) -> Result<Session> {
        let asked = self.client.post(self.path("/sessions")).json(request)?;
        let opened: SessionBody = asked.object().await?;
        Ok(self.session(opened.session))
    }

    /// The session of that number.
    pub fn session(&self, number: u64) -> Session {
        Session {
            sandbox: self.clone(),
            number,
        }
    }

    /// Its sessions, the oldest first.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn sessions(&self) -> Result<Vec<SessionBody>> {
        let list: SessionList = self.client.get(self.path("/sessions")).object().await?;
        Ok(list.sessions)
    }
}

impl Session {
    /// Its number in its sandbox.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn path(&self, below: &str) -> String {
        self.sandbox.path(&format!("/sessions/{}{below}", self.number))
    }

    /// What it is, and how it ended if it has.
    ///
    /// # Errors
    /// `not-found` where it is gone, here and in what follows.
    pub async fn show(&self) -> Result<SessionBody> {
        self.sandbox.client.get(self.path("")).object().await
    }

    /// Calls a function in it. Dropping the future ends the session.
    ///
    /// # Errors
    /// `invalid-input` where the arguments are not the function's; the session goes on.
    pub async fn call(&self, call: &SessionCall) -> Result<OutcomeBody> {
        let asked = self.sandbox.client.post(self.path("/call")).json(call)?;
        asked.patiently().object().await
    }

    /// Ends it.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn end(&self) -> Result<()> {
        self.sandbox.client.ask(Method::DELETE, self.path("")).done().await
    }
}
