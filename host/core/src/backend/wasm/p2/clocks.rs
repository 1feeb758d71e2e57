//! `wasi:clocks` over the clocks which the process was given.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::State;

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(self.process.clocks.wall()))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(datetime(self.process.clocks.resolution()))
    }
}

fn datetime(time: Duration) -> wall_clock::Datetime {
    wall_clock::Datetime {
        seconds: time.as_secs(),
        nanoseconds: time.subsec_nanos(),
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.process.clocks.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(u64::try_from(self.process.clocks.resolution().as_nanos()).unwrap_or(u64::MAX))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let nanoseconds = when.saturating_sub(self.process.clocks.monotonic());
        self.subscribe_duration(nanoseconds)
    }

    fn subscribe_duration(&mut self, nanoseconds: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let alarm = self.push(Alarm::after(Duration::from_nanos(nanoseconds)))?;
        let subscribed = subscribe(&mut self.table, alarm);
        subscribed.inspect_err(|error| self.note_full(error))
    }
}

/// Waits in real time, whatever the guest's clocks say.
enum Alarm {
    /// Was due when it was made; yields once, so that a guest which polls without waiting lets others run.
    Due {
        yielded: bool,
    },
    At(Instant),
    /// Later than can be said.
    Never,
}

impl Alarm {
    fn after(duration: Duration) -> Self {
        if duration.is_zero() {
            return Self::Due { yielded: false };
        }
        Instant::now().checked_add(duration).map_or(Self::Never, Self::At)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        match self {
            Self::Due { yielded } => {
                if !std::mem::replace(yielded, true) {
                    tokio::task::yield_now().await;
                }
            }
            Self::At(instant) => tokio::time::sleep_until(*instant).await,
            Self::Never => std::future::pending().await,
        }
    }
}
