//! Calls of tools in a sandbox. A client which is gone ends its calls: their future is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use palisade::policy::{ByteSize, CallLimits, CallRequest, FileAccess};
use palisade::{Bytes, Call, Kind};
use palisade_wire::{BytesForm, CallBody, Ended, Named, OutcomeBody};

use super::Api;
use crate::access::Asker;
use crate::body::Json;
use crate::error::Failure;
use crate::told;

/// Calls in one batch.
const MAX_BATCH: usize = 100;

/// A call which may print so much, and answer so much.
async fn prepare(api: &Api, body: CallBody, output: ByteSize) -> palisade::Result<Call> {
    let CallBody {
        tool,
        function,
        arguments,
        bytes,
        files,
        limits,
    } = body;
    let tool = api.host.tools().get(&tool).await?;
    let request = narrowed(files, limits, output);
    let call = Call::new(&tool, function, arguments);
    Ok(call.bytes(form(bytes)).narrow(request))
}

/// How lists of bytes are given.
pub(super) fn form(bytes: BytesForm) -> Bytes {
    match bytes {
        BytesForm::Base64 => Bytes::Base64,
        BytesForm::Array => Bytes::Array,
    }
}

/// What a call asks for, which may print so much, and answer so much.
pub(super) fn narrowed(files: Option<FileAccess>, limits: CallLimits, output: ByteSize) -> CallRequest {
    let part = CallLimits {
        output: Some(output),
        ..CallLimits::default()
    };
    CallRequest {
        files,
        limits: limits.least(part),
        ..CallRequest::default()
    }
}

/// Calls a function in a fresh instance. A tool which fails, traps or meets a limit is a success here: its `ending` says so.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/call", params(("id" = String, Path)), request_body = CallBody,
    responses((status = 200, body = OutcomeBody)))]
pub(super) async fn call(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(id): Path<String>,
    Json { value, .. }: Json<CallBody>,
) -> Result<Response, Failure> {
    let sandbox = api.sandbox(&id)?;
    let turn = api.turns.next(key).await?;
    let call = prepare(&api, value, turn.output_of_each(1)).await?;
    let outcome = sandbox.call(call).await?;
    turn.answer(&told::outcome(outcome))
}

/// Makes up to 100 calls, some at one time. What becomes of each is under its key.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/calls", params(("id" = String, Path)),
    request_body = BTreeMap<String, CallBody>, responses((status = 200, body = BTreeMap<String, Ended>)))]
pub(super) async fn call_all(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(id): Path<String>,
    Json { value, .. }: Json<Named<CallBody>>,
) -> Result<Response, Failure> {
    let Named(batch) = value;
    if !(1..=MAX_BATCH).contains(&batch.len()) {
        let message = format!("a batch has 1 to {MAX_BATCH} calls, and this has {}", batch.len());
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    let sandbox = api.sandbox(&id)?;
    let turn = api.turns.next(key).await?;
    let output = turn.output_of_each(batch.len() as u64);
    let (mut calls, mut ended) = (Vec::new(), BTreeMap::new());
    for (key, body) in batch {
        match prepare(&api, body, output).await {
            Ok(call) => calls.push((key, call)),
            Err(error) => drop(ended.insert(key, failed(error))),
        }
    }
    for (key, outcome) in sandbox.call_all(calls).await {
        let told = outcome.map_or_else(failed, |outcome| Ended::Outcome(Box::new(told::outcome(outcome))));
        ended.insert(key, told);
    }
    turn.answer(&ended)
}

fn failed(error: palisade::Error) -> Ended {
    Ended::Error(Failure::from(error).into_body(None))
}
