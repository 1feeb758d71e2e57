//! Answers to calls: how large one is, and how many are held at one time.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use palisade::Kind;
use palisade::policy::ByteSize;
use serde::Serialize;

use crate::error::Failure;
use crate::places::{Place, Places};
use crate::{KeyId, Settings};

/// The turns of requests with calls. Who waits for one gets it in the order of asking.
pub(crate) struct Turns {
    calls: Places,
    most: ByteSize,
    patience: Duration,
}

/// The turn of one request, until its answer is sent or it is dropped.
pub(crate) struct Turn {
    place: Place,
    most: ByteSize,
}

impl Turns {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            calls: Places::new(settings.max_calls, "others are calling"),
            most: settings.max_output,
            patience: settings.request_time,
        }
    }

    /// # Errors
    /// [`Kind::Unavailable`] where none comes for as long as a request may take.
    pub(crate) async fn next(&self, key: KeyId) -> Result<Turn, Failure> {
        Ok(Turn {
            place: self.calls.take(key, self.patience).await?,
            most: self.most,
        })
    }
}

impl Turn {
    /// What each of so many calls may print, and what it may return.
    pub(crate) fn output_of_each(&self, calls: u64) -> ByteSize {
        output_of_each(self.most, calls)
    }

    /// The answer.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] where it is longer than an answer may be all the same.
    pub(crate) fn answer(self, value: &impl Serialize) -> Result<Response, Failure> {
        let mut room = Room {
            bytes: Vec::new(),
            most: usize::try_from(self.most.as_bytes()).unwrap_or(usize::MAX),
        };
        // Only the room for it can fail: what is told has no maps but those by name.
        serde_json::to_writer(&mut room, value)
            .map_err(|_| Failure::of(Kind::Exhausted, format!("the answer has more than {}", self.most)))?;
        let held = Held {
            bytes: room.bytes,
            _place: self.place,
        };
        let head = [(header::CONTENT_TYPE, "application/json")];
        Ok((head, Body::from(Bytes::from_owner(held))).into_response())
    }
}

/// What each of so many calls may print, and what it may return, where the answer to all may have `most`. That is a
/// quarter of its part: what is printed takes up to twice its bytes there, and there is more to tell of a call.
pub(crate) fn output_of_each(most: ByteSize, calls: u64) -> ByteSize {
    ByteSize::from_bytes(most.as_bytes() / 4 / calls)
}

/// An answer on its way out.
struct Held {
    bytes: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

struct Room {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn turns(most: u64) -> Turns {
        Turns::new(&Settings {
            max_output: ByteSize::from_bytes(most),
            max_calls: 1,
            ..Settings::default()
        })
    }

    #[tokio::test]
    async fn an_answer_has_as_many_bytes_as_it_may_and_no_more() {
        let turns = turns(7);
        let answer = turns.next(KeyId::random()).await.unwrap().answer(&"\0").unwrap_err();
        assert_eq!(answer.into_body(None).kind, palisade_wire::Kind::Exhausted);
        let answer = turns.next(KeyId::random()).await.unwrap().answer(&"12345").unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "\"12345\"");
    }

    #[tokio::test]
    async fn a_turn_ends_when_its_answer_is_gone() {
        let turns = turns(100);
        let body = turns
            .next(KeyId::random())
            .await
            .unwrap()
            .answer(&1)
            .unwrap()
            .into_body();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(turns.calls.free(), 0);
        drop(bytes);
        assert_eq!(turns.calls.free(), 1);
        drop(turns.next(KeyId::random()).await.unwrap());
        assert_eq!(turns.calls.free(), 1);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_for_ever() {
        let mut turns = turns(100);
        turns.patience = Duration::from_millis(10);
        let _held = turns.next(KeyId::random()).await.unwrap();
        let failure = turns.next(KeyId::random()).await.map(drop).unwrap_err();
        assert_eq!(failure.into_body(None).kind, palisade_wire::Kind::Unavailable);
    }
}
