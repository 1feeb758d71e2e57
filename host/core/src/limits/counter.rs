//! A bounded amount shared by everything in one sandbox, and the leases which hold parts of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of one bounded thing a sandbox uses now, used at most, and may use.
#[derive(Debug)]
pub(crate) struct Counter {
    used: AtomicU64,
    peak: AtomicU64,
    limit: AtomicU64,
}

/// The request would have passed the limit; nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded;

impl Counter {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
        })
    }

    /// Takes `amount` or nothing.
    pub(crate) fn take(&self, amount: u64) -> Result<(), Exceeded> {
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|sum| *sum <= self.limit())
            })
            .map_err(|_| Exceeded)?;
        self.peak.fetch_max(used + amount, Ordering::Relaxed);
        Ok(())
    }

    /// Takes as much of `wanted` as there is, and tells how much.
    pub(crate) fn take_up_to(&self, wanted: u64) -> u64 {
        let limit = self.limit();
        let room = |used: u64| limit.saturating_sub(used).min(wanted);
        let used = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used + room(used)));
        let used = used.unwrap_or_else(|used| used);
        self.peak.fetch_max(used + room(used), Ordering::Relaxed);
        room(used)
    }

    /// Takes `amount` for something which exists already, even past the limit.
    pub(crate) fn take_existing(&self, amount: u64) {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        self.peak.fetch_max(before.saturating_add(amount), Ordering::Relaxed);
    }

    /// Gives back what was taken.
    pub(crate) fn give(&self, amount: u64) {
        let before = self.used.fetch_sub(amount, Ordering::Relaxed);
        debug_assert!(before >= amount, "gave back {amount} of {before}");
    }

    /// Takes `amount` until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>, amount: u64) -> Result<Lease, Exceeded> {
        self.take(amount)?;
        Ok(Lease {
            counter: Arc::clone(self),
            amount,
        })
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets another limit. What was taken stays taken, even past it.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

/// A part of a [`Counter`], given back on drop.
#[derive(Debug)]
pub(crate) struct Lease {
    counter: Arc<Counter>,
    amount: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.counter.give(self.amount);
    }
}
