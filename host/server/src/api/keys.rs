//! The keys, for those who may change them.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use palisade::Kind;
use palisade_wire::{AboutBody, KeyList, KeyRequest, NewKeyBody};

use super::Api;
use crate::access::Asker;
use crate::body::Json;
use crate::error::Failure;
use crate::{Keys, told};

impl Api {
    /// Works on the keys, whose files may make it wait.
    async fn in_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(Keys) -> palisade::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let keys = self.keys.clone();
        let done = tokio::task::spawn_blocking(move || work(keys)).await;
        Ok(done.map_err(|_| Failure::of(Kind::Internal, "the work on keys failed"))??)
    }
}

/// What this server is, and whose key asks.
#[utoipa::path(get, path = "/v1/about", responses((status = 200, body = AboutBody)))]
pub(super) async fn about(Extension(Asker { key, role }): Extension<Asker>) -> axum::Json<AboutBody> {
    axum::Json(AboutBody {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key: key.to_string(),
        role,
    })
}

/// The keys, without their secrets.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = KeyList)))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Result<axum::Json<KeyList>, Failure> {
    let keys = api.in_keys(|keys| keys.list()).await?;
    let keys = keys.iter().map(told::key).collect();
    Ok(axum::Json(KeyList { keys }))
}

/// Makes a key, and tells its text, which is kept nowhere.
#[utoipa::path(post, path = "/v1/keys", request_body = KeyRequest, responses((status = 201, body = NewKeyBody)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Json { value, .. }: Json<KeyRequest>,
) -> Result<impl IntoResponse, Failure> {
    let role = value.role;
    let (id, key) = api.in_keys(move |keys| keys.create(role)).await?;
    let id = id.to_string();
    let head = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, head, axum::Json(NewKeyBody { id, role, key })))
}

/// Removes a key. No other request with it is taken here, and within a second elsewhere; those which have begun go on.
#[utoipa::path(delete, path = "/v1/keys/{key}", params(("key" = String, Path, description = "its id")),
    responses((status = 204)))]
pub(super) async fn remove(State(api): State<Arc<Api>>, Path(key): Path<String>) -> Result<StatusCode, Failure> {
    let id = key.parse()?;
    api.in_keys(move |keys| keys.remove(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
