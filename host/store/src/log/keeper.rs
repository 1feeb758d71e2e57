//! The thread which syncs what was not synced by who committed it, and writes the catalogue behind it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Shared;
use crate::{Error, Result};

/// How long commits gather before they are synced together.
const GATHER: Duration = Duration::from_millis(20);

/// How often sled is synced, at most. What it lacks after a crash is read from the packs.
const SYNC_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Keeper {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Bell {
    orders: Mutex<Orders>,
    rung: Condvar,
}

#[derive(Default)]
struct Orders {
    work: bool,
    stop: bool,
}

impl Keeper {
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self> {
        let bell = Arc::new(Bell::default());
        let thread = std::thread::Builder::new().name("palisade-store".to_owned()).spawn({
            let bell = Arc::clone(&bell);
            move || keep(&shared, &bell)
        });
        let thread = thread.map_err(|error| Error::io("cannot start the thread of a store", error))?;
        Ok(Self {
            bell,
            thread: Some(thread),
        })
    }

    /// Says that there is something to do.
    pub(super) fn wake(&self) {
        self.bell.orders().work = true;
        self.bell.rung.notify_one();
    }
}

impl Drop for Keeper {
    /// Waits until all is written.
    fn drop(&mut self) {
        self.bell.orders().stop = true;
        self.bell.rung.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Bell {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, and whether it is the last.
    fn wait(&self) -> bool {
        let orders = self
            .rung
            .wait_while(self.orders(), |orders| !orders.work && !orders.stop);
        let mut orders = orders.unwrap_or_else(PoisonError::into_inner);
        orders.work = false;
        orders.stop
    }

    /// Waits a little, unless it is time to stop.
    fn gather(&self) {
        let orders = self
            .rung
            .wait_timeout_while(self.orders(), GATHER, |orders| !orders.stop);
        drop(orders.unwrap_or_else(PoisonError::into_inner));
    }
}

fn keep(shared: &Shared, bell: &Bell) {
    let mut synced = Instant::now();
    let mut told = None;
    loop {
        let stop = bell.wait();
        bell.gather();
        let mut done = shared.catch_up();
        if done.is_ok() && (stop || synced.elapsed() > SYNC_EVERY) {
            done = shared.catalogue.sync();
            synced = Instant::now();
        }
        // One line for each cause, however often it comes.
        match done {
            Ok(()) => told = None,
            Err(error) if told.as_ref() == Some(&error.to_string()) => {}
            Err(error) => {
                tracing::error!(%error, "cannot write the catalogue of the store");
                told = Some(error.to_string());
            }
        }
        if stop {
            return;
        }
    }
}
