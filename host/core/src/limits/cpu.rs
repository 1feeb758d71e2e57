//! The share of processor time of one sandbox: a bucket which fills with the wall clock and empties with use.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use palisade_policy::CpuShare;
use tokio::time::Instant;

/// A sandbox which stood still may run ahead of its share by this much processor time.
const BURST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct CpuMeter {
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    share: CpuShare,
    /// Processor time that may be used now; below zero it has to wait.
    nanos: i64,
    filled: Instant,
}

impl CpuMeter {
    pub(crate) fn new(share: CpuShare) -> Self {
        Self {
            bucket: Mutex::new(Bucket {
                share,
                nanos: BURST.as_nanos() as i64,
                filled: Instant::now(),
            }),
        }
    }

    /// How long the sandbox has to stand still before it may go on; `None`: not at all.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let mut bucket = self.lock();
        let elapsed = now.saturating_duration_since(bucket.filled).as_nanos();
        // More than can be counted is more than a burst.
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let share = bucket.share.as_millicores();
        let income = elapsed.saturating_mul(share.into()) / 1000;
        bucket.filled = now;
        let burst = BURST.as_nanos() as i64;
        bucket.nanos = bucket
            .nanos
            .saturating_add(i64::try_from(income).unwrap_or(i64::MAX))
            .min(burst);
        if bucket.nanos >= 0 {
            return None;
        }
        let debt = bucket.nanos.unsigned_abs();
        Some(Duration::from_nanos(
            debt.saturating_mul(1000) / u64::from(share.max(1)),
        ))
    }

    /// Takes what was used.
    pub(crate) fn spend(&self, used: Duration) {
        let mut bucket = self.lock();
        bucket.nanos = bucket
            .nanos
            .saturating_sub(i64::try_from(used.as_nanos()).unwrap_or(i64::MAX));
    }

    /// Sets another share. Who stands still for the old one does so to the end.
    pub(crate) fn set_share(&self, share: CpuShare) {
        self.lock().share = share;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quarter_of_a_core_waits_three_times_as_long_as_it_runs() {
        let meter = CpuMeter::new(CpuShare::from_millicores(250));
        meter.spend(BURST);
        let mut waited = Duration::ZERO;
        for _ in 0..100 {
            meter.spend(Duration::from_millis(10));
            tokio::time::advance(Duration::from_millis(10)).await;
            let wait = meter.wait(Instant::now()).expect("it is in debt");
            tokio::time::advance(wait).await;
            assert_eq!(meter.wait(Instant::now()), None);
            waited += wait;
        }
        assert_eq!(waited.as_millis(), 3000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_saved_up_is_bounded() {
        let meter = CpuMeter::new(CpuShare::from_millicores(1000));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(meter.wait(Instant::now()), None);
        meter.spend(BURST + Duration::from_millis(1));
        assert_eq!(meter.wait(Instant::now()), Some(Duration::from_millis(1)));
    }
}
