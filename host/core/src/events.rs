//! What happens on a host, as typed facts which anyone may subscribe to.

use palisade_policy::Denial;
use tokio::sync::broadcast;

use crate::{Ending, Limit, ProcessId, SandboxId, State, Usage};

/// One fact, in the past tense.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(missing_docs, reason = "variants and fields say what they are")]
pub enum Event {
    SandboxCreated {
        sandbox: SandboxId,
    },
    /// A request was refused before anything started.
    RequestDenied {
        denials: Vec<Denial>,
    },
    StateChanged {
        sandbox: SandboxId,
        from: State,
        to: State,
    },
    ProcessStarted {
        sandbox: SandboxId,
        process: ProcessId,
        program: String,
    },
    ProcessEnded {
        sandbox: SandboxId,
        process: ProcessId,
        ending: Ending,
        usage: Usage,
    },
    /// A running guest tried what it was not granted; sent when it ends, each denial once.
    GuestDenied {
        sandbox: SandboxId,
        process: ProcessId,
        denial: Denial,
    },
    /// A limit refused a guest something or ended it; sent when it ends, each limit once.
    LimitHit {
        sandbox: SandboxId,
        process: ProcessId,
        limit: Limit,
    },
}

/// Events which a subscriber can be behind before it loses the oldest.
const CAPACITY: usize = 1024;

#[derive(Debug)]
pub(crate) struct Bus(broadcast::Sender<Event>);

impl Bus {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    /// Tells every subscriber. Makes the event only where somebody listens.
    pub(crate) fn publish(&self, event: impl FnOnce() -> Event) {
        if self.0.receiver_count() > 0 {
            // It fails only when the last subscriber left meanwhile.
            let _ = self.0.send(event());
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events(self.0.subscribe())
    }
}

/// A subscription to a host's events, from the moment it was made. Dropping it ends it.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// What happened next.
    Event(Event),
    /// The subscriber was more than 1,024 events behind and lost this many.
    Missed(u64),
}

impl Events {
    /// The next event; `None` when the host is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Ok(event) => Some(Delivery::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Delivery::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        match self.0.try_recv() {
            Ok(event) => Some(Delivery::Event(event)),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(Delivery::Missed(missed)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }
}
