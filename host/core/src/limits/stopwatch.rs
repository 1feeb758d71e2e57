//! Processor time of the present thread, without a system call where little of it passes.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What takes no longer than this was not interrupted, or by next to nothing: who else gets the processor has it for
/// longer. So the wall clock tells its processor time.
const SHORT: Duration = Duration::from_micros(250);

/// How old the latest reading of the thread's clock may be. What the thread did in between may be counted to whoever
/// is measured next, as far as the wall clock allows.
const FRESH: Duration = Duration::from_millis(1);

thread_local! {
    static LATEST: Cell<Option<Reading>> = const { Cell::new(None) };
}

/// What the thread had used at some time.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    used: Duration,
}

/// Measures the processor time of one thing which is done on one thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    started: Instant,
    /// No later than the start.
    reading: Reading,
}

impl Stopwatch {
    /// Starts at `started`, which is now by the machine's clock.
    pub(crate) fn start(started: Instant) -> Self {
        let latest = LATEST.get().filter(|latest| started - latest.at < FRESH);
        let reading = latest.unwrap_or_else(|| Reading::take(started));
        Self { started, reading }
    }

    /// What has passed since the start, on the thread of the start: within a millisecond, and never more than by the
    /// wall clock, which comes second.
    pub(crate) fn elapsed(&self) -> (Duration, Duration) {
        let now = Instant::now();
        let wall = now - self.started;
        if wall < SHORT {
            return (wall, wall);
        }
        let used = Reading::take(now).used.saturating_sub(self.reading.used);
        (wall.min(used), wall)
    }
}

impl Reading {
    fn take(at: Instant) -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let used = Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        );
        let reading = Self { at, used };
        LATEST.set(Some(reading));
        reading
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(time: Duration) {
        let start = clock_gettime(ClockId::ThreadCPUTime);
        let used = |now: rustix::time::Timespec| {
            Duration::from_secs((now.tv_sec - start.tv_sec) as u64) + Duration::from_nanos(now.tv_nsec as u64)
                - Duration::from_nanos(start.tv_nsec as u64)
        };
        while used(clock_gettime(ClockId::ThreadCPUTime)) < time {}
    }

    #[test]
    fn sleeping_takes_no_processor_time() {
        let watch = Stopwatch::start(Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        assert!(watch.elapsed().0 < Duration::from_millis(10), "{:?}", watch.elapsed());
    }

    #[test]
    fn computing_does_whether_short_or_long() {
        for time in [Duration::from_micros(50), Duration::from_millis(20)] {
            let watch = Stopwatch::start(Instant::now());
            compute(time);
            assert!(watch.elapsed().0 >= time, "{:?} of {time:?}", watch.elapsed());
        }
    }

    #[test]
    fn what_was_done_long_before_is_not_counted() {
        Stopwatch::start(Instant::now());
        compute(Duration::from_millis(30));
        let watch = Stopwatch::start(Instant::now());
        std::thread::sleep(Duration::from_millis(50));
        assert!(watch.elapsed().0 < Duration::from_millis(20), "{:?}", watch.elapsed());
    }
}
