//! The one way from here to a thread that may block.

use super::{Errno, FsResult};

/// Runs `work` where waiting for the disk holds nobody up. Dropping the future lets the work run to its end.
pub(super) async fn on_blocking_thread(work: impl FnOnce() -> FsResult<()> + Send + 'static) -> FsResult<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Errno::IO))
}
