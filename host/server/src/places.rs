//! Places at what is done by few at one time, in the order of asking. One key has at most half of them, so that no key
//! makes all others wait.

use std::sync::Arc;
use std::time::Duration;

use palisade::Kind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::KeyId;
use crate::error::Failure;
use crate::patience::timeout;
use crate::shares::Shares;

pub(crate) struct Places {
    all: Arc<Semaphore>,
    of_keys: Shares,
    /// What the others do, for who waited in vain.
    busy: &'static str,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    _of_key: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(count: usize, busy: &'static str) -> Self {
        Self {
            all: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            of_keys: Shares::new(count.div_ceil(2)),
            busy,
        }
    }

    /// # Errors
    /// [`Kind::Unavailable`] where there is none in the time of `patience`.
    pub(crate) async fn take(&self, key: KeyId, patience: Duration) -> Result<Place, Failure> {
        let place = async {
            Place {
                _of_key: permit(self.of_keys.of(key)).await,
                _of_all: permit(Arc::clone(&self.all)).await,
            }
        };
        let busy = |_| Failure::of(Kind::Unavailable, format!("{}: try again", self.busy));
        timeout(patience, place).await.map_err(busy)
    }

    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.all.available_permits()
    }
}

async fn permit(places: Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = places.acquire_owned().await;
    permit.expect("nobody closes the semaphore")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn a_key_has_half_of_the_places_and_leaves_the_others() {
        let (one, other) = (KeyId::random(), KeyId::random());
        let places = Places::new(4, "others are busy");
        let held = [places.take(one, SOON).await, places.take(one, SOON).await];
        let refused = places.take(one, SOON).await.map(drop).unwrap_err();
        assert_eq!(refused.into_body(None).kind, palisade_wire::Kind::Unavailable);
        let others = [places.take(other, SOON).await, places.take(other, SOON).await];
        assert_eq!(places.free(), 0);
        drop(held);
        assert!(places.take(one, SOON).await.is_ok());
        drop(others);
        assert_eq!(places.free(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn one_place_is_for_anyone() {
        let places = Places::new(1, "others are busy");
        for _ in 0..3 {
            places.take(KeyId::random(), SOON).await.map(drop).unwrap();
        }
    }
}
