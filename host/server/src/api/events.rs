//! What happens, as server-sent events which a client can take up again where it left off.

mod log;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use palisade::{Event, Kind, SandboxId, State as SandboxState};
use palisade_wire::Since;
use serde_json::json;

pub(super) use self::log::Log;
use self::log::{Entry, Position};
use super::Api;
use crate::body::Query;
use crate::error::Failure;
use crate::tally::One;
use crate::told;

/// Entries which are taken from the log at one time.
const BATCH: usize = 64;

/// What happens in all sandboxes, as `text/event-stream`, from now on or after the event of the header `Last-Event-ID`.
/// The data of each is an object with `sandbox` and `at`, when the server learnt of it. Where some of those which follow
/// are no longer kept, the first is `missed`, with how many, of all sandboxes, or `null`.
#[utoipa::path(get, path = "/v1/events", params(Since, ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn all(
    State(api): State<Arc<Api>>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Failure> {
    follow(&api, None, since, &headers)
}

/// The same, in one sandbox. It ends when the sandbox is destroyed.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/events",
    params(("id" = String, Path), Since, ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(super) async fn of_sandbox(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Failure> {
    let sandbox = api.sandbox(&id)?.id();
    follow(&api, Some(sandbox), since, &headers)
}

fn follow(
    api: &Api,
    only: Option<SandboxId>,
    since: Since,
    headers: &HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>> + use<>>, Failure> {
    let given = headers
        .get("last-event-id")
        .map(|value| value.to_str().unwrap_or_default());
    let given = given.or(since.after.as_deref()).filter(|id| !id.is_empty());
    let log = Arc::clone(api.log());
    let after = match given {
        None => log.end(),
        Some(id) => id.parse().map_err(|()| {
            let message = format!("{:?} is no id of an event", id.chars().take(64).collect::<String>());
            Failure::of(Kind::InvalidInput, message)
        })?,
    };
    let follower = Follower {
        _counted: log.followers().one(),
        log,
        after,
        only,
        ready: VecDeque::new(),
        ended: false,
    };
    let sent = stream::unfold(follower, async |mut follower| {
        let next = follower.next().await?;
        Some((Ok(next), follower))
    });
    Ok(Sse::new(sent).keep_alive(KeepAlive::default()))
}

/// One client's place in the log.
struct Follower {
    _counted: One,
    log: Arc<Log>,
    after: Position,
    only: Option<SandboxId>,
    ready: VecDeque<Sent>,
    ended: bool,
}

impl Follower {
    /// The next event; `None` when the log has ended, or the sandbox.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(sent) = self.ready.pop_front() {
                return Some(sent);
            }
            if self.ended {
                return None;
            }
            let read = self.log.read(self.after, BATCH).await?;
            if let Some(missed) = read.missed {
                self.after = missed.upto;
                let data = json!({ "missed": missed.count }).to_string();
                self.ready
                    .push_back(Sent::default().id(self.after.to_string()).event("missed").data(data));
            }
            for (position, entry) in read.entries {
                self.after = position;
                if self.only.is_none_or(|only| entry.sandbox == Some(only)) {
                    self.ready.push_back(sent(position, &entry));
                    self.ended |= self.only.is_some() && entry.ends_sandbox;
                }
            }
        }
    }
}

fn sent(position: Position, entry: &Entry) -> Sent {
    Sent::default()
        .id(position.to_string())
        .event(entry.name)
        .data(&*entry.data)
}

/// An event as it is sent.
fn entry(event: &Event) -> Entry {
    let (name, sandbox, data) = match event {
        Event::SandboxCreated { sandbox } => ("sandbox-created", Some(*sandbox), json!({})),
        Event::RequestDenied { sandbox, denials } => ("request-denied", *sandbox, json!({ "denials": denials })),
        Event::StateChanged { sandbox, from, to } => {
            ("state-changed", Some(*sandbox), json!({ "from": from, "to": to }))
        }
        Event::SnapshotTaken { sandbox, snapshot } => (
            "snapshot-taken",
            Some(*sandbox),
            json!({ "snapshot": snapshot.to_string() }),
        ),
        Event::RolledBack { sandbox, snapshot } => (
            "rolled-back",
            Some(*sandbox),
            json!({ "snapshot": snapshot.to_string() }),
        ),
        Event::LimitsChanged { sandbox, limits } => ("limits-changed", Some(*sandbox), json!({ "limits": limits })),
        Event::ProcessStarted {
            sandbox,
            process,
            program,
        } => (
            "process-started",
            Some(*sandbox),
            json!({ "process": process, "program": program }),
        ),
        Event::ProcessEnded {
            sandbox,
            process,
            ending,
            usage,
        } => (
            "process-ended",
            Some(*sandbox),
            json!({ "process": process, "ending": told::ending(ending.clone()), "usage": told::usage(usage) }),
        ),
        Event::GuestDenied {
            sandbox,
            process,
            denial,
        } => (
            "guest-denied",
            Some(*sandbox),
            json!({ "process": process, "denial": denial }),
        ),
        Event::GuestLogged {
            sandbox,
            process,
            level,
            context,
            message,
        } => (
            "guest-logged",
            Some(*sandbox),
            json!({ "process": process, "level": level, "context": context, "message": message }),
        ),
        Event::GuestProgressed {
            sandbox,
            process,
            done,
            total,
            message,
        } => (
            "guest-progressed",
            Some(*sandbox),
            json!({ "process": process, "done": done, "total": total, "message": message }),
        ),
        Event::LimitHit {
            sandbox,
            process,
            limit,
        } => (
            "limit-hit",
            Some(*sandbox),
            json!({ "process": process, "limit": limit }),
        ),
        _ => ("unknown", None, json!({})),
    };
    let mut data = data;
    data["sandbox"] = json!(sandbox);
    data["at"] = json!(Timestamp::now());
    Entry {
        sandbox,
        name,
        data: data.to_string(),
        ends_sandbox: matches!(
            event,
            Event::StateChanged {
                to: SandboxState::Destroyed,
                ..
            }
        ),
    }
}
