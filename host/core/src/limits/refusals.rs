//! What one process was refused while it ran: denials with their reasons, and limits it ran into.

use std::sync::{Mutex, PoisonError};

use palisade_policy::Denial;

use super::Limit;

/// Different denials kept for one process; later ones are only counted.
const MAX_DENIALS: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Inner>);

#[derive(Debug, Default, Clone)]
struct Inner {
    denials: Vec<Denial>,
    more_denials: u64,
    limits: Vec<Limit>,
}

impl Refusals {
    /// Notes that the guest was denied something; a repeat of a known denial changes nothing.
    pub(crate) fn deny(&self, denial: Denial) {
        let mut inner = self.lock();
        if inner.denials.contains(&denial) {
            return;
        }
        if inner.denials.len() == MAX_DENIALS {
            inner.more_denials += 1;
        } else {
            inner.denials.push(denial);
        }
    }

    /// Notes that `limit` refused the guest something.
    pub(crate) fn hit(&self, limit: Limit) {
        let mut inner = self.lock();
        inner.limits.retain(|known| *known != limit);
        inner.limits.push(limit);
    }

    /// The limit which refused something last.
    pub(crate) fn last_limit(&self) -> Option<Limit> {
        self.lock().limits.last().copied()
    }

    /// Every limit which refused something, the latest last.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        self.lock().limits.clone()
    }

    /// The denials kept, and how many more there were.
    pub(crate) fn denials(&self) -> (Vec<Denial>, u64) {
        let inner = self.lock();
        (inner.denials.clone(), inner.more_denials)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
