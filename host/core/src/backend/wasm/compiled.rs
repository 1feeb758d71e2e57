//! Programs ready to run, kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use wasmtime::InstancePre;
use wasmtime_wasi::p2::bindings::CommandPre;

use super::engine::Variant;
use super::workshop::Workshop;
use super::{p1, p2};
use crate::{Error, Kind, Program, Result};

/// Programs kept ready in memory.
const MAX_READY: usize = 256;

/// A program ready to be instantiated.
#[derive(Clone)]
pub(super) enum Compiled {
    Module(InstancePre<p1::State>),
    Component(CommandPre<p2::State>),
}

/// All programs of one host that are ready, and the way to make more.
pub(super) struct Programs {
    workshop: Arc<Workshop>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ready: HashMap<Key, Ready>,
    /// What callers wait for now. When the last of them goes, so does what was not begun.
    making: HashMap<Key, WeakShared<Making>>,
    /// Counts up with every use of any of them.
    clock: u64,
}

type Key = (blake3::Hash, Variant);

type Making = BoxFuture<'static, Result<Compiled>>;

struct Ready {
    compiled: Compiled,
    /// The clock at its latest use.
    used: u64,
}

impl Programs {
    pub(super) fn new(workshop: Workshop) -> Self {
        Self {
            workshop: Arc::new(workshop),
            known: Mutex::default(),
        }
    }

    /// The program, ready to run. It is made ready once for all who wait for it, off the caller's thread.
    pub(super) async fn get(&self, program: &Program, variant: Variant) -> Result<Compiled> {
        let key = (program.digest(), variant);
        let making = {
            let mut known = self.lock();
            if let Some(compiled) = known.find(key) {
                return Ok(compiled);
            }
            let make = || Arc::clone(&self.workshop).make(program.clone(), variant).boxed();
            known.making(key, make)
        };
        let made = tokio::time::timeout(self.workshop.time(), making).await.map_err(|_| {
            let seconds = self.workshop.time().as_secs_f32();
            let message = format!("{:?} is not compiled after {seconds} s", program.name());
            Error::new(Kind::Timeout, message)
        })?;
        let compiled = made?;
        self.lock().keep(key, compiled.clone());
        Ok(compiled)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn find(&mut self, key: Key) -> Option<Compiled> {
        self.clock += 1;
        let ready = self.ready.get_mut(&key)?;
        ready.used = self.clock;
        Some(ready.compiled.clone())
    }

    fn making(&mut self, key: Key, make: impl FnOnce() -> Making) -> Shared<Making> {
        if let Some(making) = self.making.get(&key).and_then(WeakShared::upgrade) {
            return making;
        }
        self.making.retain(|_, making| making.upgrade().is_some());
        let making = make().shared();
        self.making.extend(making.downgrade().map(|making| (key, making)));
        making
    }

    fn keep(&mut self, key: Key, compiled: Compiled) {
        self.making.remove(&key);
        if self.ready.len() >= MAX_READY {
            let oldest = self.ready.iter().min_by_key(|(_, ready)| ready.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.ready.remove(&oldest);
            }
        }
        let used = self.clock;
        self.ready.insert(key, Ready { compiled, used });
    }
}
