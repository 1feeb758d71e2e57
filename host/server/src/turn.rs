//! Turns at what is done by few at one time, in the order of asking.

use std::sync::Arc;
use std::time::Duration;

use palisade::Kind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Failure;

/// A turn, until it is dropped.
///
/// # Errors
/// [`Kind::Unavailable`] where none comes in the time of `patience`; `busy` says what the others do.
pub(crate) async fn turn(
    turns: &Arc<Semaphore>,
    patience: Duration,
    busy: &str,
) -> Result<OwnedSemaphorePermit, Failure> {
    match tokio::time::timeout(patience, Arc::clone(turns).acquire_owned()).await {
        Ok(turn) => Ok(turn.expect("nobody closes the semaphore")),
        Err(_) => Err(Failure::of(Kind::Unavailable, format!("{busy}: try again"))),
    }
}
