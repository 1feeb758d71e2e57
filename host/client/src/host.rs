//! The server itself: whether it is there, its policies and its keys.

use hyper::Method;
use palisade_wire::{
    AboutBody, KeyBody, KeyList, KeyRequest, NewKeyBody, PolicyBody, PolicyList, PolicyReport, Role, UsageHistory,
};

use crate::body;
use crate::client::part;
use crate::{Client, Result};

impl Client {
    /// Whether it can work. This takes no key.
    ///
    /// # Errors
    /// `unavailable` where it cannot.
    pub async fn ready(&self) -> Result<()> {
        self.get("/readyz").done().await
    }

    /// What it is, and who this client is to it.
    ///
    /// # Errors
    /// `unauthenticated` where the key is not a good one.
    pub async fn about(&self) -> Result<AboutBody> {
        self.get("/v1/about").object().await
    }

    /// What all sandboxes use, used in the last five minutes, and have used in all.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn usage(&self) -> Result<UsageHistory> {
        self.get("/v1/usage").object().await
    }

    /// The policies which a sandbox can name.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn policies(&self) -> Result<PolicyList> {
        self.get("/v1/policies").object().await
    }

    /// A policy with every value.
    ///
    /// # Errors
    /// `not-found`, with the names which there are.
    pub async fn policy(&self, name: &str) -> Result<PolicyBody> {
        self.get(format!("/v1/policies/{}", part(name))).object().await
    }

    /// What is wrong in the text of a policy.
    ///
    /// # Errors
    /// Those of the server and the connection; never for what is in the text.
    pub async fn check_policy(&self, toml: String) -> Result<PolicyReport> {
        let asked = self.post("/v1/policies/check");
        asked.body("application/toml", body::whole(toml))?.object().await
    }

    /// The keys, without their secrets.
    ///
    /// # Errors
    /// `forbidden` where this client's own is not an admin's; so in what follows.
    pub async fn keys(&self) -> Result<Vec<KeyBody>> {
        let list: KeyList = self.get("/v1/keys").object().await?;
        Ok(list.keys)
    }

    /// Makes a key. Its text is told here and nowhere else.
    ///
    /// # Errors
    /// `exhausted` where there are too many.
    pub async fn create_key(&self, role: Role) -> Result<NewKeyBody> {
        self.post("/v1/keys").json(&KeyRequest { role })?.object().await
    }

    /// Removes a key.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn remove_key(&self, id: &str) -> Result<()> {
        self.ask(Method::DELETE, format!("/v1/keys/{}", part(id))).done().await
    }
}
