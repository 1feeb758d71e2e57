//! The policies which a client can name.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use palisade::Kind;
use palisade::policy::Policy;
use palisade_wire::{PolicyBody, PolicyList, PolicyReport};

use super::Api;
use crate::error::Failure;
use crate::{body, told};

impl Api {
    /// The policy of that name.
    pub(super) fn policy(&self, name: &str) -> Result<&Arc<Policy>, Failure> {
        let offered = &self.settings.policies;
        offered.get(name).ok_or_else(|| {
            let names = offered.names().collect::<Vec<_>>().join(", ");
            Failure::of(Kind::NotFound, format!("no policy of that name: there are {names}"))
        })
    }
}

/// The policies, by name.
#[utoipa::path(get, path = "/v1/policies", responses((status = 200, body = PolicyList)))]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<PolicyList> {
    let offered = &api.settings.policies;
    let policies = offered.all().map(|(name, policy)| told::policy_line(name, policy));
    Json(PolicyList {
        policies: policies.collect(),
        default: offered.default_name().to_owned(),
    })
}

/// One policy with every value, as this server applies it.
#[utoipa::path(get, path = "/v1/policies/{name}", params(("name" = String, Path)),
    responses((status = 200, body = PolicyBody)))]
pub(super) async fn show(State(api): State<Arc<Api>>, Path(name): Path<String>) -> Result<Json<PolicyBody>, Failure> {
    let policy = api.policy(&name)?;
    Ok(Json(told::policy(&name, policy)))
}

/// Says what is wrong in the text of a policy. Nothing is kept of it.
#[utoipa::path(post, path = "/v1/policies/check", request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = PolicyReport)))]
pub(super) async fn check(State(api): State<Arc<Api>>, request: Request) -> Result<Json<PolicyReport>, Failure> {
    let text = body::text(request, &api, "application/toml").await?;
    Ok(Json(told::policy_report(&text)))
}
