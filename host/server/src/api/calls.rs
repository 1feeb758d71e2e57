//! Calls of tools in a sandbox. A client which is gone ends its calls: their future is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use palisade::policy::{ByteSize, CallLimits, CallRequest, FileAccess};
use palisade::{Call, Kind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use crate::KeyId;
use crate::body::{Json, Named};
use crate::error::{ErrorBody, Failure};
use crate::outcome_json;

/// Calls in one batch.
const MAX_BATCH: usize = 100;

/// One call of a function.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallBody {
    /// NAME or NAME@DIGEST.
    tool: String,
    function: String,
    /// The arguments by name.
    #[schema(value_type = Object)]
    #[serde(default)]
    arguments: Map<String, Value>,
    /// How lists of bytes are given in the answer: `base64`, the default, or `array`.
    #[schema(value_type = String)]
    #[serde(default)]
    bytes: palisade::Bytes,
    /// The most that it may do in the sandbox's files: `none`, `read-only` or `read-write`.
    #[schema(value_type = Option<String>)]
    files: Option<FileAccess>,
    /// The most that it may use: `memory` and `output` as `"64 MiB"`, `time` as `"5s"`, `fuel` as a number.
    #[schema(value_type = Object)]
    #[serde(default)]
    limits: CallLimits,
}

/// How a call ended and what it used. What the guest says in it is not to be trusted.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Object)]
#[serde(transparent)]
pub(super) struct OutcomeBody(pub Map<String, Value>);

/// What became of one call of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ended {
    /// It was made.
    Outcome(OutcomeBody),
    /// It was not.
    Error(ErrorBody),
}

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
    Ok(Call::new(&tool, function, arguments).bytes(bytes).narrow(request))
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
    Extension(key): Extension<KeyId>,
    Path(id): Path<String>,
    Json { value, .. }: Json<CallBody>,
) -> Result<Response, Failure> {
    let sandbox = api.sandbox(&id)?;
    let turn = api.turns.next(key).await?;
    let call = prepare(&api, value, turn.output_of_each(1)).await?;
    let outcome = sandbox.call(call).await?;
    turn.answer(&OutcomeBody(outcome_json(&outcome)))
}

/// Makes up to 100 calls, some at one time. What becomes of each is under its key.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/calls", params(("id" = String, Path)),
    request_body = BTreeMap<String, CallBody>, responses((status = 200, body = BTreeMap<String, Ended>)))]
pub(super) async fn call_all(
    State(api): State<Arc<Api>>,
    Extension(key): Extension<KeyId>,
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
        let told = outcome.map_or_else(failed, |outcome| Ended::Outcome(OutcomeBody(outcome_json(&outcome))));
        ended.insert(key, told);
    }
    turn.answer(&ended)
}

fn failed(error: palisade::Error) -> Ended {
    Ended::Error(Failure::from(error).into_body(None))
}
