//! The policies which a client can name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;

/// The names of the policies.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyList {
    policies: Vec<String>,
    /// The one of a sandbox which names none.
    default: String,
}

/// The policies, by name.
#[utoipa::path(get, path = "/v1/policies", responses((status = 200, body = PolicyList)))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<PolicyList> {
    let offered = &api.settings.policies;
    Json(PolicyList {
        policies: offered.names().map(str::to_owned).collect(),
        default: offered.default_name().to_owned(),
    })
}
