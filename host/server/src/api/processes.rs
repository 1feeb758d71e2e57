//! Programs which run in a sandbox: wasm files of its own, read while they run.

use std::sync::Arc;

use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use palisade::policy::CallLimits;
use palisade::{Command, Device, Kind, Program, Sandbox};
use palisade_wire::{
    InputRequest, OutcomeBody, ProcessBody, ProcessList, ProcessRequest, ProcessState, Signal, SignalRequest,
    StandardStream,
};
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::Api;
use super::streams::{self, Form};
use crate::KeyId;
use crate::access::Asker;
use crate::body::{Json, Query};
use crate::error::Failure;
use crate::processes::{Attached, Process};
use crate::told;

fn body(process: &Process) -> ProcessBody {
    let (state, outcome, error) = match process.ended() {
        None => (ProcessState::Running, None, None),
        Some(Ok(outcome)) => (ProcessState::Ended, Some(told::end(outcome)), None),
        Some(Err(error)) => (ProcessState::Ended, None, Some(Failure::from(error).into_body(None))),
    };
    ProcessBody {
        process: process.id.as_u64(),
        program: process.program.clone(),
        state,
        started: process.started.to_string(),
        outcome,
        error,
    }
}

fn find(api: &Api, id: &str, process: &str) -> palisade::Result<(Sandbox, Arc<Process>)> {
    let sandbox = api.sandbox(id)?;
    let process = api.processes.get(sandbox.id(), process.parse()?)?;
    Ok((sandbox, process))
}

/// Reads the program away from what else goes on. What has begun goes on to its end without the client.
async fn read(api: &Api, key: KeyId, sandbox: &Sandbox, path: String, remove: bool) -> Result<Program, Failure> {
    let place = api.readings.take(key, api.settings.request_time).await?;
    let workspace = sandbox.workspace().clone();
    let work = move || {
        let _place = place;
        let program = Program::in_workspace(&workspace, &path)?;
        if remove {
            workspace.remove(&path)?;
        }
        Ok::<_, palisade::Error>(program)
    };
    let failed = |_| Failure::of(Kind::Internal, "reading the program failed");
    Ok(tokio::task::spawn_blocking(work).await.map_err(failed)??)
}

/// Starts a program. Detached, it goes on and its output waits for a reader. Otherwise it ends when the client leaves,
/// and the answer tells of it in the first of these types which `Accept` names:
///
/// - `application/x-ndjson`, the default: an object a line as it happens, `started` first, then `stdout` and `stderr`
///   (`stdout_base64` and `stderr_base64` for what is no text), at the end `outcome`, or `error` where it could not be run.
/// - `text/event-stream`: the same objects, as events of the same names.
/// - `application/json`: the outcome alone with all that was printed, of which the server bounds the size.
///
/// A client which does not read makes the program wait.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/processes", params(("id" = String, Path)), request_body = ProcessRequest,
    responses((status = 200, description = "what becomes of it", content((String = "application/x-ndjson"),
        (String = "text/event-stream"), (OutcomeBody = "application/json"))),
        (status = 201, body = ProcessBody, description = "it was detached")))]
pub(super) async fn start(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json { value, .. }: Json<ProcessRequest>,
) -> Result<Response, Failure> {
    let ProcessRequest {
        program: path,
        remove_program,
        args,
        stdin,
        terminals,
        detached,
        mut limits,
    } = value;
    let form = Form::accepted(&headers);
    let turn = match form {
        Form::Whole if !detached => Some(api.turns.next(key).await?),
        _ => None,
    };
    if let Some(turn) = &turn {
        limits = limits.least(CallLimits {
            output: Some(turn.output_of_each(1)),
            ..CallLimits::default()
        });
    }
    let sandbox = api.sandbox(&id)?;
    let program = read(&api, key, &sandbox, path.clone(), remove_program).await?;
    let device = |stream| match terminals.contains(&stream) {
        true => Device::Terminal,
        false => Device::Stream,
    };
    let command = Command::new(&program).args(args).limits(limits).devices(
        device(StandardStream::Stdin),
        device(StandardStream::Stdout),
        device(StandardStream::Stderr),
    );
    let (process, output) = api.processes.start(&sandbox, path, command, stdin)?;
    if detached {
        return Ok((StatusCode::CREATED, axum::Json(body(&process))).into_response());
    }
    let attached = Attached::new(sandbox, process.id);
    if let Some(turn) = turn {
        return turn.answer(&streams::collect(&process, output).await?);
    }
    Ok(streams::tell(form, process, output, Some(attached)))
}

/// The processes which were started here, the oldest first: those which run, and up to 100 which have ended.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/processes", params(("id" = String, Path)),
    responses((status = 200, body = ProcessList)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<axum::Json<ProcessList>, Failure> {
    let sandbox = api.sandbox(&id)?;
    let known = api.processes.of(sandbox.id());
    let processes = known.iter().map(|process| body(process)).collect();
    Ok(axum::Json(ProcessList { processes }))
}

/// One process.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/processes/{process}",
    params(("id" = String, Path), ("process" = u64, Path)), responses((status = 200, body = ProcessBody)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path((id, process)): Path<(String, String)>,
) -> Result<axum::Json<ProcessBody>, Failure> {
    let (_, process) = find(&api, &id, &process)?;
    Ok(axum::Json(body(&process)))
}

/// What a process prints from here on, and how it ends, as lines or events. There is one reader at a time, and another is
/// a conflict. What was sent to one is not sent again. The process goes on when a reader leaves, and waits once 64 KiB are
/// unread.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/processes/{process}/output",
    params(("id" = String, Path), ("process" = u64, Path)),
    responses((status = 200, description = "what becomes of it", content((String = "application/x-ndjson"),
        (String = "text/event-stream")))))]
pub(super) async fn output(
    State(api): State<Arc<Api>>,
    Path((id, process)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (_, process) = find(&api, &id, &process)?;
    let output = process.output()?;
    Ok(streams::tell(Form::accepted(&headers), process, output, None))
}

/// How a process ended, once it has. Its output is not read by this.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/processes/{process}/wait",
    params(("id" = String, Path), ("process" = u64, Path)), responses((status = 200, body = ProcessBody)))]
pub(super) async fn wait(
    State(api): State<Arc<Api>>,
    Path((id, process)): Path<(String, String)>,
) -> Result<axum::Json<ProcessBody>, Failure> {
    let (_, process) = find(&api, &id, &process)?;
    // What is wrong with the program is told in the body.
    let _ = process.end().await;
    Ok(axum::Json(body(&process)))
}

/// Writes to the standard input of a process, as fast as it reads. It is a conflict where that was not piped, is closed, or
/// is written to by another request.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/processes/{process}/stdin",
    params(("id" = String, Path), ("process" = u64, Path), InputRequest),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204)))]
pub(super) async fn send(
    State(api): State<Arc<Api>>,
    Path((id, process)): Path<(String, String)>,
    Query(InputRequest { eof }): Query<InputRequest>,
    request: Request,
) -> Result<StatusCode, Failure> {
    let (_, process) = find(&api, &id, &process)?;
    let mut stdin = process.stdin()?;
    let Some(pipe) = stdin.as_mut() else {
        return Err(process.conflict("has no standard input which is open").into());
    };
    tokio::select! {
        biased;
        sent = copy(request, pipe, &process) => sent?,
        _ = process.end() => return Err(gone(&process)),
    }
    if eof {
        *stdin = None;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn copy(request: Request, pipe: &mut DuplexStream, process: &Process) -> Result<(), Failure> {
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::of(Kind::InvalidInput, "the body broke off"))?;
        if let Ok(bytes) = frame.into_data() {
            pipe.write_all(&bytes).await.map_err(|_| gone(process))?;
        }
    }
    Ok(())
}

fn gone(process: &Process) -> Failure {
    process.conflict("ended before it read all of this").into()
}

/// Ends a process. Harmless when it has ended.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/processes/{process}/signal",
    params(("id" = String, Path), ("process" = u64, Path)), request_body = SignalRequest,
    responses((status = 204)))]
pub(super) async fn signal(
    State(api): State<Arc<Api>>,
    Path((id, process)): Path<(String, String)>,
    Json { value, .. }: Json<SignalRequest>,
) -> Result<StatusCode, Failure> {
    let (sandbox, process) = find(&api, &id, &process)?;
    match value.signal {
        Signal::Kill => sandbox.kill(process.id),
    };
    Ok(StatusCode::NO_CONTENT)
}
