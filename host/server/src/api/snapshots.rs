//! Snapshots of a sandbox's files, and going back to them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use palisade::Kind;
use palisade::snapshots::{
    Comparison, Details, Difference, DifferenceKind, Durability, Retention, Scope, Snapshot, SnapshotId, Snapshots,
    Truncated,
};
use palisade_wire::{
    CollectionBody, DiffBody, DiffRequest, DifferenceBody, ExpireRequest, ExpiredBody, NameTarget, Named, RollbackBody,
    RollbackRequest, ScrubBody, SnapshotBody, SnapshotChange, SnapshotPage, SnapshotPageRequest, SnapshotRequest,
    TouchedSnapshot, VerificationBody,
};

use super::Api;
use crate::body::{Json, Query};
use crate::error::Failure;
use crate::labels;

type Answer<T> = Result<axum::Json<T>, Failure>;

/// Differences which are told at most.
const DIFFERENCES: u16 = 1_000;

fn body(snapshot: Snapshot) -> SnapshotBody {
    SnapshotBody {
        id: snapshot.id.to_string(),
        names: snapshot.names,
        description: snapshot.description,
        labels: snapshot.labels,
        parent: snapshot.parent.map(|parent| parent.to_string()),
        taken_at: timestamp(snapshot.taken),
        files: snapshot.files,
        bytes: snapshot.bytes,
        added: snapshot.changes.added,
        changed: snapshot.changes.changed,
        removed: snapshot.changes.removed,
        skipped: snapshot.skipped,
        pinned: snapshot.pinned,
    }
}

fn timestamp(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().to_string()
}

fn durability(asked: palisade_wire::Durability) -> Durability {
    match asked {
        palisade_wire::Durability::Synced => Durability::Synced,
        palisade_wire::Durability::Soon => Durability::Soon,
    }
}

fn diff(compared: Comparison) -> DiffBody {
    DiffBody {
        differences: compared.differences.iter().map(difference).collect(),
        truncated: compared.truncated == Truncated::Yes,
        text: None,
    }
}

fn difference(difference: &Difference) -> DifferenceBody {
    DifferenceBody {
        path: shown(&difference.path),
        kind: match difference.kind {
            DifferenceKind::Added => palisade_wire::DifferenceKind::Added,
            DifferenceKind::Removed => palisade_wire::DifferenceKind::Removed,
            DifferenceKind::Replaced => palisade_wire::DifferenceKind::Replaced,
            DifferenceKind::Content => palisade_wire::DifferenceKind::Content,
            DifferenceKind::Metadata => palisade_wire::DifferenceKind::Metadata,
        },
        size_before: difference.before.as_ref().map(|item| item.size),
        size_after: difference.after.as_ref().map(|item| item.size),
    }
}

fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

fn snapshots(api: &Api, id: &str) -> Result<Snapshots, Failure> {
    Ok(api.sandbox(id)?.snapshots())
}

/// Takes a snapshot of a sandbox's own files, as they are between two operations on them. Programs go on, and wait for it
/// when they open or change a file; they stand still for the first one. Mounted directories are outside.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/snapshots", params(("id" = String, Path)),
    request_body = SnapshotRequest, responses((status = 201, body = SnapshotBody)))]
pub(super) async fn take(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<SnapshotRequest>,
) -> Result<(StatusCode, axum::Json<SnapshotBody>), Failure> {
    let SnapshotRequest {
        name,
        description,
        labels: Named(labels),
        pinned,
        durability: asked,
    } = value;
    labels::check(&labels)?;
    let details = Details {
        name,
        description,
        labels,
        pinned,
    };
    let taken = snapshots(&api, &id)?.take(details, durability(asked)).await?;
    Ok((StatusCode::CREATED, axum::Json(body(taken))))
}

/// The snapshots of a sandbox, the latest first.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/snapshots", params(("id" = String, Path), SnapshotPageRequest),
    responses((status = 200, body = SnapshotPage)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(page): Query<SnapshotPageRequest>,
) -> Answer<SnapshotPage> {
    let limit = super::page_limit(page.limit)?;
    let snapshots = snapshots(&api, &id)?;
    let mut older = snapshots.list().await?;
    if let Some(after) = &page.after {
        let after = snapshots.find(after).await?;
        older.retain(|snapshot| (snapshot.taken, snapshot.id) < (after.taken, after.id));
    }
    let more = older.len() > limit;
    let shown: Vec<_> = older.into_iter().rev().take(limit).map(body).collect();
    let next = shown.last().filter(|_| more).map(|last| last.id.clone());
    Ok(axum::Json(SnapshotPage { snapshots: shown, next }))
}

/// One snapshot: by its id, six digits or more with which no other id begins, or a name.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/snapshots/{snapshot}",
    params(("id" = String, Path), ("snapshot" = String, Path)), responses((status = 200, body = SnapshotBody)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Path((id, snapshot)): Path<(String, String)>,
) -> Answer<SnapshotBody> {
    Ok(axum::Json(body(snapshots(&api, &id)?.find(&snapshot).await?)))
}

/// Changes description, labels and pin of a snapshot.
#[utoipa::path(patch, path = "/v1/sandboxes/{id}/snapshots/{snapshot}",
    params(("id" = String, Path), ("snapshot" = String, Path)), request_body = SnapshotChange,
    responses((status = 200, body = SnapshotBody)))]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Path((id, snapshot)): Path<(String, String)>,
    Json { value, .. }: Json<SnapshotChange>,
) -> Answer<SnapshotBody> {
    let SnapshotChange {
        description,
        labels: Named(changes),
        pinned,
    } = value;
    let put = changes
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    labels::check(&put.collect())?;
    let snapshots = snapshots(&api, &id)?;
    let found = snapshots.find(&snapshot).await?.id;
    let changed = snapshots.describe(found, move |details| {
        details.labels = labels::changed(&details.labels, changes.clone());
        details.description = description.clone().unwrap_or_else(|| details.description.clone());
        details.pinned = pinned.unwrap_or(details.pinned);
    });
    Ok(axum::Json(body(changed.await?)))
}

/// Deletes a snapshot, and the names which lead to it. Its room is free after a collection.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}/snapshots/{snapshot}",
    params(("id" = String, Path), ("snapshot" = String, Path)), responses((status = 204)))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Path((id, snapshot)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let snapshots = snapshots(&api, &id)?;
    snapshots.delete(snapshots.find(&snapshot).await?.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What differs in a snapshot from another one, or from its parent.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/snapshots/{snapshot}/diff",
    params(("id" = String, Path), ("snapshot" = String, Path), DiffRequest),
    responses((status = 200, body = DiffBody)))]
pub(super) async fn compare(
    State(api): State<Arc<Api>>,
    Path((id, snapshot)): Path<(String, String)>,
    Query(asked): Query<DiffRequest>,
) -> Answer<DiffBody> {
    let limit = super::page_limit(Some(asked.limit.unwrap_or(DIFFERENCES)))?;
    let snapshots = snapshots(&api, &id)?;
    let after = snapshots.find(&snapshot).await?;
    let before = match &asked.from {
        Some(from) => Some(snapshots.find(from).await?.id),
        None => parent(&snapshots, &after).await?,
    };
    let mut told = diff(snapshots.compare(before, after.id, limit).await?);
    if let Some(path) = &asked.path {
        told.text = Some(snapshots.compare_text(before, after.id, path).await?);
    }
    Ok(axum::Json(told))
}

async fn parent(snapshots: &Snapshots, of: &Snapshot) -> Result<Option<SnapshotId>, Failure> {
    let Some(parent) = of.parent else {
        return Ok(None);
    };
    match snapshots.find(&parent.to_string()).await {
        Ok(found) => Ok(Some(found.id)),
        Err(error) if error.kind() == Kind::NotFound => {
            let message = format!("the parent of snapshot {} is gone: name another one with `from`", of.id);
            Err(Failure::of(Kind::NotFound, message))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads everything that a snapshot needs, and tells what is damaged.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/snapshots/{snapshot}/verify",
    params(("id" = String, Path), ("snapshot" = String, Path)), responses((status = 200, body = VerificationBody)))]
pub(super) async fn verify(
    State(api): State<Arc<Api>>,
    Path((id, snapshot)): Path<(String, String)>,
) -> Answer<VerificationBody> {
    let snapshots = snapshots(&api, &id)?;
    let found = snapshots.verify(snapshots.find(&snapshot).await?.id).await?;
    Ok(axum::Json(VerificationBody {
        blobs: found.blobs,
        bytes: found.bytes,
        damaged: found.damaged.iter().map(|path| shown(path)).collect(),
    }))
}

/// Has a name lead to a snapshot, and no longer to another.
#[utoipa::path(put, path = "/v1/sandboxes/{id}/snapshot-names/{name}",
    params(("id" = String, Path), ("name" = String, Path)), request_body = NameTarget,
    responses((status = 200, body = SnapshotBody)))]
pub(super) async fn set_name(
    State(api): State<Arc<Api>>,
    Path((id, name)): Path<(String, String)>,
    Json { value, .. }: Json<NameTarget>,
) -> Answer<SnapshotBody> {
    let snapshots = snapshots(&api, &id)?;
    let found: SnapshotId = snapshots.find(&value.snapshot).await?.id;
    snapshots.set_name(&name, found).await?;
    Ok(axum::Json(body(snapshots.find(&found.to_string()).await?)))
}

/// Removes a name. The snapshot stays.
#[utoipa::path(delete, path = "/v1/sandboxes/{id}/snapshot-names/{name}",
    params(("id" = String, Path), ("name" = String, Path)), responses((status = 204)))]
pub(super) async fn remove_name(
    State(api): State<Arc<Api>>,
    Path((id, name)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    snapshots(&api, &id)?.remove_name(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes the snapshots of a sandbox which nothing keeps.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/expire", params(("id" = String, Path)), request_body = ExpireRequest,
    responses((status = 200, body = ExpiredBody)))]
pub(super) async fn expire(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<ExpireRequest>,
) -> Answer<ExpiredBody> {
    let retention = Retention {
        last: usize::try_from(value.last).unwrap_or(usize::MAX),
        within: Duration::from_secs(value.within_seconds),
        labels: value.labels.0.into_iter().collect(),
    };
    let deleted = snapshots(&api, &id)?.expire(retention).await?;
    Ok(axum::Json(ExpiredBody {
        deleted: deleted.iter().map(SnapshotId::to_string).collect(),
    }))
}

/// Makes a sandbox's own files, or some of them, what they were in a snapshot. It ends the processes first, and takes a
/// snapshot of what was there, with the label `before-rollback-to`.
#[utoipa::path(post, path = "/v1/sandboxes/{id}/rollback", params(("id" = String, Path)),
    request_body = RollbackRequest, responses((status = 200, body = RollbackBody)))]
pub(super) async fn roll_back(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Json { value, .. }: Json<RollbackRequest>,
) -> Answer<RollbackBody> {
    let started = Instant::now();
    let snapshots = snapshots(&api, &id)?;
    let to = snapshots.find(&value.to).await?.id;
    let bytes = |paths: Vec<String>| paths.iter().map(|path| below_the_top(path)).collect();
    let scope = Scope {
        paths: bytes(value.paths),
        keep: bytes(value.keep),
    };
    let details = Details {
        labels: [("before-rollback-to".to_owned(), to.to_string())].into(),
        ..Details::default()
    };
    let done = snapshots
        .roll_back(to, scope, details, durability(value.durability))
        .await?;
    Ok(axum::Json(RollbackBody {
        to: to.to_string(),
        before: body(done.before),
        undone: diff(done.undone),
        outside: done.outside,
        outside_truncated: done.outside_truncated == Truncated::Yes,
        elapsed_ms: started.elapsed().as_secs_f64() * 1e3,
    }))
}

fn below_the_top(path: &str) -> Vec<u8> {
    path.trim_matches('/').as_bytes().to_vec()
}

/// Gives back the room of what no snapshot of any sandbox needs.
#[utoipa::path(post, path = "/v1/snapshots/collect", responses((status = 200, body = CollectionBody)))]
pub(super) async fn collect(State(api): State<Arc<Api>>) -> Answer<CollectionBody> {
    let done = api.host.collect_snapshots().await?;
    Ok(axum::Json(CollectionBody {
        packs: done.packs,
        freed_bytes: done.freed,
        moved_bytes: done.moved,
        damaged: done.damaged,
    }))
}

/// Reads all that is stored of snapshots, and names those which need what is damaged.
#[utoipa::path(post, path = "/v1/snapshots/scrub", responses((status = 200, body = ScrubBody)))]
pub(super) async fn scrub(State(api): State<Arc<Api>>) -> Answer<ScrubBody> {
    let found = api.host.scrub_snapshots().await?;
    let touched = |(sandbox, snapshot): (String, SnapshotId)| TouchedSnapshot {
        sandbox,
        snapshot: snapshot.to_string(),
    };
    Ok(axum::Json(ScrubBody {
        bytes: found.bytes,
        damaged: found.damaged.len() as u64,
        damaged_bytes: found.damaged.iter().map(|damage| damage.to - damage.from).sum(),
        snapshots: found.snapshots.into_iter().map(touched).collect(),
    }))
}
