//! What is left of the body of a request which was refused. A connection which is closed while its client still sends
//! takes the answer with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes which are read for nothing at most.
const MOST: u64 = 16 * 1024 * 1024;
/// A client which is silent for so long is waiting for the answer.
const SILENCE: Duration = Duration::from_secs(1);
/// How long is read at most.
const LONGEST: Duration = Duration::from_secs(5);

/// A body, of which something may be left when whoever was to read it is gone.
pub(crate) struct Left<B>(Arc<Mutex<B>>);

impl<B> Clone for Left<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Left<B> {
    /// The request, and what will be left of its body.
    pub(crate) fn of(request: Request<B>) -> (Request<Self>, Self) {
        let (head, body) = request.into_parts();
        let left = Self(Arc::new(Mutex::new(body)));
        (Request::from_parts(head, left.clone()), left)
    }

    /// Reads it for nothing, so that the client hears the answer.
    pub(crate) async fn discard(self) {
        // One which goes on until then hears nothing.
        let _ = tokio::time::timeout(LONGEST, self.read()).await;
    }

    async fn read(mut self) {
        let mut read = 0;
        while read < MOST {
            match tokio::time::timeout(SILENCE, self.frame()).await {
                Ok(Some(Ok(frame))) => read += frame.data_ref().map_or(0, |bytes| bytes.len() as u64),
                Ok(Some(Err(_)) | None) | Err(_) => return,
            }
        }
    }

    fn body(&self) -> MutexGuard<'_, B> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Left<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
