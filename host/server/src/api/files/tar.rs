//! A directory as a tar, in both directions: what joins the threads which pack and unpack to the bodies.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use futures_util::stream::{self, Stream, StreamExt, try_unfold};
use palisade::Kind;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use super::unpack::Unpacked;
use super::{At, defect, pack, unpack};
use crate::access::Asker;
use crate::api::Api;
use crate::body::{Chunks, Query};
use crate::error::Failure;

/// Pieces which wait between a body and a thread.
const QUEUE: usize = 2;
/// The most bytes in one of those which a thread makes.
const PIECE: usize = 64 * 1024;

/// All that is in a directory, as a tar: files, directories and symbolic links, each with its path below the directory.
///
/// A file with several names is packed under each; pipes, sockets and devices are left out. Where something cannot be
/// read, or the client takes nothing for as long as a request may take, the answer breaks off.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/files/tar", params(("id" = String, Path), At),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-tar")))]
pub(in crate::api) async fn read(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(id): Path<String>,
    Query(At { path }): Query<At>,
    method: Method,
) -> Result<Response, Failure> {
    let top = path.clone();
    // What is no directory is an answer; what goes wrong later can only break it off.
    let first = api.in_trees(&id, move |files| pack::list(files, &top, "")).await?;
    let head = [(header::CONTENT_TYPE, "application/x-tar")];
    if method == Method::HEAD {
        return Ok((head, ()).into_response());
    }
    let files = api.sandbox(&id)?.workspace().clone();
    let place = api.files.tars.take(key, api.settings.request_time).await?;
    let (sender, mut receiver) = channel(QUEUE);
    let outlet = Outlet {
        sender,
        patience: api.settings.request_time,
        runtime: Handle::current(),
    };
    let packing = tokio::task::spawn_blocking(move || {
        let _place = place;
        pack::pack(&files, &path, first, outlet)
    });
    // So is what goes wrong before anything was sent.
    let Some(begin) = receiver.recv().await else {
        let packed = packing.await.unwrap_or_else(|_| Err(io::Error::other(defect())));
        let failed = |error: io::Error| match error.downcast::<palisade::Error>() {
            Ok(error) => error.into(),
            Err(error) => Failure::of(Kind::Conflict, format!("it cannot be packed: {error}")),
        };
        return packed.map(|()| (head, ()).into_response()).map_err(failed);
    };
    let begin = stream::iter([Ok(begin)]);
    Ok((head, Body::from_stream(begin.chain(pieces(receiver, packing)))).into_response())
}

/// What a thread makes, which is whole only if the thread says so.
fn pieces(receiver: Receiver<Bytes>, packing: JoinHandle<io::Result<()>>) -> impl Stream<Item = io::Result<Bytes>> {
    try_unfold((receiver, packing), async |(mut receiver, packing)| {
        match receiver.recv().await {
            Some(piece) => Ok(Some((piece, (receiver, packing)))),
            None => packing
                .await
                .unwrap_or_else(|_| Err(io::Error::other(defect())))
                .map(|()| None),
        }
    })
}

/// A writer into the body of an answer. It fails where the client is gone, or takes nothing for too long.
struct Outlet {
    sender: Sender<Bytes>,
    patience: Duration,
    runtime: Handle,
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        let sending = self.sender.send_timeout(Bytes::copy_from_slice(piece), self.patience);
        match self.runtime.block_on(sending) {
            Ok(()) => Ok(piece.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks a tar into a directory, which is made where it is missing. Files and links which are there are replaced, and
/// directories stay.
///
/// What comes before a member that is refused stays. Refused are names which are absolute, climb by `..` or hold a
/// backslash or a control character, what lies below a link, links which lead out of the directory, hard links, devices
/// and all else. Modes and times are not kept.
#[utoipa::path(put, path = "/v1/sandboxes/{id}/files/tar", params(("id" = String, Path), At),
    request_body(content = Vec<u8>, content_type = "application/x-tar"), responses((status = 200, body = Unpacked)))]
pub(in crate::api) async fn write(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(id): Path<String>,
    Query(At { path }): Query<At>,
    request: Request,
) -> Result<axum::Json<Unpacked>, Failure> {
    let files = api.sandbox(&id)?.workspace().clone();
    let place = api.files.tars.take(key, api.settings.request_time).await?;
    let (sender, receiver) = channel(QUEUE);
    let inlet = Inlet {
        receiver,
        piece: Bytes::new(),
    };
    let unpacking = tokio::task::spawn_blocking(move || {
        let _place = place;
        unpack::unpack(&files, &path, inlet)
    });
    let mut body = Chunks::of(request, &api);
    let fed = feed(&mut body, sender).await;
    let unpacked = unpacking.await.unwrap_or_else(|_| Err(defect().into()));
    // Where the body broke off, so did the unpacking.
    fed.and(unpacked).map(axum::Json)
}

/// Hands on a body until it ends, or until nobody takes it.
async fn feed(body: &mut Chunks, sender: Sender<io::Result<Bytes>>) -> Result<(), Failure> {
    loop {
        let piece = match body.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(()),
            Err(failure) => {
                // A tar which ends early must not pass for a whole one.
                let _ = sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                return Err(failure);
            }
        };
        if sender.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
}

/// A reader of the body of a request.
struct Inlet {
    receiver: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Inlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
