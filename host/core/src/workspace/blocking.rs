//! The ways from here to a thread that may block.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Errno, FsResult};

/// What the guests of one workspace may have running on blocking threads at one time.
const MAX_RUNNING: usize = 4;

/// Runs the host's own `work` where waiting for the disk holds nobody up. Dropping the future lets the work run to its
/// end.
pub(super) async fn on_blocking_thread(work: impl FnOnce() -> FsResult<()> + Send + 'static) -> FsResult<()> {
    Started(tokio::task::spawn_blocking(work)).done().await
}

/// What the guests of all workspaces may: half of the threads that tokio has for what blocks.
static ALL: Semaphore = Semaphore::const_new(256);

/// Gives the work of guests its turn on a blocking thread: [`MAX_RUNNING`] at one time, and the rest wait.
#[derive(Debug)]
pub(super) struct Turns(Arc<Semaphore>);

/// Work on a blocking thread. It runs to its end, whatever becomes of this.
#[derive(Debug)]
pub(crate) struct Started(JoinHandle<FsResult<()>>);

impl Turns {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RUNNING)))
    }

    /// Starts `work` when it is its turn. Nothing was started if the future is dropped before.
    pub(super) async fn start(&self, work: impl FnOnce() -> FsResult<()> + Send + 'static) -> Started {
        let turn = Arc::clone(&self.0)
            .acquire_owned()
            .await
            .expect("nothing closes the semaphore");
        let of_all = ALL.acquire().await.expect("nothing closes the semaphore");
        Started(tokio::task::spawn_blocking(move || {
            let _turns = (turn, of_all);
            work()
        }))
    }

    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        MAX_RUNNING - self.0.available_permits()
    }
}

impl Started {
    /// Waits for the end, once. The future may be dropped, and waiting begun again.
    pub(crate) async fn done(&mut self) -> FsResult<()> {
        (&mut self.0).await.unwrap_or(Err(Errno::IO))
    }
}
