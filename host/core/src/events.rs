//! What happens on a host, as typed facts which anyone may subscribe to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use palisade_policy::{Denial, Limits};
use tokio::sync::broadcast;

use crate::snapshots::SnapshotId;
use crate::{Ending, Limit, ProcessId, SandboxId, State, Usage, host};

/// One fact, in the past tense.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(missing_docs, reason = "variants and fields say what they are")]
pub enum Event {
    SandboxCreated {
        sandbox: SandboxId,
    },
    /// A request was refused before anything started: that for a sandbox, or one in a sandbox.
    RequestDenied {
        sandbox: Option<SandboxId>,
        denials: Vec<Denial>,
    },
    StateChanged {
        sandbox: SandboxId,
        from: State,
        to: State,
    },
    SnapshotTaken {
        sandbox: SandboxId,
        snapshot: SnapshotId,
    },
    /// The files of a sandbox are again what they were in a snapshot, or a part of them is.
    RolledBack {
        sandbox: SandboxId,
        snapshot: SnapshotId,
    },
    /// A sandbox was given other limits; all that it has now.
    LimitsChanged {
        sandbox: SandboxId,
        limits: Limits,
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
    /// A running guest tried what it was not granted; sent when it ends, of a session when the call does, each denial
    /// once.
    GuestDenied {
        sandbox: SandboxId,
        process: ProcessId,
        denial: Denial,
    },
    /// A guest wrote a line to its log.
    GuestLogged {
        sandbox: SandboxId,
        process: ProcessId,
        level: LogLevel,
        /// What of the guest it is about, as the guest says.
        context: String,
        message: String,
    },
    /// A guest told how far it has come.
    GuestProgressed {
        sandbox: SandboxId,
        process: ProcessId,
        done: u64,
        total: Option<u64>,
        message: String,
    },
    /// A limit refused a guest something or ended it; sent likewise, each limit once.
    LimitHit {
        sandbox: SandboxId,
        process: ProcessId,
        limit: Limit,
    },
}

/// How much a line of a guest's log matters, as `wasi:logging` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// Events which a subscriber can be behind before it loses the oldest.
const CAPACITY: usize = 1024;

#[derive(Debug)]
pub(crate) struct Bus {
    sender: broadcast::Sender<Event>,
    /// Counted here as well, since the channel takes a lock to tell.
    subscribers: Arc<AtomicUsize>,
}

impl Bus {
    pub(crate) fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(CAPACITY),
            subscribers: Arc::default(),
        }
    }

    /// Tells every subscriber. Makes the event only where somebody listens.
    pub(crate) fn publish(&self, event: impl FnOnce() -> Event) {
        if self.subscribers.load(Ordering::Acquire) > 0 {
            // It fails only when the last subscriber left meanwhile.
            let _ = self.sender.send(event());
        }
    }

    /// How many listen.
    pub(crate) fn listeners(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.subscribers)
    }

    pub(crate) fn subscribe(&self) -> Events {
        self.subscribers.fetch_add(1, Ordering::AcqRel);
        Events {
            receiver: self.sender.subscribe(),
            subscribers: Arc::clone(&self.subscribers),
        }
    }
}

/// Where one process reports to.
#[derive(Debug, Clone)]
pub(crate) struct Reports {
    host: Weak<host::Inner>,
    sandbox: SandboxId,
    process: ProcessId,
}

/// What a guest reports by itself.
pub(crate) enum Report {
    Log {
        level: LogLevel,
        context: String,
        message: String,
    },
    Progress {
        done: u64,
        total: Option<u64>,
        message: String,
    },
}

impl Reports {
    pub(crate) fn new(host: &Arc<host::Inner>, sandbox: SandboxId, process: ProcessId) -> Self {
        Self {
            host: Arc::downgrade(host),
            sandbox,
            process,
        }
    }

    /// Reports that nobody hears.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self {
            host: Weak::new(),
            sandbox: SandboxId::random(),
            process: ProcessId(1),
        }
    }

    /// Tells the log of the host, and whoever listens, what `program` reports.
    pub(crate) fn tell(&self, program: &str, report: Report) {
        let (sandbox, process) = (self.sandbox, self.process);
        let event = match report {
            Report::Log {
                level,
                context,
                message,
            } => {
                self.trace(program, level, &context, &message);
                Event::GuestLogged {
                    sandbox,
                    process,
                    level,
                    context,
                    message,
                }
            }
            Report::Progress { done, total, message } => Event::GuestProgressed {
                sandbox,
                process,
                done,
                total,
                message,
            },
        };
        if let Some(host) = self.host.upgrade() {
            host.bus().publish(|| event);
        }
    }

    fn trace(&self, program: &str, level: LogLevel, context: &str, message: &str) {
        macro_rules! log {
            ($level:ident) => {
                tracing::event!(
                    target: "palisade::guest",
                    tracing::Level::$level,
                    sandbox = %self.sandbox,
                    process = self.process.0,
                    program,
                    context,
                    "{message}"
                )
            };
        }
        match level {
            LogLevel::Trace => log!(TRACE),
            LogLevel::Debug => log!(DEBUG),
            LogLevel::Info => log!(INFO),
            LogLevel::Warn => log!(WARN),
            LogLevel::Error | LogLevel::Critical => log!(ERROR),
        }
    }
}

/// A subscription to a host's events, from the moment it was made. Dropping it ends it.
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
    subscribers: Arc<AtomicUsize>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}

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
        match self.receiver.recv().await {
            Ok(event) => Some(Delivery::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Delivery::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event if it is there already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        match self.receiver.try_recv() {
            Ok(event) => Some(Delivery::Event(event)),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Some(Delivery::Missed(missed)),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => None,
        }
    }
}
