//! What is left of the body of a request which was refused. A connection which is closed while its client still sends
//! takes the answer with it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

/// Bytes which are read for nothing at most.
const MOST: u64 = 16 * 1024 * 1024;
/// A client which is silent for so long is waiting for the answer.
const SILENCE: Duration = Duration::from_secs(1);
/// How long is read at most.
const LONGEST: Duration = Duration::from_secs(5);

/// A body, of which something may be left when whoever was to read it is gone.
#[derive(Clone)]
pub(crate) struct Left(Arc<Mutex<Body>>);

impl Left {
    /// The request, and what will be left of its body.
    pub(crate) fn of(request: Request) -> (Request, Self) {
        let (head, body) = request.into_parts();
        let left = Self(Arc::new(Mutex::new(body)));
        (Request::from_parts(head, Body::new(left.clone())), left)
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

    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Left {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
