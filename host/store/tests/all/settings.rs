//! How long the tests take, and what is done in them: by the environment, which `cargo xtask crash` sets.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Small, so that there are soon many.
pub(crate) const PACK_BYTES: u64 = 256 << 10;

/// What all that is done follows from.
pub(crate) fn seed() -> u64 {
    number("PALISADE_CRASH_SEED").unwrap_or(1)
}

/// How many rounds of something are made, of which an ordinary test makes `few`.
pub(crate) fn rounds(few: u64) -> u64 {
    number("PALISADE_CRASH_ROUNDS").unwrap_or(few)
}

pub(crate) fn power_cuts() -> u64 {
    number("PALISADE_CRASH_POWER_CUTS").unwrap_or(0)
}

/// The randomness of one round.
pub(crate) fn random(seed: u64, round: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(round))
}

/// Says in a line what was done.
pub(crate) fn tell(kind: &str, started: Instant, what: &str) {
    let seconds = started.elapsed().as_secs_f64();
    println!("\n{kind}: {what}; seed {}, {seconds:.1} s", seed());
}

/// Says where it was when it failed, so that it can be repeated.
pub(crate) struct Where {
    pub what: String,
}

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed in {}, seed {}", self.what, seed());
        }
    }
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("a number"))
}
