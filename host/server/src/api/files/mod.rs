//! The files of a sandbox, by absolute guest paths in the query.
//!
//! Mounts, limits and links hold here as they do for a guest: the library sees to it. Every look at the disk is made on
//! a blocking thread, in small pieces for what streams, so that a slow client holds no thread; the threads of all
//! clients are bounded by [`Turns`]. What becomes of a whole directory is in `pack.rs` and `unpack.rs`.

pub(super) mod content;
mod pack;
mod range;
pub(super) mod tar;
mod unpack;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use palisade::{DirEntry, FileKind, Kind, Metadata, Workspace};
use palisade_wire::{At, DirectoryRequest, FileBody, FilePage, ListRequest, MoveRequest, NameBody};
use tokio::sync::Semaphore;

use super::Api;
use crate::body::{Json, Query};
use crate::error::Failure;
use crate::places::Places;
use crate::told;

/// Pieces of work on files at one time; others wait.
const PIECES: usize = 16;
/// The same of pieces which take longer, as they are about all that is in a directory.
const TREES: usize = 4;
/// Directories which are packed or unpacked at one time; each holds a thread of its own to its end.
const TARS: usize = 4;

/// What may be done with files at one time.
pub(super) struct Turns {
    pieces: Arc<Semaphore>,
    trees: Arc<Semaphore>,
    tars: Places,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            pieces: Arc::new(Semaphore::new(PIECES)),
            trees: Arc::new(Semaphore::new(TREES)),
            tars: Places::new(TARS, "other directories are being packed or unpacked"),
        }
    }
}

impl Turns {
    /// Does `work` when it is its turn, on a thread which may block. Work which has begun goes on if this is dropped.
    async fn piece<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> palisade::Result<T> + Send + 'static,
    ) -> palisade::Result<T> {
        Self::work(&self.pieces, work).await
    }

    async fn work<T: Send + 'static>(
        turns: &Arc<Semaphore>,
        work: impl FnOnce() -> palisade::Result<T> + Send + 'static,
    ) -> palisade::Result<T> {
        let turn = Arc::clone(turns).acquire_owned().await;
        let turn = turn.expect("nobody closes the semaphore");
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.unwrap_or_else(|_| Err(defect()))
    }
}

/// What is said where work panicked.
fn defect() -> palisade::Error {
    palisade::Error::new(Kind::Internal, "palisade has a defect here; its log says more")
}

fn body(metadata: Metadata) -> FileBody {
    let modified: jiff::Timestamp = metadata.modified.try_into().unwrap_or_default();
    FileBody {
        kind: told::file_kind(metadata.kind),
        size_bytes: metadata.size,
        modified: modified.to_string(),
        mode: metadata.mode,
        links: metadata.links,
    }
}

impl Api {
    /// Does a piece of work in the files of a sandbox.
    async fn in_files<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(&Workspace) -> palisade::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let workspace = self.sandbox(id)?.workspace().clone();
        Ok(self.files.piece(move || work(&workspace)).await?)
    }

    /// Does work which may be about all that is in a directory.
    async fn in_trees<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(&Workspace) -> palisade::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let workspace = self.sandbox(id)?.workspace().clone();
        Ok(Turns::work(&self.files.trees, move || work(&workspace)).await?)
    }
}

/// The attributes of what a path leads to; of the link itself where its last name is one.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/files/stat", params(("id" = String, Path), At),
    responses((status = 200, body = FileBody)))]
pub(super) async fn stat(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<axum::Json<FileBody>, Failure> {
    let metadata = api.in_files(&id, move |files| files.stat(&at.path)).await?;
    Ok(axum::Json(body(metadata)))
}

/// The names in a directory, in the order of their bytes.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/files/list", params(("id" = String, Path), ListRequest),
    responses((status = 200, body = FilePage)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(asked): Query<ListRequest>,
) -> Result<axum::Json<FilePage>, Failure> {
    let limit = super::page_limit(asked.limit)?;
    let page = move |files: &Workspace| page(files, &asked.path, limit, asked.after.as_deref());
    Ok(axum::Json(api.in_trees(&id, page).await?))
}

fn page(files: &Workspace, path: &str, limit: usize, after: Option<&str>) -> palisade::Result<FilePage> {
    let mut entries = files.list(path)?;
    entries.retain(|entry| after.is_none_or(|after| entry.name.as_str() > after));
    entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| more).map(|last| last.name.clone());
    let told_of = |DirEntry { name, kind, .. }| {
        let metadata = (kind == FileKind::File).then(|| files.stat(&below(path, &name)));
        NameBody {
            size_bytes: metadata.and_then(Result::ok).map(|metadata| metadata.size),
            name,
            kind: told::file_kind(kind),
        }
    };
    Ok(FilePage {
        entries: entries.into_iter().map(told_of).collect(),
        next,
    })
}

/// The path of a name in a directory.
fn below(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

/// Makes a directory, and those above it that are missing.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/files/directory", params(("id" = String, Path)),
    request_body = DirectoryRequest,
    responses((status = 201, body = FileBody), (status = 200, body = FileBody, description = "it was there")))]
pub(super) async fn make_directory(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<DirectoryRequest>,
) -> Result<(StatusCode, axum::Json<FileBody>), Failure> {
    let make = move |files: &Workspace| {
        let known = files.stat(&value.path).is_ok();
        files.create_dir_all(&value.path)?;
        Ok((known, files.stat(&value.path)?))
    };
    let (known, metadata) = api.in_trees(&id, make).await?;
    Ok((made(known), axum::Json(body(metadata))))
}

fn made(known: bool) -> StatusCode {
    if known { StatusCode::OK } else { StatusCode::CREATED }
}

/// Moves a file or a directory, in place of a file or an empty directory which is there.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/files/move", params(("id" = String, Path)),
    request_body = MoveRequest, responses((status = 204)))]
pub(super) async fn rename(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<MoveRequest>,
) -> Result<StatusCode, Failure> {
    api.in_files(&id, move |files| files.rename(&value.from, &value.to))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a file, a link, or a directory with all that is in it.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}/files", params(("id" = String, Path), At), responses((status = 204)))]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<StatusCode, Failure> {
    api.in_trees(&id, move |files| files.remove(&at.path)).await?;
    Ok(StatusCode::NO_CONTENT)
}
