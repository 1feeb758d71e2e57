//! The registry of tools.

use std::sync::Arc;

use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use palisade::{Function, Kind, Program, Skipped, Tool, ToolEntry, Tools};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::KeyId;
use crate::body;
use crate::error::Failure;

/// The tools.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolList {
    tools: Vec<ToolLine>,
}

/// A tool as it is listed.
#[derive(Serialize, ToSchema)]
struct ToolLine {
    name: String,
    /// The blake3 digest of its component or script.
    digest: String,
    /// Whether the name alone stands for it.
    current: bool,
    /// Whether it can be called.
    enabled: bool,
}

/// What a tool offers. All of it is its author's word.
#[derive(Serialize, ToSchema)]
pub(super) struct ToolBody {
    name: String,
    digest: String,
    /// The digest of what interprets it, where it is a script.
    interpreter: Option<String>,
    /// Each with `name`, `docs`, and the JSON schemas `parameters` and `result`.
    #[schema(value_type = Vec<Object>)]
    functions: Vec<Function>,
    imports: Vec<String>,
    /// What it exports and what cannot be called, each with `name` and `reason`.
    #[schema(value_type = Vec<Object>)]
    skipped: Vec<Skipped>,
}

fn told(tool: &Tool) -> axum::Json<ToolBody> {
    let description = tool.description().clone();
    axum::Json(ToolBody {
        name: tool.name().to_owned(),
        digest: tool.digest().to_string(),
        interpreter: tool.interpreter().map(|digest| digest.to_string()),
        functions: description.functions,
        imports: description.imports,
        skipped: description.skipped,
    })
}

/// The tools, in the order in which they were added.
#[utoipa::path(get, path = "/v1/tools", responses((status = 200, body = ToolList)))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<axum::Json<ToolList>, Failure> {
    let line = |entry: ToolEntry| ToolLine {
        name: entry.name,
        digest: entry.digest.to_string(),
        current: entry.current,
        enabled: entry.enabled,
    };
    let tools = api.host.tools().list()?.into_iter().map(line).collect();
    Ok(axum::Json(ToolList { tools }))
}

/// What a tool offers, with the schemas of its functions.
#[utoipa::path(get, path = "/v1/tools/{tool}", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 200, body = ToolBody)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(tool): Path<String>,
) -> Result<axum::Json<ToolBody>, Failure> {
    Ok(told(&api.host.tools().get(&tool).await?))
}

/// Adds a component, and has the name stand for it. The first time, it is compiled, which may take a while.
#[utoipa::path(put, path = "/v1/tools/{tool}", params(("tool" = String, Path, description = "1 to 64 of a-z, 0-9, - and _")),
    request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 201, body = ToolBody)))]
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Extension(key): Extension<KeyId>,
    Path(name): Path<String>,
    request: Request,
) -> Result<(StatusCode, axum::Json<ToolBody>), Failure> {
    body::expect_type(request.headers(), "application/wasm")?;
    if !Tools::is_name(&name) {
        let message = "the name of a tool has 1 to 64 characters of a-z, 0-9, - and _";
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    let _place = api.uploads.take(key, api.settings.request_time).await?;
    let bytes = body::read(request, &api, api.settings.max_component).await?;
    let program = Program::from_bytes(name.as_str(), bytes)?;
    let tool = api.host.tools().add(&name, program).await?;
    Ok((StatusCode::CREATED, told(&tool)))
}

/// Removes a tool with all its versions, or one of them. Calls which have begun go on.
#[utoipa::path(delete, path = "/v1/tools/{tool}", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 204)))]
pub(super) async fn remove(State(api): State<Arc<Api>>, Path(tool): Path<String>) -> Result<StatusCode, Failure> {
    api.host.tools().remove(&tool).await?;
    Ok(StatusCode::NO_CONTENT)
}
