//! How many of something there are now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A count of what is held.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<AtomicUsize>);

/// One more, until it is dropped.
#[derive(Debug)]
pub(crate) struct One(Tally);

impl Tally {
    pub(crate) fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_not_counted() {
        let tally = Tally::default();
        let (one, other) = (tally.one(), tally.one());
        assert_eq!(tally.count(), 2);
        drop((one, other));
        assert_eq!(tally.count(), 0);
    }
}
