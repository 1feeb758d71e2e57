//! The targets, and the loop that drives them.

mod load;
mod mutate;
mod paths;
mod policy;

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// One iteration; it panics where a promise is broken.
pub(crate) type Attempt = Box<dyn FnMut(&mut ChaCha8Rng)>;

/// Something that reads untrusted input.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    start: fn() -> Attempt,
}

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "policy",
        start: policy::start,
    },
    Target {
        name: "paths",
        start: paths::start,
    },
    Target {
        name: "load",
        start: load::start,
    },
];

/// Runs `target` for `time`. Each iteration has a generator of its own, so that one can be repeated alone.
pub(crate) fn run(target: &Target, seed: u64, time: Duration) {
    let mut attempt = (target.start)();
    let started = Instant::now();
    let mut iterations = 0_u64;
    let report = Report {
        target: target.name,
        seed,
    };
    while started.elapsed() < time {
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(iterations.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        report.iteration(iterations, || attempt(&mut random));
        iterations += 1;
    }
    println!(
        "{}: seed {seed}, {iterations} iterations in {:.1?}",
        target.name,
        started.elapsed()
    );
}

struct Report {
    target: &'static str,
    seed: u64,
}

impl Report {
    /// Runs one iteration; says which it was if it panics.
    fn iteration(&self, number: u64, attempt: impl FnOnce()) {
        struct OnPanic<'a>(&'a Report, u64);
        impl Drop for OnPanic<'_> {
            fn drop(&mut self) {
                if std::thread::panicking() {
                    eprintln!("{} failed: seed {}, iteration {}", self.0.target, self.0.seed, self.1);
                }
            }
        }
        let _told = OnPanic(self, number);
        attempt();
    }
}
