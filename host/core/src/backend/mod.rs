//! What runs programs. A second backend is one more implementation of [`Backend`].

pub(crate) mod wasm;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use palisade_policy::{Clocks, Metering, Nans, Random};
use serde_json::Value;

use crate::events::Reports;
use crate::limits::Limit;
use crate::record::Record;
use crate::stdio::GuestInput;
use crate::tool::{Bytes, Description};
use crate::{Ending, Error, Program, Result, Workspace};

/// A way of running programs.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Makes the program of `job` ready. An error means that it cannot be run.
    fn prepare(&self, job: Box<Job>) -> Preparing;

    /// Finds what a component offers to be called.
    fn describe(&self, program: Program) -> BoxFuture<'static, Result<Description>>;

    /// How full the fullest of its pools of instances is; `None` where it has none.
    fn instances(&self) -> Option<Instances>;
}

/// Places in a pool of instances. Each kind of engine which policies ask for has a pool of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// Those which are taken.
    pub used: u64,
    /// All.
    pub most: u64,
}

/// What is done before a program starts, and does not count as its time: compiling it, say.
pub(crate) enum Preparing {
    /// It was done before.
    Done(Result<Running>),
    Begun(BoxFuture<'static, Result<Running>>),
}

/// A program which runs to its end.
///
/// Dropping the future ends the program, and not polling it makes it stand still. The caller enforces time, processor
/// share and kill by that; everything else in the [`Job`] is the backend's to enforce.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Ended>> + Send>>;

/// What a program came to.
pub(crate) struct Ended {
    pub ending: Ending,
    /// What a function returned, or the error which it reported.
    pub value: Option<Value>,
    /// The instance, where it was to be kept and can be called again.
    pub kept: Option<Box<dyn Kept>>,
}

impl From<Ending> for Ended {
    fn from(ending: Ending) -> Self {
        Self {
            ending,
            value: None,
            kept: None,
        }
    }
}

/// An instance which is kept between calls.
pub(crate) trait Kept: Send {
    /// Calls a function, whose end gives the instance back. An error comes before anything runs.
    fn call(self: Box<Self>, call: FunctionCall<'_>) -> Result<Running, (Box<dyn Kept>, Error)>;
}

/// One program to run, with all that it was granted.
pub(crate) struct Job {
    pub program: Program,
    pub work: Work,
    /// The name that the program sees as its own, its argument 0.
    pub name: Arc<str>,
    /// The arguments after that.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub workspace: Workspace,
    pub stdin: GuestInput,
    pub clocks: Clocks,
    pub random: Random,
    pub metering: Metering,
    pub nans: Nans,
    /// Fuel it may use; `None`: any amount.
    pub fuel: Option<u64>,
    /// The most that an answer may have as JSON, in bytes: it is output.
    pub max_answer: u64,
    /// The most of its sandbox's memory that this one may hold, in bytes.
    pub max_memory: u64,
    pub record: Arc<Record>,
    /// Where what it reports by itself goes.
    pub reports: Reports,
}

/// What is done with a program.
pub(crate) enum Work {
    /// It is run as a command.
    Run,
    /// One function is called.
    Call(FunctionCall<'static>),
    /// It is instantiated, to be called.
    Keep,
    /// The embedder has one instance, and does with it what it likes.
    Visit(Box<dyn wasm::plugin::Visit>),
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("Run"),
            Self::Call(call) => f.debug_tuple("Call").field(call).finish(),
            Self::Keep => f.write_str("Keep"),
            Self::Visit(_) => f.write_str("Visit"),
        }
    }
}

/// One function to be called.
#[derive(Debug)]
pub(crate) struct FunctionCall<'a> {
    pub function: Cow<'a, str>,
    pub arguments: Value,
    pub answer: Form,
}

/// How an answer is told, and to be given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub bytes: Bytes,
    pub told: Told,
}

/// What the answer of a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// What it returns.
    Value,
    /// JSON, in the string which it returns, as interpreters do.
    Json,
}

/// What one process has used so far, counted as it runs, so that it is known however it ends.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Processor time of its polls.
    pub busy_nanos: AtomicU64,
    pub fuel: AtomicU64,
    pub peak_memory: AtomicU64,
    pub read: AtomicU64,
    pub written: AtomicU64,
    /// Host calls made.
    calls: AtomicU64,
    /// Bytes which the current host call handled and the guest has not paid for.
    unpaid: AtomicU64,
}

impl Meter {
    pub(crate) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts bytes read from files or standard input, and charges for them.
    pub(crate) fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        self.charge_bytes(bytes);
    }

    /// Counts bytes written to files or standard output and error, and charges for them.
    pub(crate) fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.charge_bytes(bytes);
    }

    /// Charges for `bytes` which a host call handles for the guest.
    pub(crate) fn charge_bytes(&self, bytes: usize) {
        self.unpaid.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The fuel used; `None`: more than can be counted.
    pub(crate) fn fuel(&self) -> Option<u64> {
        Some(self.fuel.load(Ordering::Relaxed)).filter(|used| *used < u64::MAX)
    }

    /// The bytes to pay for now.
    pub(crate) fn take_unpaid(&self) -> u64 {
        self.unpaid.swap(0, Ordering::Relaxed)
    }
}

/// Why a guest is ended from within a host call; it travels as the error of a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the guest exits with {0}")]
    Exit(u8),
    #[error("the limit of {0:?} is passed")]
    Limit(Limit),
}
