//! How many requests each key has open, so that none has all the connections.

use axum::body::{Body, HttpBody};
use axum::response::Response;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::KeyId;
use crate::shares::Shares;

/// The open requests of every key.
pub(crate) struct Askers(Shares);

impl Askers {
    /// Each key may have half of the connections.
    pub(crate) fn new(max_connections: usize) -> Self {
        Self(Shares::new(max_connections.div_ceil(2)))
    }

    /// One more request of a key, open until this is dropped; `None` where it has as many as it may.
    pub(crate) fn open(&self, key: KeyId) -> Option<OwnedSemaphorePermit> {
        self.0.of(key).try_acquire_owned().ok()
    }
}

/// Keeps `held` until all of an answer is sent, where that is made while it is sent. Any other is sent soon, or not at
/// all.
pub(crate) fn until_sent(held: impl Send + 'static, response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &held;
            frame
        }))
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    #[test]
    fn each_key_has_half_and_what_ends_makes_room() {
        let (one, other) = (KeyId::random(), KeyId::random());
        let askers = Askers::new(3);
        let open = [askers.open(one).unwrap(), askers.open(one).unwrap()];
        assert!(askers.open(one).is_none());
        assert!(askers.open(other).is_some());
        drop(open);
        assert!(askers.open(one).is_some());
    }

    #[test]
    fn a_stream_is_open_until_it_is_gone() {
        let key = KeyId::random();
        let askers = Askers::new(1);
        let whole = until_sent(askers.open(key).unwrap(), "text".into_response());
        assert_eq!(whole.body().size_hint().exact(), Some(4));
        let pieces = stream::iter([Ok::<_, std::io::Error>(Bytes::from("piece"))]);
        let open = askers.open(key).unwrap();
        let streamed = until_sent(open, Body::from_stream(pieces).into_response());
        assert!(askers.open(key).is_none());
        drop(streamed);
        assert!(askers.open(key).is_some());
    }
}
