//! What takes place in a process, told while it does: as lines of JSON, or as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};
use palisade_wire::{OutcomeBody, ProcessEvent, StartedBody};
use tokio::sync::OwnedMutexGuard;

use crate::error::Failure;
use crate::output::{Output, Stream};
use crate::processes::{Attached, End, Process};
use crate::told;

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

fn printed(stream: Stream, bytes: Vec<u8>) -> ProcessEvent {
    match stream {
        Stream::Stdout => ProcessEvent::Stdout(bytes),
        Stream::Stderr => ProcessEvent::Stderr(bytes),
    }
}

fn ended(end: End) -> ProcessEvent {
    match end {
        Ok(outcome) => ProcessEvent::Outcome(Box::new(told::end(outcome))),
        Err(error) => ProcessEvent::Error(Failure::from(error).into_body(None)),
    }
}

fn text(event: &ProcessEvent) -> String {
    serde_json::to_string(event).expect("what is told has no maps but those by name")
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
    let started = StartedBody {
        process: process.id.as_u64(),
        program: process.program.clone(),
    };
    let begin = stream::iter([ProcessEvent::Started(started)]);
    let telling = Telling {
        process,
        output,
        attached,
    };
    let rest = stream::unfold(Some(telling), async |telling| {
        let mut telling = telling?;
        if let Some((stream, bytes)) = telling.output.next().await {
            return Some((printed(stream, bytes), Some(telling)));
        }
        let Telling { process, attached, .. } = telling;
        let end = ended(process.end().await);
        drop(attached);
        Some((end, None))
    });
    let events = begin.chain(rest);
    match form {
        Form::Lines | Form::Whole => {
            let lines = events.map(|event| Ok::<_, Infallible>(Bytes::from(text(&event) + "\n")));
            let head = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (head, Body::from_stream(lines)).into_response()
        }
        Form::Events => {
            let events = events.map(|event| {
                let named = sse::Event::default().event(event.name());
                Ok::<_, Infallible>(named.data(text(&event)))
            });
            Sse::new(events).keep_alive(KeepAlive::default()).into_response()
        }
    }
}

/// All that a process prints and how it ends, once it has.
pub(super) async fn collect(process: &Process, mut output: OwnedMutexGuard<Output>) -> Result<OutcomeBody, Failure> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some((stream, bytes)) = output.next().await {
        match stream {
            Stream::Stdout => stdout.extend(bytes),
            Stream::Stderr => stderr.extend(bytes),
        }
    }
    let outcome = process.end().await?;
    Ok(OutcomeBody {
        stdout: Some(stdout),
        stderr: Some(stderr),
        ..told::end(outcome)
    })
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
