//! `poll_oneoff`: waits until at least one of several things happens.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::error::{self, Error, Result};
use super::layout;
use super::memory::Fields;
use super::rights::Rights;
use super::table::{Descriptors, Object};
use super::{Call, Memory};
use crate::backend::wasm::ProcessState;
use crate::workspace::Errno;

/// The most that one call waits for.
const MAX_SUBSCRIPTIONS: u32 = 4096;

const SUBSCRIPTION: u32 = 48;

/// Tags of subscriptions and of their events.
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// The flag of a clock whose time-out is a moment.
const ABSOLUTE: u16 = 1;

/// The flag of an event on a stream whose other end is closed.
const HANGUP: u16 = 1;

struct Subscription {
    userdata: u64,
    tag: u8,
    what: What,
}

enum What {
    /// `None` is a time that never comes.
    Clock(Option<Instant>),
    Read(u32),
    Write(u32),
    /// It cannot be waited for, which is an event at once.
    Never(Errno),
}

/// Something has happened: an error, or how many bytes can be moved and the flags of the event.
type Outcome = Result<(u64, u16)>;

pub(super) async fn poll_oneoff(
    call: &mut Call<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Result {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::INVAL.into());
    }
    call.memory.check(events, count * layout::EVENT)?;
    call.memory.check(happened, 4)?;
    let subscriptions = parse(&call.memory, call.process, subscriptions, count)?;
    call.process
        .meter()
        .charge_bytes((count * (SUBSCRIPTION + layout::EVENT)) as usize);
    check_open(call, &subscriptions)?;
    let number = wait(&subscriptions, &mut Reporter { call, events }).await?;
    call.memory.put_u32(happened, number)
}

/// A descriptor which is not open fails the call, as programs know it; one which cannot be waited for is an event.
fn check_open(call: &Call<'_>, subscriptions: &[Subscription]) -> Result {
    for subscription in subscriptions {
        if let What::Read(fd) | What::Write(fd) = subscription.what {
            call.descriptors.get(fd)?;
        }
    }
    Ok(())
}

fn parse(memory: &Memory<'_>, process: &ProcessState, at: u32, count: u32) -> Result<Vec<Subscription>> {
    let now = Instant::now();
    let bytes = memory.bytes(at, count * SUBSCRIPTION)?;
    bytes
        .chunks_exact(SUBSCRIPTION as usize)
        .map(|bytes| parse_one(&Fields(bytes), process, now))
        .collect()
}

fn parse_one(fields: &Fields<'_>, process: &ProcessState, now: Instant) -> Result<Subscription> {
    let tag = fields.u8(8);
    let what = match tag {
        CLOCK => match remaining(process, fields.u32(16), fields.u64(24), fields.u16(40)) {
            Ok(remaining) => What::Clock(now.checked_add(remaining)),
            Err(errno) => What::Never(errno),
        },
        FD_READ => What::Read(fields.u32(16)),
        FD_WRITE => What::Write(fields.u32(16)),
        _ => return Err(Errno::INVAL.into()),
    };
    Ok(Subscription {
        userdata: fields.u64(0),
        tag,
        what,
    })
}

/// How long a clock of the guest's has to run yet.
fn remaining(process: &ProcessState, clock: u32, timeout: u64, flags: u16) -> Result<Duration, Errno> {
    let now = match clock {
        0 => layout::nanoseconds(process.clocks.wall()),
        1 => process.clocks.monotonic(),
        _ => return Err(Errno::INVAL),
    };
    match flags {
        0 => Ok(Duration::from_nanos(timeout)),
        ABSOLUTE => Ok(Duration::from_nanos(timeout.saturating_sub(now))),
        _ => Err(Errno::INVAL),
    }
}

/// Waits for the first event, and reports it and all others that are there by then, in the order of their subscriptions.
async fn wait(subscriptions: &[Subscription], reporter: &mut Reporter<'_, '_>) -> Result<u32> {
    let mut alarm = first_alarm(subscriptions).map(|alarm| Box::pin(tokio::time::sleep_until(alarm)));
    poll_fn(|context| {
        let now = Instant::now();
        let mut happened = 0;
        for subscription in subscriptions {
            if let Some(outcome) = reporter.look(&subscription.what, now, context) {
                reporter.report(happened, subscription, outcome)?;
                happened += 1;
            }
        }
        if happened > 0 {
            Poll::Ready(Ok(happened))
        } else {
            wait_for_alarm(&mut alarm, context)
        }
    })
    .await
}

fn first_alarm(subscriptions: &[Subscription]) -> Option<Instant> {
    let alarms = subscriptions.iter().filter_map(|subscription| match subscription.what {
        What::Clock(alarm) => alarm,
        _ => None,
    });
    alarms.min()
}

fn wait_for_alarm<T>(alarm: &mut Option<Pin<Box<Sleep>>>, context: &mut Context<'_>) -> Poll<T> {
    if alarm
        .as_mut()
        .is_some_and(|alarm| alarm.as_mut().poll(context).is_ready())
    {
        // It went off between the look at the clock and now.
        context.waker().wake_by_ref();
    }
    Poll::Pending
}

struct Reporter<'c, 'm> {
    call: &'c mut Call<'m>,
    events: u32,
}

impl Reporter<'_, '_> {
    fn look(&self, what: &What, now: Instant, context: &mut Context<'_>) -> Option<Outcome> {
        match what {
            What::Clock(alarm) => alarm.is_some_and(|alarm| alarm <= now).then_some(Ok((0, 0))),
            What::Never(errno) => Some(Err(Error::Errno(*errno))),
            What::Read(fd) => readable(self.call.descriptors, self.call.process, *fd, context).transpose(),
            What::Write(fd) => writable(self.call.descriptors, self.call.process, *fd, context).transpose(),
        }
    }

    fn report(&mut self, index: u32, subscription: &Subscription, outcome: Outcome) -> Result {
        let (error, (bytes, flags)) = match outcome {
            Ok(ready) => (0, ready),
            Err(error) => (error::event_number(&error), (0, 0)),
        };
        let event = layout::event(subscription.userdata, error, subscription.tag, bytes, flags);
        self.call.memory.put(self.events + index * layout::EVENT, &event)
    }
}

fn readable(
    descriptors: &Descriptors,
    process: &ProcessState,
    fd: u32,
    context: &mut Context<'_>,
) -> Result<Option<(u64, u16)>> {
    let descriptor = descriptors.get(fd)?;
    descriptor.require(Rights::FD_READ)?;
    match &descriptor.object {
        Object::Stdin if process.job.stdin.poll_ready(context).is_pending() => Ok(None),
        Object::Stdin => match process.job.stdin.available() {
            0 => Ok(Some((0, HANGUP))),
            available => Ok(Some((available as u64, 0))),
        },
        Object::File { file, position } => Ok(Some((file.stat()?.size.saturating_sub(*position), 0))),
        Object::Stdout | Object::Stderr | Object::Directory { .. } => Err(Errno::BADF.into()),
    }
}

fn writable(
    descriptors: &Descriptors,
    process: &ProcessState,
    fd: u32,
    context: &mut Context<'_>,
) -> Result<Option<(u64, u16)>> {
    let descriptor = descriptors.get(fd)?;
    descriptor.require(Rights::FD_WRITE)?;
    let output = match &descriptor.object {
        Object::Stdout => process.outputs().stdout(),
        Object::Stderr => process.outputs().stderr(),
        Object::File { .. } => return Ok(Some((1, 0))),
        Object::Stdin | Object::Directory { .. } => return Err(Errno::BADF.into()),
    };
    match output.poll_ready(context) {
        Poll::Ready(()) => Ok(Some((output.room() as u64, 0))),
        Poll::Pending => Ok(None),
    }
}
