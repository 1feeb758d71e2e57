//! What takes place in one process, for all who take part in it.

use std::sync::Arc;

use crate::backend::Meter;
use crate::limits::Refusals;
use crate::stdio::{Device, Output, Outputs, Pipes};
use crate::supervise::Control;

/// How a process is steered, what it used and was refused, and where its output goes.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub control: Control,
    pub meter: Meter,
    pub refusals: Refusals,
    pub outputs: Outputs,
}

impl Record {
    /// Of a process which has done nothing yet and may print `max_output` bytes, and what is read of that.
    pub(crate) fn new(stdout: (Output, Device), stderr: (Output, Device), max_output: u64) -> (Arc<Self>, Pipes) {
        let (outputs, pipes) = Outputs::new(stdout, stderr, max_output);
        let record = Self {
            outputs,
            ..Self::default()
        };
        (Arc::new(record), pipes)
    }
}
