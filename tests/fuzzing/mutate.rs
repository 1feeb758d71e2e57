//! A small mutator of bytes.

use rand::{Rng, RngExt};

/// Numbers at which parsers go wrong.
const ODD_BYTES: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', b'/'];

/// Changes `bytes` in a few places; pieces may come from `others`.
pub(crate) fn mutate(random: &mut impl Rng, bytes: &mut Vec<u8>, others: &[&[u8]], max_bytes: usize) {
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..=32)).min(bytes.len());
        match random.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = ODD_BYTES[random.random_range(0..ODD_BYTES.len())],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = random.random_range(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            4 => bytes.truncate(at),
            5 => bytes.insert(at, random.random()),
            _ => splice(random, bytes, others),
        }
    }
    bytes.truncate(max_bytes);
}

fn splice(random: &mut impl Rng, bytes: &mut Vec<u8>, others: &[&[u8]]) {
    if others.is_empty() {
        return;
    }
    let other = others[random.random_range(0..others.len())];
    let from = random.random_range(0..=other.len());
    let end = (from + random.random_range(0..=64)).min(other.len());
    let at = random.random_range(0..=bytes.len());
    bytes.splice(at..at, other[from..end].iter().copied());
}
