//! Sandboxes, from their making to their end.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use palisade::policy::{Limits, LimitsRequest};
use palisade::{Kind, Sandbox, SandboxId, SandboxSpec, State as SandboxState};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::idempotency::{Name, Novelty};
use crate::KeyId;
use crate::body::{Json, Named, Query};
use crate::error::Failure;
use crate::labels::{self, Labels};
use crate::lives::{Life, Times};

type Answer<T> = Result<axum::Json<T>, Failure>;

/// A sandbox as somebody asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SandboxRequest {
    /// The name of a policy; the default one where it is left out.
    policy: Option<String>,
    /// Environment variables by name.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(default)]
    env: Named<String>,
    /// Limits which differ from the policy's: `memory`, `disk` and `output` as `"256 MiB"`, `time` as `"30s"`, `cpu` as
    /// cores, `fuel`, `files`, `processes` and `handles` as numbers.
    #[schema(value_type = Object)]
    #[serde(default)]
    limits: LimitsRequest,
    /// What is written on it, by name, to find it again: at most 64.
    #[schema(value_type = BTreeMap<String, String>)]
    #[serde(default)]
    labels: Named<String>,
    /// It is destroyed so many seconds after its creation, whatever it does then; never where this is left out.
    #[schema(value_type = Option<u32>, minimum = 1)]
    ttl_seconds: Option<NonZeroU32>,
    /// It is destroyed when for so many seconds no process was in it, and no request for it came but such as look at it;
    /// never where this is left out.
    #[schema(value_type = Option<u32>, minimum = 1)]
    idle_seconds: Option<NonZeroU32>,
}

/// What is to be changed of a sandbox. What is left out stays; nothing is changed where something cannot be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SandboxChange {
    /// Limits which are put in the place of those it has, as at its creation. Those of each process hold for the next
    /// ones.
    #[schema(value_type = Object)]
    #[serde(default)]
    limits: LimitsRequest,
    /// Labels which are put in place; `null` removes one.
    #[schema(value_type = BTreeMap<String, Option<String>>)]
    #[serde(default)]
    labels: Named<Option<String>>,
    /// It is destroyed so many seconds from now; `null`: never.
    #[schema(value_type = Option<u32>, minimum = 1)]
    #[serde(default, deserialize_with = "given")]
    ttl_seconds: Option<Option<NonZeroU32>>,
    /// As at its creation; `null`: never.
    #[schema(value_type = Option<u32>, minimum = 1)]
    #[serde(default, deserialize_with = "given")]
    idle_seconds: Option<Option<NonZeroU32>>,
}

/// What is there, `null` too.
fn given<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Option<NonZeroU32>>, D::Error> {
    Option::deserialize(source).map(Some)
}

/// A sandbox.
#[derive(Serialize, ToSchema)]
pub(super) struct SandboxBody {
    id: String,
    /// `ready`, `running`, `suspended`, `stopping`, `stopped`, `failed`, `creating` or `destroyed`.
    #[schema(value_type = String)]
    state: SandboxState,
    /// The name of its policy; `null` where the program around this server made it.
    policy: Option<String>,
    labels: Labels,
    /// When its time to live is over; `null` where it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<jiff::Timestamp>,
    /// How long it may be idle; `null` where it may be for ever.
    idle_seconds: Option<u64>,
    /// What it may use.
    #[schema(value_type = Object)]
    limits: Limits,
    usage: UsageBody,
    /// The numbers of the processes which run, the oldest first.
    #[schema(value_type = Vec<u64>)]
    processes: Vec<palisade::ProcessId>,
}

/// What a sandbox uses.
#[derive(Serialize, ToSchema)]
struct UsageBody {
    memory_bytes: u64,
    peak_memory_bytes: u64,
    disk_bytes: u64,
    files: u64,
    open_handles: u64,
    processes: u64,
}

/// Some of the sandboxes.
#[derive(Serialize, ToSchema)]
pub(super) struct SandboxPage {
    sandboxes: Vec<SandboxBody>,
    /// What to give as `after` for those which follow; `null` where none do.
    next: Option<String>,
}

/// Which sandboxes are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageRequest {
    /// How many at most: 1 to 1,000, 100 where it is left out.
    limit: Option<u16>,
    /// Only those whose id comes after this one.
    after: Option<String>,
    /// Only those with this label: a name, or `NAME=VALUE`.
    label: Option<String>,
}

fn told(api: &Api, sandbox: &Sandbox) -> SandboxBody {
    let usage = sandbox.usage();
    let (policy, labels, times) = match api.lives.get(sandbox.id()) {
        Some(life) => (life.policy, life.labels, life.times),
        None => Default::default(),
    };
    SandboxBody {
        id: sandbox.id().to_string(),
        state: sandbox.state(),
        policy: policy.map(|name| name.to_string()),
        labels,
        expires_at: times.expires_at(),
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
        processes: sandbox.processes(),
    }
}

/// Makes a sandbox. With an `Idempotency-Key`, the same request again gives the same sandbox for 24 hours.
#[utoipa::path(post, path = "/v1/sandboxes", request_body = SandboxRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 characters")),
    responses((status = 201, body = SandboxBody), (status = 200, body = SandboxBody, description = "made before")))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Extension(key): Extension<KeyId>,
    headers: HeaderMap,
    Json { value, digest }: Json<SandboxRequest>,
) -> Result<(StatusCode, axum::Json<SandboxBody>), Failure> {
    let made = match Name::of(&headers)? {
        None => (make(&api, value)?, Novelty::New),
        Some(name) => api.made.once(key, name, digest, || make(&api, value))?,
    };
    let sandbox = |id| api.host.sandbox(id);
    match made {
        (id, Novelty::New) => Ok((StatusCode::CREATED, axum::Json(told(&api, &sandbox(id)?)))),
        (id, Novelty::Known) => {
            let gone = |_| Failure::of(Kind::Conflict, format!("it made sandbox {id}, which is gone"));
            Ok((StatusCode::OK, axum::Json(told(&api, &sandbox(id).map_err(gone)?))))
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
    let offered = &api.settings.policies;
    let name = policy.as_deref().unwrap_or(offered.default_name());
    let policy = offered.get(name).ok_or_else(|| {
        let names = offered.names().collect::<Vec<_>>().join(", ");
        Failure::of(Kind::NotFound, format!("no policy of that name: there are {names}"))
    })?;
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

fn end(ttl: Option<NonZeroU32>) -> Option<Instant> {
    ttl.map(|ttl| Instant::now() + seconds(ttl))
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
        Some(asked) => api.lives.get(id).is_some_and(|life| labels::have(&life.labels, asked)),
    };
    let mut sandboxes = api.host.sandboxes();
    sandboxes.retain(|sandbox| after.is_none_or(|after| sandbox.id() > after) && is_labelled(sandbox.id()));
    sandboxes.sort_unstable_by_key(Sandbox::id);
    let more = sandboxes.len() > limit;
    sandboxes.truncate(limit);
    let next = sandboxes.last().filter(|_| more).map(|last| last.id().to_string());
    let sandboxes = sandboxes.iter().map(|sandbox| told(&api, sandbox)).collect();
    Ok(axum::Json(SandboxPage { sandboxes, next }))
}

/// One sandbox.
#[utoipa::path(get, path = "/v1/sandboxes/{id}", params(("id" = String, Path)), responses((status = 200, body = SandboxBody)))]
pub(super) async fn show(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    Ok(axum::Json(told(&api, &api.sandbox(&id)?)))
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
    Ok(axum::Json(told(&api, &sandbox)))
}

/// Has its processes stand still, and takes no others until it is resumed.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/suspend", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn suspend(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.suspend()?;
    Ok(axum::Json(told(&api, &sandbox)))
}

/// Lets its processes go on.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/resume", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn resume(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.resume()?;
    Ok(axum::Json(told(&api, &sandbox)))
}

/// Ends its processes, and keeps its files.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/stop", params(("id" = String, Path)),
    responses((status = 200, body = SandboxBody)))]
pub(super) async fn stop(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer<SandboxBody> {
    let sandbox = api.sandbox(&id)?;
    sandbox.stop().await?;
    Ok(axum::Json(told(&api, &sandbox)))
}

/// Ends its processes, and removes its files and itself.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}", params(("id" = String, Path)), responses((status = 204)))]
pub(super) async fn destroy(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    let sandbox = api.sandbox(&id)?;
    sandbox.destroy().await?;
    api.forget(sandbox.id());
    Ok(StatusCode::NO_CONTENT)
}
