//! What is waited for only so long.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;

/// As [`tokio::time::timeout`], without a timer for what is ready at once.
pub(crate) async fn timeout<F: Future>(time: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    let begun = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
    match begun {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::time::timeout(time, work).await,
    }
}
