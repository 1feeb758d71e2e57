//! The clocks and random numbers that a guest sees: the machine's, or fixed ones for runs that can be repeated.

use std::cell::LazyCell;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_policy::{Clocks as Grant, Random};
use rand::SeedableRng;

use crate::workspace::NewTime;

/// The clocks of one process.
pub(crate) trait Clocks: Send + Sync {
    /// Time since the Unix epoch.
    fn wall(&self) -> Duration;
    /// Nanoseconds since some moment.
    fn monotonic(&self) -> u64;
    fn resolution(&self) -> Duration;

    /// New times of a file, where now is what these clocks say. The machine's are left to the kernel to read.
    fn file_times(&self, accessed: NewTime, modified: NewTime) -> (NewTime, NewTime) {
        (accessed, modified)
    }
}

/// The clocks of one process, made when they are first looked at.
pub(crate) struct LazyClocks {
    grant: Grant,
    clocks: OnceLock<Box<dyn Clocks>>,
}

impl LazyClocks {
    pub(crate) fn from_grant(grant: Grant) -> Self {
        Self {
            grant,
            clocks: OnceLock::new(),
        }
    }
}

impl Deref for LazyClocks {
    type Target = dyn Clocks;

    fn deref(&self) -> &Self::Target {
        &**self.clocks.get_or_init(|| from_grant(self.grant))
    }
}

#[cfg(test)]
impl From<Box<dyn Clocks>> for LazyClocks {
    fn from(clocks: Box<dyn Clocks>) -> Self {
        Self {
            grant: Grant::Real,
            clocks: clocks.into(),
        }
    }
}

fn from_grant(grant: Grant) -> Box<dyn Clocks> {
    match grant {
        Grant::Real => Box::new(Real {
            started: Instant::now(),
        }),
        Grant::Fixed { start } => Box::new(Fixed {
            start: start.as_system_time().duration_since(UNIX_EPOCH).unwrap_or_default(),
            readings: AtomicU64::new(0),
        }),
    }
}

/// The random numbers of one process, made when they are first asked for.
pub(crate) struct RandomNumbers {
    grant: Random,
    numbers: Option<Box<dyn wasmtime_wasi::Rng + Send>>,
}

impl RandomNumbers {
    pub(crate) fn from_grant(grant: Random) -> Self {
        Self { grant, numbers: None }
    }

    pub(crate) fn get(&mut self) -> &mut (dyn wasmtime_wasi::Rng + Send) {
        let grant = self.grant;
        let numbers = self.numbers.get_or_insert_with(|| match grant {
            Random::Real => wasmtime_wasi::thread_rng(),
            Random::Seeded { seed } => Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(seed)),
        });
        &mut **numbers
    }
}

struct Real {
    started: Instant,
}

impl Clocks for Real {
    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
}

/// Clocks which go on by a microsecond with every reading, so that a program which waits for them to go on does not
/// wait for ever.
struct Fixed {
    /// Since the Unix epoch.
    start: Duration,
    readings: AtomicU64,
}

const STEP: Duration = Duration::from_micros(1);

impl Fixed {
    fn read(&self) -> Duration {
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        Duration::from_micros(readings)
    }
}

impl Clocks for Fixed {
    fn wall(&self) -> Duration {
        self.start.saturating_add(self.read())
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.read().as_nanos()).unwrap_or(u64::MAX)
    }

    fn resolution(&self) -> Duration {
        STEP
    }

    /// One reading for both, and none where neither is to be now.
    fn file_times(&self, accessed: NewTime, modified: NewTime) -> (NewTime, NewTime) {
        let now = LazyCell::new(|| NewTime::At(UNIX_EPOCH + self.wall()));
        let by_these = |time| match time {
            NewTime::Now => *now,
            NewTime::Keep | NewTime::At(_) => time,
        };
        (by_these(accessed), by_these(modified))
    }
}
