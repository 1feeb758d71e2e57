//! The targets, and the loop that drives them.

mod components;
mod json;
mod load;
mod mutate;
mod paths;
mod policy;
mod types;
/// The one which the codec of values is tested with.
#[path = "../../host/core/src/backend/wasm/values/tests/validator.rs"]
#[expect(clippy::unwrap_used, reason = "it panics at a schema which is none of ours")]
mod validator;
mod values;

use std::time::{Duration, Instant};

use palisade::policy::ByteSize;
use palisade::{Host, HostConfig};
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
    Target {
        name: "components",
        start: components::start,
    },
    Target {
        name: "values",
        start: values::start,
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

/// Attempts on one host, in a state directory of its own.
fn on_a_host(mut attempt: impl AsyncFnMut(&Host, &mut ChaCha8Rng) + 'static) -> Attempt {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the machine has threads");
    let state = tempfile::tempdir().expect("there is room for temporary files");
    // What is compiled here is never of use again.
    let config = HostConfig {
        artefact_cache: ByteSize::from_mib(1),
        ..HostConfig::new(state.path())
    };
    let host = Host::open(config).expect("it is a new directory");
    Box::new(move |random: &mut ChaCha8Rng| {
        let _state = &state;
        runtime.block_on(attempt(&host, random));
    })
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
