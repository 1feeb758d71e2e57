//! What the log is told at most once in a while, however often it happens.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it is left out after it was told.
const WHILE: Duration = Duration::from_secs(10);

/// When something was last told.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether it is to be told now; the answer counts as telling it.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|told| now.duration_since(told) >= WHILE);
        if due {
            *told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_in_a_while() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let told = [0, 1, 9, 10, 11, 19, 20].map(|second| seldom.is_due_at(start + Duration::from_secs(second)));
        assert_eq!(told, [true, false, false, true, false, false, true]);
    }
}
