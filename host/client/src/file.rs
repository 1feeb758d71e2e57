//! The files of a sandbox, by absolute paths there.

use std::ops::Range;

use hyper::Method;
use hyper::header;
use palisade_wire::{At, DirectoryRequest, FileBody, FilePage, ListRequest, MoveRequest, PutRequest};
use tokio::io::AsyncRead;

use crate::body::{self, Download};
use crate::{Result, Sandbox};

const BYTES: &str = "application/octet-stream";
const TAR: &str = "application/x-tar";

fn at(path: &str) -> At {
    At { path: path.to_owned() }
}

impl Sandbox {
    /// The bytes of a file.
    ///
    /// # Errors
    /// `not-found`, and others of the file's own; so in what follows.
    pub async fn get_file(&self, path: &str) -> Result<Download> {
        self.client.get(self.path("/files")).query(&at(path))?.download().await
    }

    /// Some bytes of a file, or those of them which it has.
    ///
    /// # Errors
    /// `range-not-satisfiable` where it has none of them.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Download> {
        let value = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let asked = self.client.get(self.path("/files")).query(&at(path))?;
        asked.header(header::RANGE, &value)?.download().await
    }

    /// Puts what `reader` has into a file, and makes the directories above it. The file takes its place once it is whole.
    ///
    /// # Errors
    /// `exhausted` where the sandbox's limits do not allow so much.
    pub async fn put_file(&self, path: &str, reader: impl AsyncRead + Send + Unpin + 'static) -> Result<FileBody> {
        let query = PutRequest {
            path: path.to_owned(),
            parents: true,
        };
        let asked = self.client.ask(Method::PUT, self.path("/files")).query(&query)?;
        asked.body(BYTES, body::streamed(reader))?.patiently().object().await
    }

    /// The attributes of what a path leads to; of the link itself where it is one.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn stat(&self, path: &str) -> Result<FileBody> {
        self.client
            .get(self.path("/files/stat"))
            .query(&at(path))?
            .object()
            .await
    }

    /// Some of the names in a directory, in the order of their bytes.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn list(&self, request: &ListRequest) -> Result<FilePage> {
        self.client.get(self.path("/files/list")).query(request)?.object().await
    }

    /// Makes a directory, and those above it that are missing.
    ///
    /// # Errors
    /// `conflict` where a file is there.
    pub async fn make_directory(&self, path: &str) -> Result<FileBody> {
        let request = DirectoryRequest { path: path.to_owned() };
        self.client
            .post(self.path("/files/directory"))
            .json(&request)?
            .object()
            .await
    }

    /// Moves a file or a directory.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let request = MoveRequest {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        self.client.post(self.path("/files/move")).json(&request)?.done().await
    }

    /// Removes a file, a link, or a directory with all that is in it.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn remove_file(&self, path: &str) -> Result<()> {
        self.client
            .ask(Method::DELETE, self.path("/files"))
            .query(&at(path))?
            .done()
            .await
    }

    /// All that is in a directory, as a tar.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn get_tar(&self, path: &str) -> Result<Download> {
        let asked = self.client.get(self.path("/files/tar")).query(&at(path))?;
        asked.patiently().download().await
    }

    /// Unpacks a tar into a directory.
    ///
    /// # Errors
    /// `invalid-input` where it is no tar, `exhausted` where the sandbox's limits do not allow so much.
    pub async fn put_tar(&self, path: &str, reader: impl AsyncRead + Send + Unpin + 'static) -> Result<()> {
        let asked = self.client.ask(Method::PUT, self.path("/files/tar")).query(&at(path))?;
        asked.body(TAR, body::streamed(reader))?.patiently().done().await
    }
}
