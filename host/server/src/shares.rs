//! What each key may have of something at one time.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;

use crate::KeyId;

/// Keys which are known at most, before those that hold and want nothing are forgotten.
const KEYS: usize = 64;

/// The share of every key, which is as large as that of any other.
pub(crate) struct Shares {
    each: usize,
    keys: RwLock<HashMap<KeyId, Arc<Semaphore>>>,
}

impl Shares {
    pub(crate) fn new(each: usize) -> Self {
        Self {
            each: each.min(Semaphore::MAX_PERMITS),
            keys: RwLock::default(),
        }
    }

    /// The share of one key. It is the same for as long as somebody holds a part of it, or waits for one.
    pub(crate) fn of(&self, key: KeyId) -> Arc<Semaphore> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = keys.get(&key) {
            return Arc::clone(share);
        }
        drop(keys);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS {
            keys.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = keys.entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Arc::clone(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_kept_while_somebody_has_it_and_keys_are_forgotten() {
        let shares = Shares::new(2);
        let key = KeyId::random();
        let _held = shares.of(key).try_acquire_owned().unwrap();
        for _ in 0..10 * KEYS {
            assert_eq!(shares.of(KeyId::random()).available_permits(), 2);
        }
        assert_eq!(shares.of(key).available_permits(), 1);
        assert!(shares.keys.read().unwrap().len() <= KEYS + 1);
    }
}
