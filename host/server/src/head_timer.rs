//! The timer for the heads of a connection's requests. hyper wants one for every request, and each would be made known
//! to the runtime and taken back; this keeps one for all of them, which is moved on only when it fires.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer of one connection. Of the sleeps which it gives, only the latest is to be waited for.
#[derive(Debug, Default)]
pub(crate) struct HeadTimer(Arc<Mutex<Kept>>);

/// The timer which the runtime knows of; never later than the end of the sleep that is waited for.
type Kept = Option<Pin<Box<tokio::time::Sleep>>>;

struct Until {
    end: Instant,
    kept: Arc<Mutex<Kept>>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, end: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until {
            end,
            kept: Arc::clone(&self.0),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.end.into();
        let timer = kept.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() >= end {
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn ends_within(sleep: &mut Pin<Box<dyn Sleep>>, time: Duration) -> bool {
        tokio::time::timeout(time, sleep.as_mut()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn each_sleep_ends_at_its_own_time() {
        let timer = HeadTimer::default();
        let mut first = timer.sleep(10 * SECOND);
        assert!(!ends_within(&mut first, 9 * SECOND).await);
        drop(first);
        let mut later = timer.sleep(10 * SECOND);
        assert!(!ends_within(&mut later, 9 * SECOND).await);
        assert!(ends_within(&mut later, 2 * SECOND).await);
        let mut sooner = timer.sleep(100 * SECOND);
        assert!(!ends_within(&mut sooner, SECOND).await);
        let mut sooner = timer.sleep(2 * SECOND);
        assert!(!ends_within(&mut sooner, SECOND).await);
        assert!(ends_within(&mut sooner, 2 * SECOND).await);
    }
}
