//! What one process was refused while it ran: denials with their reasons, and limits it ran into. And what its files
//! did for it that it has not paid for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use palisade_policy::Denial;

use super::Limit;

/// Different denials kept for one process; later ones are only counted.
const MAX_DENIALS: usize = 32;

/// The longest text kept of a denial, in characters: a guest chooses what it asks for.
const MAX_TEXT: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Refusals {
    inner: Mutex<Inner>,
    /// Names looked up or listed.
    unpaid_names: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Inner {
    denials: Vec<Denial>,
    more_denials: u64,
    limits: Vec<Limit>,
}

impl Refusals {
    /// Notes that the guest was denied something; a repeat of a known denial changes nothing. Long texts are cut.
    pub(crate) fn deny(&self, mut denial: Denial) {
        for text in [&mut denial.rule, &mut denial.asked, &mut denial.smallest_grant] {
            cut(text);
        }
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

    /// The denials kept, and how many more there were.
    pub(crate) fn denials(&self) -> (Vec<Denial>, u64) {
        let inner = self.lock();
        (inner.denials.clone(), inner.more_denials)
    }

    /// What there was so far: denials, how many more there were, limits. It begins anew from here.
    pub(crate) fn take(&self) -> (Vec<Denial>, u64, Vec<Limit>) {
        let Inner {
            denials,
            more_denials,
            limits,
        } = std::mem::take(&mut *self.lock());
        (denials, more_denials, limits)
    }

    /// Charges for `names` which were looked up or listed for the process.
    pub(crate) fn charge_names(&self, names: usize) {
        self.unpaid_names.fetch_add(names as u64, Ordering::Relaxed);
    }

    /// The names to pay for now.
    pub(crate) fn take_unpaid_names(&self) -> u64 {
        match self.unpaid_names.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.unpaid_names.swap(0, Ordering::Relaxed),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cuts `text` to [`MAX_TEXT`] characters, the last of which tells of it.
fn cut(text: &mut String) {
    let mut last = text.char_indices().skip(MAX_TEXT - 1);
    if let (Some((end, _)), Some(_)) = (last.next(), last.next()) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_of_a_denial_are_cut_between_characters() {
        let refusals = Refusals::default();
        for length in [256, 257, 5000] {
            refusals.deny(Denial {
                rule: "mounts".to_owned(),
                asked: "é".repeat(length),
                smallest_grant: "x".repeat(length),
            });
        }
        let (denials, more) = refusals.denials();
        assert_eq!((denials.len(), more), (2, 0), "what is cut to the same is the same");
        assert_eq!((&*denials[0].rule, denials[0].asked.chars().count()), ("mounts", 256));
        assert!(!denials[0].asked.contains('…'));
        assert_eq!(denials[1].asked, format!("{}…", "é".repeat(255)));
        assert_eq!(denials[1].smallest_grant, format!("{}…", "x".repeat(255)));
    }
}
