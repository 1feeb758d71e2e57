//! Runs one program's future under its time limit, its sandbox's share of processor time, suspension and kill.
//!
//! This is the one enforcer of all four, and the one place where a program's processor time is measured. A program
//! which computes comes back here at every tick of the engine's epoch.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::{Instant, Sleep};

use crate::limits::{CpuMeter, Stopwatch};

/// How others steer one running program.
#[derive(Debug, Default)]
pub(crate) struct Control {
    order: AtomicU8,
    /// Who polls the program.
    driver: AtomicWaker,
    /// Who waits for a kill while nobody does.
    watcher: AtomicWaker,
}

/// What the runtime and this take to come to a poll, about: who only yields would have it for nothing.
const POLL: Duration = Duration::from_nanos(500);

const RUN: u8 = 0;
const STAND_STILL: u8 = 1;
const END: u8 = 2;

impl Control {
    pub(crate) fn kill(&self) {
        self.order.store(END, Ordering::Release);
        self.driver.wake();
        self.watcher.wake();
    }

    pub(crate) fn suspend(&self) {
        self.turn(RUN, STAND_STILL);
    }

    pub(crate) fn resume(&self) {
        self.turn(STAND_STILL, RUN);
    }

    /// Whether it has been killed.
    pub(crate) fn is_killed(&self) -> bool {
        self.order.load(Ordering::Acquire) == END
    }

    /// The output of `future`, or `None` if a kill comes first.
    pub(crate) async fn unless_killed<F: Future + Unpin>(&self, mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            self.watcher.register(context.waker());
            if self.is_killed() {
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
            self.driver.wake();
        }
    }
}

/// The time `wait` after `now`, or what comes to never.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    let never = || now + Duration::from_secs(86_400 * 365);
    now.checked_add(wait).unwrap_or_else(never)
}

/// How a supervised future ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Finished(T),
    TimedOut,
    Killed,
}

/// The time of one program, which may run in several parts, and what it has used of it.
#[derive(Debug)]
pub(crate) struct Supervised {
    limit: Duration,
    /// Processor time of the polls.
    busy: Duration,
    /// Wall-clock time of the parts which are over, suspensions left out.
    elapsed: Duration,
    /// When the part which runs was polled first.
    started: Option<Instant>,
    suspended_at: Option<Instant>,
    /// For how long that part was suspended.
    suspended: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// When the latest part ended.
    ended: Option<Instant>,
}

impl Supervised {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            busy: Duration::ZERO,
            elapsed: Duration::ZERO,
            started: None,
            suspended_at: None,
            suspended: Duration::ZERO,
            timer: None,
            ended: None,
        }
    }

    /// Processor time of the polls.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }

    /// Wall-clock time of the parts which are over, suspensions left out.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// When the latest part ended.
    pub(crate) fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// Polls a part of the program, to be polled again until this is ready.
    pub(crate) fn poll<F: Future + Unpin>(
        &mut self,
        program: &mut F,
        control: &Control,
        cpu: &CpuMeter,
        context: &mut Context<'_>,
    ) -> Poll<End<F::Output>> {
        control.driver.register(context.waker());
        let now = Instant::now();
        self.started.get_or_insert(now);
        match control.order.load(Ordering::Acquire) {
            END => return self.end(End::Killed, now),
            STAND_STILL => {
                self.suspended_at.get_or_insert(now);
                return Poll::Pending;
            }
            _ => {}
        }
        if let Some(since) = self.suspended_at.take() {
            self.suspended += now - since;
        }
        let spent = self.elapsed_at(now);
        let Some(left) = self.limit.checked_sub(spent).filter(|left| !left.is_zero()) else {
            return self.end(End::TimedOut, now);
        };
        if let Some(wait) = cpu.wait(now) {
            self.wake_after(now, wait.min(left), context);
            return Poll::Pending;
        }

        let watch = Stopwatch::start(now.into_std());
        let polled = Pin::new(program).poll(context);
        let (spent, wall) = watch.elapsed();
        self.busy += spent;
        cpu.spend(spent + POLL);

        match polled {
            Poll::Ready(value) => self.end(End::Finished(value), now + wall),
            Poll::Pending => {
                self.wake_after(now, left, context);
                Poll::Pending
            }
        }
    }

    fn elapsed_at(&self, now: Instant) -> Duration {
        let part = now - self.started.unwrap_or(now);
        self.elapsed + part.saturating_sub(self.suspended)
    }

    fn end<T>(&mut self, end: End<T>, now: Instant) -> Poll<End<T>> {
        self.elapsed = self.elapsed_at(now);
        self.started = None;
        self.suspended = Duration::ZERO;
        self.timer = None;
        self.ended = Some(now);
        Poll::Ready(end)
    }

    /// Has the program polled again after `wait`.
    fn wake_after(&mut self, now: Instant, wait: Duration, context: &mut Context<'_>) {
        let at = later(now, wait);
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use palisade_policy::CpuShare;
    use tokio::task::JoinHandle;

    use super::*;

    type Ran<T> = (End<T>, Supervised);

    async fn supervise<F: Future>(future: F, control: &Control, share: u32, limit: Duration) -> Ran<F::Output> {
        let cpu = CpuMeter::new(CpuShare::from_millicores(share));
        let (mut supervised, mut program) = (Supervised::new(limit), Box::pin(future));
        let end = poll_fn(|context| supervised.poll(&mut program, control, &cpu, context)).await;
        (end, supervised)
    }

    fn spawn<F>(future: F, limit: Duration) -> (JoinHandle<Ran<F::Output>>, Arc<Control>)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let control = Arc::new(Control::default());
        let steered = Arc::clone(&control);
        let program = async move { supervise(future, &steered, 1000, limit).await };
        (tokio::spawn(program), control)
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_which_waits_for_ever_ends_at_its_limit() {
        let pending = std::future::pending::<()>();
        let (end, supervised) = supervise(pending, &Control::default(), 1000, Duration::from_secs(5)).await;
        assert!(matches!(end, End::TimedOut));
        assert_eq!(supervised.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_yields_uses_the_share_too() {
        let yields = async {
            for _ in 0..400_000 {
                tokio::task::yield_now().await;
            }
        };
        let (_, supervised) = supervise(yields, &Control::default(), 1, Duration::from_secs(3600)).await;
        // A burst of 100 ms is free, and each millisecond beyond it takes a second.
        assert!(supervised.elapsed() > Duration::from_secs(50), "{supervised:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_time_does_not_count() {
        let sleep = tokio::time::sleep(Duration::from_secs(3));
        let (program, control) = spawn(sleep, Duration::from_secs(4));
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.suspend();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(!program.is_finished());
        control.resume();
        let (end, supervised) = program.await.expect("it does not panic");
        assert!(matches!(end, End::Finished(())));
        assert_eq!(supervised.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_reaches_a_suspended_program_and_is_not_taken_back() {
        let (program, control) = spawn(std::future::pending::<()>(), Duration::from_secs(60));
        control.suspend();
        tokio::task::yield_now().await;
        control.kill();
        control.resume();
        let (end, _) = program.await.expect("it does not panic");
        assert!(matches!(end, End::Killed));
    }
}
