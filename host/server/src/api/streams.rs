//! What takes place in a process, told while it does: as lines of JSON, or as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use palisade::Outcome;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedMutexGuard;

use crate::error::Failure;
use crate::outcome::insert_bytes;
use crate::outcome_json;
use crate::output::{Output, Stream};
use crate::processes::{Attached, End, Process};

/// How an answer tells of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line of JSON for each event.
    Lines,
    /// Server-sent events.
    Events,
    /// One object, after the end.
    Whole,
}

impl Form {
    /// The first of the forms which a request accepts; lines where it names none of them.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let named = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let types = named.map(|named| named.split(';').next().unwrap_or_default().trim());
        let mut forms = types.filter_map(|named| match named {
            _ if named.eq_ignore_ascii_case("application/x-ndjson") => Some(Self::Lines),
            _ if named.eq_ignore_ascii_case("text/event-stream") => Some(Self::Events),
            _ if named.eq_ignore_ascii_case("application/json") => Some(Self::Whole),
            _ => None,
        });
        forms.next().unwrap_or(Self::Lines)
    }
}

/// One event: an object whose one field names it, or nearly so where it has bytes.
struct Event {
    name: &'static str,
    told: Map<String, Value>,
}

impl Event {
    fn new(name: &'static str, value: Value) -> Self {
        Self {
            name,
            told: Map::from_iter([(name.to_owned(), value)]),
        }
    }

    fn printed(stream: Stream, bytes: &[u8]) -> Self {
        let name = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let mut told = Map::new();
        insert_bytes(&mut told, name, bytes);
        Self { name, told }
    }

    fn ended(end: End) -> Self {
        match end {
            Ok(outcome) => Self::new("outcome", without_output(&outcome).into()),
            Err(error) => Self::new("error", json!(Failure::from(error).into_body(None))),
        }
    }

    fn text(self) -> String {
        Value::Object(self.told).to_string()
    }
}

/// A process on its way to one client.
struct Telling {
    process: Arc<Process>,
    output: OwnedMutexGuard<Output>,
    attached: Option<Attached>,
}

/// Tells of a process until its end, by which `attached` is dropped at the latest. Nothing is read of what it prints
/// before the client takes it.
pub(super) fn tell(
    form: Form,
    process: Arc<Process>,
    output: OwnedMutexGuard<Output>,
    attached: Option<Attached>,
) -> Response {
    let started = json!({ "process": process.id, "program": process.program });
    let begin = stream::iter([Event::new("started", started)]);
    let telling = Telling {
        process,
        output,
        attached,
    };
    let rest = stream::unfold(Some(telling), async |telling| {
        let mut telling = telling?;
        if let Some((stream, bytes)) = telling.output.next().await {
            return Some((Event::printed(stream, &bytes), Some(telling)));
        }
        let Telling { process, attached, .. } = telling;
        let end = Event::ended(process.end().await);
        drop(attached);
        Some((end, None))
    });
    let events = begin.chain(rest);
    match form {
        Form::Lines | Form::Whole => {
            let lines = events.map(|event| Ok::<_, Infallible>(Bytes::from(event.text() + "\n")));
            let head = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (head, Body::from_stream(lines)).into_response()
        }
        Form::Events => {
            let events = events.map(|event| {
                let named = sse::Event::default().event(event.name);
                Ok::<_, Infallible>(named.data(event.text()))
            });
            Sse::new(events).keep_alive(KeepAlive::default()).into_response()
        }
    }
}

/// All that a process prints and how it ends, once it has.
pub(super) async fn collect(
    process: &Process,
    mut output: OwnedMutexGuard<Output>,
) -> Result<Map<String, Value>, Failure> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((stream, bytes)) = output.next().await {
        match stream {
            Stream::Stdout => stdout.extend(bytes),
            Stream::Stderr => stderr.extend(bytes),
        }
    }
    let mut outcome = process.end().await?;
    (outcome.stdout, outcome.stderr) = (stdout, stderr);
    Ok(outcome_json(&outcome))
}

/// How a process ended, where what it printed is told elsewhere.
pub(super) fn without_output(outcome: &Outcome) -> Map<String, Value> {
    let mut told = outcome_json(outcome);
    told.retain(|field, _| field != "stdout" && field != "stderr");
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_type_is_the_form() {
        for (accept, expected) in [
            ("", Form::Lines),
            ("*/*", Form::Lines),
            ("text/html, text/event-stream", Form::Events),
            ("Application/JSON;q=0.9, application/x-ndjson", Form::Whole),
            ("application/x-ndjson, application/json", Form::Lines),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(Form::accepted(&headers), expected, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Lines);
    }
}
