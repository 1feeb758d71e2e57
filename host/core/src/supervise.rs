//! Runs one program's future under its time limit, its sandbox's share of processor time, suspension and kill.
//!
//! This is the one enforcer of all four, and the one place where a program's processor time is measured. A program
//! which computes comes back here at every tick of the engine's epoch.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep};

use crate::limits::{CpuMeter, Stopwatch};

/// How others steer one running program.
#[derive(Debug, Default)]
pub(crate) struct Control {
    order: AtomicU8,
    waker: AtomicWaker,
    /// Whether the program waits for something to do, which is not its time.
    idle: AtomicBool,
    /// Processor time of the polls which are over, and the present one.
    busy: Mutex<(Duration, Option<Stopwatch>)>,
}

/// What the runtime and this take to come to a poll, about: who only yields would have it for nothing.
const POLL: Duration = Duration::from_nanos(500);

const RUN: u8 = 0;
const STAND_STILL: u8 = 1;
const END: u8 = 2;

impl Control {
    pub(crate) fn kill(&self) {
        self.order.store(END, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn suspend(&self) {
        self.turn(RUN, STAND_STILL);
    }

    pub(crate) fn resume(&self) {
        self.turn(STAND_STILL, RUN);
    }

    /// Says, from within a poll, whether the program has nothing to do until it is polled again.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::Relaxed);
    }

    /// Processor time which the program has used, from within a poll, where it is `now`.
    pub(crate) fn busy(&self, now: std::time::Instant) -> Duration {
        let (over, present) = *self.measured();
        over + present.map_or(Duration::ZERO, |present| present.until(now).0)
    }

    fn measured(&self) -> MutexGuard<'_, (Duration, Option<Stopwatch>)> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The output of `future`, or `None` if a kill comes first.
    pub(crate) async fn unless_killed<F: Future + Unpin>(&self, mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            self.waker.register(context.waker());
            if self.order.load(Ordering::Acquire) == END {
                return Poll::Ready(None);
            }
            Pin::new(&mut future).poll(context).map(Some)
        })
        .await
    }

    /// A kill is never taken back.
    fn turn(&self, from: u8, to: u8) {
        if self
            .order
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
        {
            self.waker.wake();
        }
    }
}

/// How a supervised future ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Finished(T),
    TimedOut,
    Killed,
}

/// What the supervisor measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// Processor time of the polls.
    pub busy: Duration,
    /// Wall-clock time, suspensions left out.
    pub elapsed: Duration,
}

pub(crate) struct Supervised<F> {
    future: F,
    control: Arc<Control>,
    cpu: Arc<CpuMeter>,
    limit: Duration,
    /// When it was polled first.
    started: Option<Instant>,
    suspended_at: Option<Instant>,
    suspended: Duration,
    busy: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F> Supervised<F> {
    pub(crate) fn new(future: F, control: Arc<Control>, cpu: Arc<CpuMeter>, limit: Duration) -> Self {
        Self {
            future,
            control,
            cpu,
            limit,
            started: None,
            suspended_at: None,
            suspended: Duration::ZERO,
            busy: Duration::ZERO,
            timer: None,
        }
    }

    fn times(&self, now: Instant) -> Times {
        Times {
            busy: self.busy,
            elapsed: (now - self.started.unwrap_or(now)).saturating_sub(self.suspended),
        }
    }

    /// Has this future polled again after `wait`.
    fn wake_after(&mut self, now: Instant, wait: Duration, context: &mut Context<'_>) {
        let at = now
            .checked_add(wait)
            .unwrap_or_else(|| now + Duration::from_secs(86_400 * 365));
        let timer = match &mut self.timer {
            Some(timer) => {
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                timer
            }
            None => self.timer.insert(Box::pin(tokio::time::sleep_until(at))),
        };
        if timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}

impl<F: Future + Unpin> Future for Supervised<F> {
    type Output = (End<F::Output>, Times);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.control.waker.register(context.waker());
        let now = Instant::now();
        this.started.get_or_insert(now);
        match this.control.order.load(Ordering::Acquire) {
            END => return Poll::Ready((End::Killed, this.times(now))),
            STAND_STILL => {
                this.suspended_at.get_or_insert(now);
                return Poll::Pending;
            }
            _ => {}
        }
        if let Some(since) = this.suspended_at.take() {
            this.suspended += now - since;
        }
        let times = this.times(now);
        let Some(left) = this.limit.checked_sub(times.elapsed).filter(|left| !left.is_zero()) else {
            return Poll::Ready((End::TimedOut, times));
        };
        if let Some(wait) = this.cpu.wait(now) {
            this.wake_after(now, wait.min(left), context);
            return Poll::Pending;
        }

        let watch = Stopwatch::start();
        this.control.measured().1 = Some(watch);
        let polled = Pin::new(&mut this.future).poll(context);
        let (spent, wall) = watch.elapsed();
        this.busy += spent;
        *this.control.measured() = (this.busy, None);
        this.cpu.spend(spent + POLL);

        match polled {
            Poll::Ready(value) => Poll::Ready((End::Finished(value), this.times(now + wall))),
            Poll::Pending => {
                match this.control.idle.load(Ordering::Relaxed) {
                    // It wakes itself, and nothing counts until then.
                    true => this.suspended_at = Some(now + wall),
                    false => this.wake_after(now, left, context),
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_policy::CpuShare;

    fn supervised<F: Future>(future: F, limit: Duration) -> (Supervised<Pin<Box<F>>>, Arc<Control>) {
        let control = Arc::new(Control::default());
        let cpu = Arc::new(CpuMeter::new(CpuShare::from_millicores(1000)));
        (
            Supervised::new(Box::pin(future), Arc::clone(&control), cpu, limit),
            control,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_which_waits_for_ever_ends_at_its_limit() {
        let (program, _) = supervised(std::future::pending::<()>(), Duration::from_secs(5));
        let (end, times) = program.await;
        assert!(matches!(end, End::TimedOut));
        assert_eq!(times.elapsed, Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_yields_uses_the_share_too() {
        let yields = async {
            for _ in 0..400_000 {
                tokio::task::yield_now().await;
            }
        };
        let cpu = Arc::new(CpuMeter::new(CpuShare::from_millicores(1)));
        let limit = Duration::from_secs(3600);
        let program = Supervised::new(Box::pin(yields), Arc::default(), Arc::clone(&cpu), limit);
        let (_, times) = program.await;
        // A burst of 100 ms is free, and each millisecond beyond it takes a second.
        assert!(times.elapsed > Duration::from_secs(50), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_time_does_not_count() {
        let sleep = tokio::time::sleep(Duration::from_secs(3));
        let (program, control) = supervised(sleep, Duration::from_secs(4));
        let program = tokio::spawn(program);
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.suspend();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(!program.is_finished());
        control.resume();
        let (end, times) = program.await.expect("it does not panic");
        assert!(matches!(end, End::Finished(())));
        assert_eq!(times.elapsed.as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_reaches_a_suspended_program_and_is_not_taken_back() {
        let (program, control) = supervised(std::future::pending::<()>(), Duration::from_secs(60));
        let program = tokio::spawn(program);
        control.suspend();
        tokio::task::yield_now().await;
        control.kill();
        control.resume();
        let (end, _) = program.await.expect("it does not panic");
        assert!(matches!(end, End::Killed));
    }
}
