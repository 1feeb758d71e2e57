//! What sandboxes use and have used, for those who watch.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use palisade::Totals;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::error::Failure;
use crate::history::{INTERVAL, Point, Reading};

/// What is used now, was used lately, and has been used in all.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageHistory {
    /// The time between two points, but for the last.
    interval_seconds: u64,
    /// One to 60 points, the oldest first; the last is of now.
    history: Vec<PointBody>,
    totals: TotalsBody,
}

/// What was used at one time, and on the way to it.
#[derive(Serialize, ToSchema)]
struct PointBody {
    /// In RFC 3339.
    at: String,
    /// Processor time for each second since the point before.
    cpu_cores: f64,
    /// Bytes read from files and standard input for each second since then.
    read_bytes_per_second: u64,
    /// Bytes written to files, standard output and standard error likewise.
    written_bytes_per_second: u64,
    memory_bytes: u64,
    disk_bytes: u64,
    /// Processes which ran.
    processes: u32,
    /// Sandboxes which there were; absent where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandboxes: Option<u32>,
}

/// What has been used since the sandbox was made, or the server started.
#[derive(Serialize, ToSchema)]
struct TotalsBody {
    cpu_seconds: f64,
    /// Units of fuel, where the policy has it metered.
    fuel: u64,
    read_bytes: u64,
    written_bytes: u64,
    processes_ended: u64,
    /// What guests and callers were not granted.
    denials: u64,
    limits_hit: u64,
}

/// Whether points tell how many sandboxes there were.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    One,
    All,
}

impl UsageHistory {
    fn new(points: &[Point], totals: &Totals, about: About) -> Self {
        let history = points.iter().map(|point| PointBody {
            at: format!("{:.3}", point.at),
            cpu_cores: (point.cpu_cores * 1e4).round() / 1e4,
            read_bytes_per_second: point.read_bytes_per_second.round() as u64,
            written_bytes_per_second: point.written_bytes_per_second.round() as u64,
            memory_bytes: point.memory_bytes,
            disk_bytes: point.disk_bytes,
            processes: point.processes,
            sandboxes: (about == About::All).then_some(point.sandboxes),
        });
        Self {
            interval_seconds: INTERVAL.as_secs(),
            history: history.collect(),
            totals: TotalsBody {
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
}

/// What all sandboxes use, used in the last five minutes, and have used in all, those which are gone too.
#[utoipa::path(get, path = "/v1/usage", responses((status = 200, body = UsageHistory)))]
pub(super) async fn all(State(api): State<Arc<Api>>) -> axum::Json<UsageHistory> {
    let now = Reading::of_all(&api.host, &api.host.sandboxes());
    let points = api.history.of_all(now, Instant::now());
    axum::Json(UsageHistory::new(&points, &api.host.totals(), About::All))
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
    Ok(axum::Json(UsageHistory::new(&points, &sandbox.totals(), About::One)))
}
