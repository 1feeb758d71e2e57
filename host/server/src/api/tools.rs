//! The registry of tools.

use std::sync::Arc;

use axum::extract::{Extension, Path, Request, State};
use axum::http::StatusCode;
use palisade::{Kind, Program, Tools};
use palisade_wire::{AddRequest, ToolBody, ToolList};

use super::Api;
use crate::access::Asker;
use crate::body::{self, Query};
use crate::error::Failure;
use crate::{add_script, told};

/// The tools, in the order in which they were added.
#[utoipa::path(get, path = "/v1/tools", responses((status = 200, body = ToolList)))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<axum::Json<ToolList>, Failure> {
    let tools = api.host.tools().list()?.into_iter().map(told::tool_line).collect();
    Ok(axum::Json(ToolList { tools }))
}

/// What a tool offers, with the schemas of its functions.
#[utoipa::path(get, path = "/v1/tools/{tool}", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 200, body = ToolBody)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path(tool): Path<String>,
) -> Result<axum::Json<ToolBody>, Failure> {
    Ok(axum::Json(told::tool(&api.host.tools().get(&tool).await?)))
}

/// Adds a component, and has the name stand for it; with `interpreter`, a script in `text/plain`. The first time, it is
/// compiled, which may take a while.
#[utoipa::path(put, path = "/v1/tools/{tool}",
    params(("tool" = String, Path, description = "1 to 64 of a-z, 0-9, - and _"), AddRequest),
    request_body(content((Vec<u8> = "application/wasm"), (String = "text/plain"))),
    responses((status = 201, body = ToolBody)))]
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    Path(name): Path<String>,
    Query(AddRequest { interpreter }): Query<AddRequest>,
    request: Request,
) -> Result<(StatusCode, axum::Json<ToolBody>), Failure> {
    let media = if interpreter.is_some() {
        "text/plain"
    } else {
        "application/wasm"
    };
    body::expect_type(request.headers(), media)?;
    if !Tools::is_name(&name) {
        let shown: String = name.chars().take(64).collect();
        let message = format!("{shown:?} is not a name for a tool: it has 1 to 64 characters of a-z, 0-9, - and _");
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    let _place = api.uploads.take(key, api.settings.request_time).await?;
    let tool = match interpreter {
        Some(interpreter) => {
            let source = body::text(request, &api, media).await?;
            add_script(&api.host, &name, source, &interpreter).await?
        }
        None => {
            let bytes = body::read(request, &api, api.settings.max_component).await?;
            let program = Program::from_bytes(name.as_str(), bytes)?;
            api.host.tools().add(&name, program).await?
        }
    };
    Ok((StatusCode::CREATED, axum::Json(told::tool(&tool))))
}

/// Has a tool called again, or one version of it.
#[utoipa::path(post, path = "/v1/tools/{tool}/enable", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 204)))]
pub(super) async fn enable(State(api): State<Arc<Api>>, Path(tool): Path<String>) -> Result<StatusCode, Failure> {
    api.host.tools().set_enabled(&tool, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a tool from being called, or one version of it. Calls which have begun go on.
#[utoipa::path(post, path = "/v1/tools/{tool}/disable", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 204)))]
pub(super) async fn disable(State(api): State<Arc<Api>>, Path(tool): Path<String>) -> Result<StatusCode, Failure> {
    api.host.tools().set_enabled(&tool, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a tool with all its versions, or one of them. Calls which have begun go on.
#[utoipa::path(delete, path = "/v1/tools/{tool}", params(("tool" = String, Path, description = "NAME or NAME@DIGEST")),
    responses((status = 204)))]
pub(super) async fn remove(State(api): State<Arc<Api>>, Path(tool): Path<String>) -> Result<StatusCode, Failure> {
    api.host.tools().remove(&tool).await?;
    Ok(StatusCode::NO_CONTENT)
}
