//! What sandboxes use and have used, for those who watch.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use palisade::Totals;
use palisade_wire::{UsageHistory, UsagePoint, UsageTotals};

use super::Api;
use crate::error::Failure;
use crate::history::{INTERVAL, Point, Reading};

/// Whether points tell how many sandboxes there were.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    One,
    All,
}

fn told(points: &[Point], totals: &Totals, about: About) -> UsageHistory {
    let history = points.iter().map(|point| UsagePoint {
        at: format!("{:.3}", point.at),
        cpu_cores: (point.cpu_cores * 1e4).round() / 1e4,
        read_bytes_per_second: point.read_bytes_per_second.round() as u64,
        written_bytes_per_second: point.written_bytes_per_second.round() as u64,
        memory_bytes: point.memory_bytes,
        disk_bytes: point.disk_bytes,
        processes: point.processes,
        sandboxes: (about == About::All).then_some(point.sandboxes),
    });
    UsageHistory {
        interval_seconds: INTERVAL.as_secs(),
        history: history.collect(),
        totals: UsageTotals {
            cpu_seconds: totals.host_time.as_micros() as f64 / 1e6,
            fuel: totals.fuel,
            read_bytes: totals.read.as_bytes(),
            written_bytes: totals.written.as_bytes(),
            processes_ended: totals.all_ended(),
            denials: totals.denials,
            limits_hit: totals.all_limits_hit(),
        },
    }
}

/// What all sandboxes use, used in the last five minutes, and have used in all, those which are gone too.
#[utoipa::path(get, path = "/v1/usage", responses((status = 200, body = UsageHistory)))]
pub(super) async fn all(State(api): State<Arc<Api>>) -> axum::Json<UsageHistory> {
    let totals = api.host.totals();
    let now = Reading::of_all(&api.host.sandboxes(), &totals);
    let points = api.history.of_all(now, Instant::now());
    axum::Json(told(&points, &totals, About::All))
}

/// What one sandbox uses, used in the last five minutes, and has used in all.
#[utoipa::path(get, path = "/v1/sandboxes/{id}/usage", params(("id" = String, Path)),
    responses((status = 200, body = UsageHistory)))]
pub(super) async fn of_sandbox(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
) -> Result<axum::Json<UsageHistory>, Failure> {
    let sandbox = api.sandbox(&id)?;
    let points = api.history.of(sandbox.id(), Reading::of(&sandbox), Instant::now());
    Ok(axum::Json(told(&points, &sandbox.totals(), About::One)))
}
