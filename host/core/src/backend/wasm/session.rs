//! Calls functions of a component in one instance, one after the other, as calls come.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use palisade_policy::ByteSize;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use wasmtime::component::Instance;

use super::compiled::Linked;
use super::{ProcessState, Run, call, ending_of, fuel, p2};
use crate::backend::{Calls, FunctionCall, Job, Meter, Running, SessionCall};
use crate::limits::Refusals;
use crate::supervise::Control;
use crate::{Ending, Outcome, Program, Result, Usage};

pub(super) fn prepare(linked: Arc<Linked>, job: Job, calls: Calls) -> Result<Running> {
    linked.startable(&job.program)?;
    linked.functions(&job.program)?;
    Ok(Box::pin(serve(linked, job, calls)))
}

/// A session while it lives.
struct Serving {
    linked: Arc<Linked>,
    program: Program,
    run: Run<p2::State>,
    fuel_limit: Option<u64>,
    refusals: Arc<Refusals>,
    meter: Arc<Meter>,
    control: Arc<Control>,
}

/// What was used up to a moment.
struct Mark {
    fuel: Option<u64>,
    busy: Duration,
    at: Instant,
    read: u64,
    written: u64,
}

async fn serve(linked: Arc<Linked>, job: Job, mut calls: Calls) -> Result<Ending> {
    let (fuel_limit, fuel) = (job.fuel, fuel(&job));
    let (program, control) = (job.program.clone(), Arc::clone(&job.control));
    let (refusals, meter) = (Arc::clone(&job.refusals), Arc::clone(&job.meter));
    let startable = linked.startable(&program)?;
    let run = startable.run(p2::State::new(ProcessState::new(job)), fuel)?;
    let mut serving = Serving {
        linked,
        program,
        run,
        fuel_limit,
        refusals,
        meter,
        control,
    };
    let instance = serving.instantiate().await;
    let instance = match instance {
        Ok(instance) => instance,
        Err(error) => return ending_of(&error, fuel_limit, &serving.refusals),
    };
    let mut timer = pin!(tokio::time::sleep(calls.idle));
    loop {
        serving.control.set_idle(true);
        let next = next_call(&mut calls, timer.as_mut()).await;
        serving.control.set_idle(false);
        // Nobody calls any more, or nobody has for too long.
        let Some(SessionCall { call, begun, ended }) = next else {
            return Ok(Ending::Exited(0));
        };
        begun.store(true, Ordering::Release);
        if let Some(ending) = serving.answer(&instance, call, ended).await {
            return Ok(ending);
        }
    }
}

/// The next call, or `None` where there is none for too long.
///
/// The timer is set anew only when it goes off, and not for each call, which would cost more than the call.
async fn next_call(calls: &mut Calls, mut timer: Pin<&mut Sleep>) -> Option<SessionCall> {
    let deadline = tokio::time::Instant::now() + calls.idle;
    loop {
        tokio::select! {
            biased;
            call = calls.calls.recv() => return call,
            () = timer.as_mut() => {}
        }
        if deadline <= tokio::time::Instant::now() {
            return None;
        }
        timer.as_mut().reset(deadline);
    }
}

impl Serving {
    async fn instantiate(&mut self) -> wasmtime::Result<Instance> {
        let startable = self.linked.startable(&self.program).map_err(wasmtime::Error::new)?;
        startable.instance.instantiate_async(&mut self.run.store).await
    }

    /// Makes one call, and tells what became of it; `Some` where it was the last.
    async fn answer(
        &mut self,
        instance: &Instance,
        mut call: FunctionCall,
        ended: oneshot::Sender<Result<Outcome>>,
    ) -> Option<Ending> {
        let before = self.mark();
        let made = self.make(instance, &mut call).await;
        let last = match &made {
            Ok((ending, Life::Over)) => Some(ending.clone()),
            Ok((_, Life::GoesOn)) | Err(_) => None,
        };
        // Who has gone away meanwhile does not want to know.
        let _ = ended.send(made.map(|(ending, _)| self.outcome(ending, call, &before)));
        last
    }

    async fn make(&mut self, instance: &Instance, call: &mut FunctionCall) -> Result<(Ending, Life)> {
        let linked = Arc::clone(&self.linked);
        let exported = linked.functions(&self.program)?.get(&self.program, &call.function)?;
        let arguments = call::arguments(exported, call)?;
        match call::invoke(&mut self.run.store, instance, exported, arguments).await {
            Ok(value) => {
                let process = &self.run.store.data().process;
                let ending = call::answer(exported, value, call, process)?;
                let life = match ending {
                    Ending::Trapped(_) => Life::Over,
                    _ => Life::GoesOn,
                };
                Ok((ending, life))
            }
            Err(error) => ending_of(&error, self.fuel_limit, &self.refusals).map(|ending| (ending, Life::Over)),
        }
    }

    fn outcome(&mut self, ending: Ending, call: FunctionCall, before: &Mark) -> Outcome {
        let now = self.mark();
        if let Ending::LimitReached(limit) = ending {
            self.refusals.hit(limit);
        }
        let since = |now: u64, before: u64| ByteSize::from_bytes(now.saturating_sub(before));
        let (denials, more_denials, limits_hit) = self.refusals.take();
        let process = &self.run.store.data().process;
        Outcome {
            ending,
            // Nobody else has it.
            value: Arc::unwrap_or_clone(call.answer).into_inner(),
            usage: Usage {
                fuel: before
                    .fuel
                    .zip(now.fuel)
                    .map(|(before, now)| before.saturating_sub(now)),
                host_time: now.busy.saturating_sub(before.busy),
                elapsed: now.at - before.at,
                peak_memory: ByteSize::from_bytes(self.meter.peak_memory.load(Ordering::Relaxed)),
                read: since(now.read, before.read),
                written: since(now.written, before.written),
            },
            limits_hit,
            denials,
            more_denials,
            stdout: process.stdout.take_captured(),
            stderr: process.stderr.take_captured(),
        }
    }

    fn mark(&self) -> Mark {
        let at = Instant::now();
        Mark {
            fuel: self.run.fuel.and_then(|_| self.run.store.get_fuel().ok()),
            busy: self.control.busy(at),
            at,
            read: self.meter.read.load(Ordering::Relaxed),
            written: self.meter.written.load(Ordering::Relaxed),
        }
    }
}

/// Whether an instance can be called again.
enum Life {
    GoesOn,
    /// It trapped, exited, or was stopped by a limit in the middle of what it did.
    Over,
}
