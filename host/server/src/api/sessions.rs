//! Sessions: an instance of a tool which is kept between calls, as a process of its sandbox.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use palisade::{Kind, ProcessId, SandboxId, Session};
use palisade_wire::{OutcomeBody, SessionBody, SessionCall, SessionList, SessionRequest};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

use super::Api;
use super::calls::{form, narrowed};
use crate::access::Asker;
use crate::body::Json;
use crate::error::Failure;
use crate::patience::timeout;
use crate::{answer, told};

/// How long a session may be idle at most, in seconds: it holds an instance all the while.
const MAX_IDLE: u32 = 3_600;
/// How long a session may be idle where its request does not say.
const IDLE: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");

/// A session, and what it was asked for with.
struct Held {
    session: Session,
    tool: String,
    idle_seconds: NonZeroU32,
    /// Whose call it is: a client which leaves ends the call which has begun, and no other's.
    turn: AsyncMutex<()>,
}

type Key = (SandboxId, ProcessId);

/// The sessions which were opened here. Those which have ended are forgotten when the next one is opened.
#[derive(Default)]
pub(super) struct Sessions(Mutex<BTreeMap<Key, Arc<Held>>>);

impl Sessions {
    fn insert(&self, sandbox: SandboxId, held: Held) -> Arc<Held> {
        let held = Arc::new(held);
        let mut sessions = self.lock();
        sessions.retain(|_, held| held.session.ending().is_none());
        sessions.insert((sandbox, held.session.process()), Arc::clone(&held));
        held
    }

    fn of(&self, sandbox: SandboxId) -> Vec<Arc<Held>> {
        let sessions = self.lock();
        let known = sessions.iter().filter(|((of, _), _)| *of == sandbox);
        known.map(|(_, held)| Arc::clone(held)).collect()
    }

    pub(super) fn forget(&self, sandbox: SandboxId) {
        self.lock().retain(|(of, _), _| *of != sandbox);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn told(&self) -> SessionBody {
        let (ending, error) = match self.session.ending() {
            None => (None, None),
            Some(Ok(ending)) => (Some(told::ending(ending)), None),
            Some(Err(error)) => (None, Some(Failure::from(error).into_body(None))),
        };
        SessionBody {
            session: self.session.process().as_u64(),
            tool: self.tool.clone(),
            idle_seconds: self.idle_seconds.get(),
            ending,
            error,
        }
    }

    /// The right to call it.
    async fn turn(&self, patience: Duration) -> Result<AsyncMutexGuard<'_, ()>, Failure> {
        let busy = |_| Failure::of(Kind::Unavailable, "the session makes other calls: try again");
        timeout(patience, self.turn.lock()).await.map_err(busy)
    }
}

/// Ends a session whose call nobody waits for any more: an instance cannot be stopped halfway and go on.
struct Calling<'a>(Option<&'a Session>);

impl Calling<'_> {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            session.kill();
        }
    }
}

fn find(api: &Api, id: &str, session: &str) -> palisade::Result<Arc<Held>> {
    let sandbox = api.sandbox(id)?.id();
    let process = session.parse()?;
    let found = api.sessions.lock().get(&(sandbox, process)).cloned();
    found.ok_or_else(|| {
        let message = format!("sandbox {sandbox} has no session {process}");
        palisade::Error::new(Kind::NotFound, message)
    })
}

/// Opens a session: an instance of a tool, which keeps its state between calls, until it is ended, idle for too long, or
/// at a limit. It is a process of the sandbox.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/sessions", params(("id" = String, Path)), request_body = SessionRequest,
    responses((status = 201, body = SessionBody)))]
pub(super) async fn open(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<SessionRequest>,
) -> Result<(StatusCode, axum::Json<SessionBody>), Failure> {
    let SessionRequest {
        tool: name,
        idle_seconds,
        files,
        limits,
    } = value;
    let idle_seconds = idle_seconds.unwrap_or(IDLE);
    if idle_seconds.get() > MAX_IDLE {
        let message = format!("idle_seconds: a session may be idle for {MAX_IDLE} seconds at most");
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    let sandbox = api.sandbox(&id)?;
    let tool = api.host.tools().get(&name).await?;
    let request = narrowed(files, limits, answer::output_of_each(api.settings.max_output, 1));
    let idle = Duration::from_secs(idle_seconds.get().into());
    let held = Held {
        session: sandbox.open_session(&tool, idle, &request)?,
        tool: name,
        idle_seconds,
        turn: AsyncMutex::default(),
    };
    let held = api.sessions.insert(sandbox.id(), held);
    // It may have been destroyed meanwhile.
    if api.sandbox(&id).is_err() {
        api.sessions.forget(sandbox.id());
    }
    Ok((StatusCode::CREATED, axum::Json(held.told())))
}

/// The sessions of a sandbox, the oldest first. One which has ended is there until another is opened.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/sessions", params(("id" = String, Path)),
    responses((status = 200, body = SessionList)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<axum::Json<SessionList>, Failure> {
    let known = api.sessions.of(api.sandbox(&id)?.id());
    let sessions = known.iter().map(|held| held.told()).collect();
    Ok(axum::Json(SessionList { sessions }))
}

/// One session.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/sessions/{session}",
    params(("id" = String, Path), ("session" = u64, Path)), responses((status = 200, body = SessionBody)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path((id, session)): Path<(String, String)>,
) -> Result<axum::Json<SessionBody>, Failure> {
    Ok(axum::Json(find(&api, &id, &session)?.told()))
}

/// Calls a function in a session, when those which were called before have ended. Usage and output are those of this
/// call. A call which traps, exits or meets a limit ends the session; so does a client which leaves while its call runs.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/sessions/{session}/call",
    params(("id" = String, Path), ("session" = u64, Path)), request_body = SessionCall,
    responses((status = 200, body = OutcomeBody)))]
pub(super) async fn call(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path((id, session)): Path<(String, String)>,
    Json { value, .. }: Json<SessionCall>,
) -> Result<Response, Failure> {
    let SessionCall {
        function,
        arguments,
        bytes,
    } = value;
    let held = find(&api, &id, &session)?;
    let _turn = held.turn(api.settings.request_time).await?;
    let turn = api.turns.next(key).await?;
    let calling = Calling(Some(&held.session));
    let outcome = held.session.call(&function, arguments, form(bytes)).await;
    calling.ended();
    turn.answer(&told::outcome(outcome?))
}

/// Ends a session, and a call which it makes.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}/sessions/{session}",
    params(("id" = String, Path), ("session" = u64, Path)), responses((status = 204)))]
pub(super) async fn end(
    State(api): State<Arc<Api>>,
    Path((id, session)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let held = find(&api, &id, &session)?;
    let sandbox = api.sandbox(&id)?.id();
    held.session.kill();
    api.sessions.lock().remove(&(sandbox, held.session.process()));
    Ok(StatusCode::NO_CONTENT)
}
