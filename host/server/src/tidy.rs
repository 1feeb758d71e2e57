//! Gives back, from time to time, the room of snapshots which were deleted.

use std::time::Duration;

use palisade::Host;

const EVERY: Duration = Duration::from_secs(60 * 60);

/// Goes on for as long as it is polled.
pub(crate) async fn keep(host: Host) {
    loop {
        tokio::time::sleep(EVERY).await;
        if !host.has_snapshot_store() {
            continue;
        }
        match host.collect_snapshots().await {
            Ok(done) => tracing::info!(packs = done.packs, freed_bytes = done.freed, "collected snapshots"),
            Err(error) => tracing::warn!(%error, "cannot collect snapshots"),
        }
    }
}
