//! Sandboxes, from their making to their end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use palisade::{Kind, Sandbox, SandboxId, SandboxSpec};
use palisade_wire::{Named, PageRequest, SandboxBody, SandboxChange, SandboxPage, SandboxRequest, UsageBody};

use super::Api;
use super::idempotency::{Name, Novelty};
use crate::access::Asker;
use crate::body::{Json, Query};
use crate::error::Failure;
use crate::labels;
use crate::lives::{End, Life, Times};
use crate::told;

type Answer<T> = Result<axum::Json<T>, Failure>;

fn body(api: &Api, sandbox: &Sandbox) -> SandboxBody {
    let usage = sandbox.usage();
    let (policy, labels, times) = match api.lives.get(sandbox.id()) {
        Some(life) => (life.policy, life.labels, life.times),
        None => Default::default(),
    };
    SandboxBody {
        id: sandbox.id().to_string(),
        state: told::state(sandbox.state()),
        policy: policy.map(|name| name.to_string()),
        labels,
        expires_at: times.end.map(|end| end.told.to_string()),
        idle_seconds: times.idle.map(|idle| idle.as_secs()),
        limits: sandbox.limits(),
        usage: UsageBody {
            memory_bytes: usage.memory.as_bytes(),
            peak_memory_bytes: usage.peak_memory.as_bytes(),
            disk_bytes: usage.disk.as_bytes(),
            files: usage.files,
            open_handles: usage.open_handles,
            processes: usage.processes,
        },
        processes: sandbox.processes().iter().map(|process| process.as_u64()).collect(),
    }
}

/// Makes a sandbox. With an `Idempotency-Key`, the same request again gives the same sandbox for 24 hours.
#[utoipa::path(post, path = "/v1/sandboxes", request_body = SandboxRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    responses((status = 201, body = SandboxBody), (status = 200, body = SandboxBody, description = "made before")))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(Asker { key, .. }): Extension<Asker>,
    headers: HeaderMap,
    Json { value, bytes }: Json<SandboxRequest>,
) -> Result<(StatusCode, axum::Json<SandboxBody>), Failure> {
    let made = match Name::of(&headers)? {
        None => (make(&api, value)?, Novelty::New),
        Some(name) => api.made.once(key, name, blake3::hash(&bytes), || make(&api, value))?,
    };
    let sandbox = |id| api.host.sandbox(id);
    match made {
        (id, Novelty::New) => Ok((StatusCode::CREATED, axum::Json(body(&api, &sandbox(id)?)))),
        (id, Novelty::Known) => {
            let gone = |_| Failure::of(Kind::Conflict, format!("it made sandbox {id}, which is gone"));
            Ok((StatusCode::OK, axum::Json(body(&api, &sandbox(id).map_err(gone)?))))
        }
    }
}

fn make(api: &Api, request: SandboxRequest) -> Result<SandboxId, Failure> {
    let SandboxRequest {
        policy,
        env,
        limits,
        labels: Named(labels),
        ttl_seconds,
        idle_seconds,
    } = request;
    labels::check(&labels)?;
    let name = policy.as_deref().unwrap_or(api.settings.policies.default_name());
    let policy = api.policy(name)?;
    let mut spec = SandboxSpec::new(Arc::clone(policy)).limits(limits);
    spec.env = env.0;
    let id = api.host.create(spec)?.id();
    let mut life = Life::of_policy(name);
    life.labels = labels;
    life.times = Times {
        end: end(ttl_seconds),
        idle: idle_seconds.map(seconds),
    };
    api.lives.insert(id, life);
    Ok(id)
}

fn end(ttl: Option<NonZeroU32>) -> Option<End> {
    ttl.map(|ttl| End::after(seconds(ttl)))
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(number.get().into())
}

/// The sandboxes, in the order of their ids.
#[utoipa::path(get, path = "/v1/sandboxes", params(PageRequest), responses((status = 200, body = SandboxPage)))]
pub(super) async fn list(State(api): State<Arc<Api>>, Query(page): Query<PageRequest>) -> Answer<SandboxPage> {
    let limit = super::page_limit(page.limit)?;
    let after: Option<SandboxId> = page.after.as_deref().map(str::parse).transpose()?;
    let is_labelled = |id| match &page.label {
        None => true,
        Some(asked) => api.lives.has_label(id, asked),
    };
    let mut sandboxes = api.host.sandboxes();
    sandboxes.retain(|sandbox| after.is_none_or(|after| sandbox.id() > after) && is_labelled(sandbox.id()));
    sandboxes.sort_unstable_by_key(Sandbox::id);
    let more = sandboxes.len() > limit;
    sandboxes.truncate(limit);
    let next = sandboxes.last().filter(|_| more).map(|last| last.id().to_string());
    let sandboxes = sandboxes.iter().map(|sandbox| body(&api, sandbox)).collect();
    Ok(axum::Json(SandboxPage { sandboxes, next }))
}

/// One sandbox.
#[utoipa::path(get, path = "/v1/sandboxes/{id}", params(("id" = String, Path)), responses((status = 200, body = SandboxBody)))]
pub(super) async fn show(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    Ok(axum::Json(body(&api, &api.sandbox(&id)?)))
}

/// Changes its limits, labels and times, all or nothing.
#[utoipa::path(patch, path = "/v1/sandboxes/{id}", params(("id" = String, Path)), request_body = SandboxChange,
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<SandboxChange>,
) -> Answer<SandboxBody> {
    let SandboxChange {
        limits,
        labels: Named(changes),
        ttl_seconds,
        idle_seconds,
    } = value;
    let sandbox = api.sandbox(&id)?;
    api.lives.change(sandbox.id(), |life| {
        let labels = labels::changed(&life.labels, changes);
        labels::check(&labels)?;
        sandbox.change_limits(&limits)?;
        life.labels = labels;
        if let Some(ttl) = ttl_seconds {
            life.times.end = end(ttl);
        }
        if let Some(idle) = idle_seconds {
            life.times.idle = idle.map(seconds);
        }
        Ok(())
    })?;
    Ok(axum::Json(body(&api, &sandbox)))
}

/// Has its processes stand still, and takes no others until it is resumed.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/suspend", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn suspend(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.suspend()?;
    Ok(axum::Json(body(&api, &sandbox)))
}

/// Lets its processes go on.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/resume", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn resume(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.resume()?;
    Ok(axum::Json(body(&api, &sandbox)))
}

/// Ends its processes, and keeps its files.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/stop", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn stop(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.stop().await?;
    Ok(axum::Json(body(&api, &sandbox)))
}

/// Ends its processes, and removes its files and itself.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn destroy(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    let sandbox = api.sandbox(&id)?;
    sandbox.destroy().await?;
    api.forget(sandbox.id());
    Ok(StatusCode::NO_CONTENT)
}
