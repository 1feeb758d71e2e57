//! What each mount holds of the sandbox's limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Errno, FsResult};
use crate::limits::Counter;

/// One mount's part of a shared limit.
///
/// A mount gives back no more than was taken through it, so that deleting what was there before the sandbox does
/// not buy room.
#[derive(Debug)]
pub(super) struct Account {
    shared: Arc<Counter>,
    held: AtomicU64,
}

impl Account {
    pub(super) fn new(shared: &Arc<Counter>) -> Self {
        Self {
            shared: Arc::clone(shared),
            held: AtomicU64::new(0),
        }
    }

    /// Takes `amount`, or nothing and fails with `EDQUOT`.
    pub(super) fn take(&self, amount: u64) -> FsResult<()> {
        self.shared.take(amount).map_err(|_| Errno::DQUOT)?;
        self.held.fetch_add(amount, Ordering::Relaxed);
        Ok(())
    }

    /// Takes as much of `amount` as there is room for, and returns how much.
    pub(super) fn take_up_to(&self, amount: u64) -> u64 {
        let taken = self.shared.take_up_to(amount);
        self.held.fetch_add(taken, Ordering::Relaxed);
        taken
    }

    /// Takes `amount` for what exists already, even past the limit.
    pub(super) fn take_existing(&self, amount: u64) {
        self.shared.take_existing(amount);
        self.held.fetch_add(amount, Ordering::Relaxed);
    }

    /// What is taken.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes more or gives back until this much is taken, even past the limit. Nobody else may take or give meanwhile.
    pub(super) fn set(&self, amount: u64) {
        let held = self.held();
        match amount.checked_sub(held) {
            Some(more) => self.take_existing(more),
            None => self.give(held - amount),
        }
    }

    /// Gives back `amount`, or what this mount holds if that is less.
    pub(super) fn give(&self, amount: u64) {
        let mut given = 0;
        let _ = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            given = held.min(amount);
            Some(held - given)
        });
        self.shared.give(given);
    }
}
