//! What takes place in one process, for all who take part in it.

use crate::backend::Meter;
use crate::limits::Refusals;
use crate::stdio::Outputs;
use crate::supervise::Control;

/// How a process is steered, what it used and was refused, and where its output goes.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub control: Control,
    pub meter: Meter,
    pub refusals: Refusals,
    pub outputs: Outputs,
}
