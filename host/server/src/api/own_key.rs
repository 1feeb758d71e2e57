//! The key of the one who asks.

use axum::Json;
use axum::extract::Extension;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{KeyId, Role};

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnKey {
    id: String,
    /// `reader`, `operator` or `admin`.
    #[schema(value_type = String)]
    role: Role,
}

/// Which key this request has, and what it is good for.
#[utoipa::path(get, path = "/v1/key", responses((status = 200, body = OwnKey)))]
pub(super) async fn show(Extension(id): Extension<KeyId>, Extension(role): Extension<Role>) -> Json<OwnKey> {
    Json(OwnKey {
        id: id.to_string(),
        role,
    })
}
