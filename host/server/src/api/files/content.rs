//! The bytes of a file, in both directions, as they come.

use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use palisade::{HostFile, Kind, Metadata, NewFile, Workspace};
use palisade_wire::{At, FileBody, PutRequest};
use tokio::runtime::Handle;

use super::made;
use super::range::Part;
use crate::api::Api;
use crate::body::{Chunks, Query};
use crate::error::{Cause, ErrorBody, Failure};

/// Bytes which are read at a time, and held for a client which does not take them.
const CHUNK: u64 = 64 * 1024;

/// The bytes of a file, or one range of them. Should it become shorter meanwhile, the answer breaks off.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/files",
    params(("id" = String, Path), At, ("Range" = Option<String>, Header, description = "one range of bytes")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 416, body = ErrorBody)))]
pub(in crate::api) async fn read(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(at): Query<At>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let open = move |files: &Workspace| {
        let file = files.open(&at.path)?;
        let metadata = file.metadata()?;
        Ok((file, metadata))
    };
    let (file, metadata) = api.in_files(&id, open).await?;
    let size = metadata.size;
    // RFC 9110 has ranges for GET alone.
    let part = match method {
        Method::GET => Part::asked(&headers, size),
        _ => Part::Whole,
    };
    let mut head = head_of(&metadata);
    let (status, range) = match part {
        Part::Whole => (StatusCode::OK, 0..size),
        Part::Only(range) => {
            let told = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            head.insert(header::CONTENT_RANGE, text(&told));
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Part::Beyond => {
            let head = [(header::CONTENT_RANGE, text(&format!("bytes */{size}")))];
            let failure = Failure::new(Cause::BeyondEnd, format!("the file has {size} bytes"));
            return Ok((head, failure).into_response());
        }
    };
    head.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    // It reads nothing before it is asked for, so HEAD costs no more than this.
    Ok((status, head, Body::from_stream(chunks(api, file, range))).into_response())
}

fn head_of(metadata: &Metadata) -> HeaderMap {
    let since = metadata.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let tag = format!("W/\"{:x}-{:x}\"", metadata.size, since.as_nanos());
    // Its format has no years above 9999.
    let date = httpdate::fmt_http_date(UNIX_EPOCH + since.min(LAST_DATE));
    let binary = HeaderValue::from_static("application/octet-stream");
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, binary),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, text(&tag)),
        (header::LAST_MODIFIED, text(&date)),
        // A guest wrote it: a browser shall not make a page of it.
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ])
}

/// The last second of the year 9999.
const LAST_DATE: std::time::Duration = std::time::Duration::from_secs(253_402_300_799);

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("numbers and dates are ASCII")
}

/// The bytes of a part of a file, each chunk read when it is asked for.
fn chunks(api: Arc<Api>, file: HostFile, range: Range<u64>) -> impl Stream<Item = palisade::Result<Bytes>> {
    try_unfold(range, move |range| {
        let (api, file) = (Arc::clone(&api), file.clone());
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let at = range.start;
            let length = CHUNK.min(range.end - at) as usize;
            let chunk = api.files.piece(move || read_chunk(&file, at, length)).await?;
            let read = at + chunk.len() as u64;
            Ok(Some((chunk, read..range.end)))
        }
    })
}

fn read_chunk(file: &HostFile, at: u64, length: usize) -> palisade::Result<Bytes> {
    let mut chunk = vec![0; length];
    let read = file.read_at(&mut chunk, at)?;
    if read == 0 {
        return Err(palisade::Error::new(Kind::Conflict, "the file became shorter"));
    }
    chunk.truncate(read);
    Ok(chunk.into())
}

/// Puts a file in its place once all its bytes are there, in place of a file or a link. Until then both are charged.
#[utoipa::path(put, path = "/v1/sandboxes/{id}/files", params(("id" = String, Path), PutRequest),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FileBody), (status = 200, body = FileBody, description = "it replaced another")))]
pub(in crate::api) async fn write(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(PutRequest { path, parents }): Query<PutRequest>,
    request: Request,
) -> Result<(StatusCode, axum::Json<FileBody>), Failure> {
    let at = path.clone();
    let begin = move |files: &Workspace| {
        if let (true, Some((above, _))) = (parents, at.rsplit_once('/')) {
            files.create_dir_all(&format!("{above}/"))?;
        }
        Ok((files.stat(&at).is_ok(), files.replace(&at)?))
    };
    let (known, file) = api.in_files(&id, begin).await?;
    let mut body = Chunks::of(request, &api);
    receive(&api, Upload(Some(file)), &mut body).await?;
    let metadata = api.in_files(&id, move |files| files.stat(&path)).await?;
    Ok((made(known), axum::Json(super::body(metadata))))
}

async fn receive(api: &Api, mut upload: Upload, body: &mut Chunks) -> Result<(), Failure> {
    while let Some(bytes) = body.next().await? {
        upload = upload.append(api, bytes).await?;
    }
    upload.commit(api).await
}

/// A file which comes in. Wherever it is left, it is removed on a thread which may block.
struct Upload(Option<NewFile>);

impl Upload {
    async fn append(mut self, api: &Api, bytes: Bytes) -> Result<Self, Failure> {
        let Some(mut file) = self.0.take() else {
            return Ok(self);
        };
        let append = move || {
            file.append(&bytes)?;
            Ok(Self(Some(file)))
        };
        Ok(api.files.piece(append).await?)
    }

    async fn commit(mut self, api: &Api) -> Result<(), Failure> {
        match self.0.take() {
            Some(file) => Ok(api.files.piece(move || file.commit()).await?),
            None => Ok(()),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(file) = self.0.take() {
            // Without a runtime, nobody's turn is held up.
            if let Ok(runtime) = Handle::try_current() {
                drop(runtime.spawn_blocking(move || drop(file)));
            }
        }
    }
}
