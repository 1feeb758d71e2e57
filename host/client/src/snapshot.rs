//! Snapshots of a sandbox's files, and going back to them.

use hyper::Method;
use palisade_wire::{
    CollectionBody, DiffBody, DiffRequest, ExpireRequest, ExpiredBody, NameTarget, RollbackBody, RollbackRequest,
    ScrubBody, SnapshotBody, SnapshotChange, SnapshotPage, SnapshotPageRequest, SnapshotRequest, VerificationBody,
};

use crate::client::part;
use crate::{Client, Result, Sandbox};

/// Snapshots are meant by their id, six digits or more of it with which no other begins, or a name.
impl Sandbox {
    /// Takes a snapshot of the sandbox's own files.
    ///
    /// # Errors
    /// `conflict` where another snapshot has the name, or the sandbox's state does not allow it; `exhausted` where the
    /// server's disk is full.
    pub async fn take_snapshot(&self, request: &SnapshotRequest) -> Result<SnapshotBody> {
        let asked = self.client.post(self.path("/snapshots")).json(request)?;
        asked.patiently().object().await
    }

    /// Some of its snapshots, the latest first.
    ///
    /// # Errors
    /// `not-found` where the sandbox is gone, here and in what follows.
    pub async fn snapshots(&self, page: &SnapshotPageRequest) -> Result<SnapshotPage> {
        self.client.get(self.path("/snapshots")).query(page)?.object().await
    }

    /// One of them.
    ///
    /// # Errors
    /// `not-found` where there is none, here and in what follows; `conflict` where several begin so.
    pub async fn snapshot(&self, snapshot: &str) -> Result<SnapshotBody> {
        self.client.get(self.of(snapshot, "")).object().await
    }

    /// Changes description, labels and pin of a snapshot.
    ///
    /// # Errors
    /// `invalid-input` for what these cannot be.
    pub async fn change_snapshot(&self, snapshot: &str, change: &SnapshotChange) -> Result<SnapshotBody> {
        let asked = self.client.ask(Method::PATCH, self.of(snapshot, ""));
        asked.json(change)?.object().await
    }

    /// Deletes a snapshot, and the names which lead to it.
    ///
    /// # Errors
    /// `conflict` where it is pinned.
    pub async fn delete_snapshot(&self, snapshot: &str) -> Result<()> {
        self.client.ask(Method::DELETE, self.of(snapshot, "")).done().await
    }

    /// What differs in a snapshot from another, or from its parent.
    ///
    /// # Errors
    /// `unsupported` where the lines were asked for of what is no text.
    pub async fn compare_snapshot(&self, snapshot: &str, with: &DiffRequest) -> Result<DiffBody> {
        self.client.get(self.of(snapshot, "/diff")).query(with)?.object().await
    }

    /// Has the server read everything that a snapshot needs.
    ///
    /// # Errors
    /// Those of the server and the connection; what is damaged is no error.
    pub async fn verify_snapshot(&self, snapshot: &str) -> Result<VerificationBody> {
        self.client
            .post(self.of(snapshot, "/verify"))
            .patiently()
            .object()
            .await
    }

    /// Has a name lead to a snapshot, and no longer to another.
    ///
    /// # Errors
    /// `invalid-input` for what cannot be a name.
    pub async fn name_snapshot(&self, name: &str, snapshot: &str) -> Result<SnapshotBody> {
        let target = NameTarget {
            snapshot: snapshot.to_owned(),
        };
        let asked = self.client.ask(Method::PUT, self.named(name));
        asked.json(&target)?.object().await
    }

    /// Removes a name. The snapshot stays.
    ///
    /// # Errors
    /// `not-found` where no snapshot has the name.
    pub async fn remove_snapshot_name(&self, name: &str) -> Result<()> {
        self.client.ask(Method::DELETE, self.named(name)).done().await
    }

    /// Deletes the snapshots which nothing keeps.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn expire_snapshots(&self, request: &ExpireRequest) -> Result<ExpiredBody> {
        self.client.post(self.path("/expire")).json(request)?.object().await
    }

    /// Makes the files, or some of them, what they were in a snapshot. It ends the processes first.
    ///
    /// # Errors
    /// `conflict` where the sandbox's state does not allow it, or a file is being transferred.
    pub async fn roll_back(&self, request: &RollbackRequest) -> Result<RollbackBody> {
        let asked = self.client.post(self.path("/rollback")).json(request)?;
        asked.patiently().object().await
    }

    fn of(&self, snapshot: &str, below: &str) -> String {
        self.path(&format!("/snapshots/{}{below}", part(snapshot)))
    }

    fn named(&self, name: &str) -> String {
        self.path(&format!("/snapshot-names/{}", part(name)))
    }
}

impl Client {
    /// Gives back the room of what no snapshot of any sandbox needs.
    ///
    /// # Errors
    /// `conflict` while that is done already.
    pub async fn collect_snapshots(&self) -> Result<CollectionBody> {
        self.post("/v1/snapshots/collect").patiently().object().await
    }

    /// Has the server read all that is stored of snapshots.
    ///
    /// # Errors
    /// Those of the server and the connection; what is damaged is no error.
    pub async fn scrub_snapshots(&self) -> Result<ScrubBody> {
        self.post("/v1/snapshots/scrub").patiently().object().await
    }
}
