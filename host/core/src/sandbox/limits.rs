//! The limits of a sandbox, while it is there.

use std::sync::PoisonError;

use palisade_policy::{Limits, LimitsRequest};

use super::Sandbox;
use crate::Result;
use crate::events::Event;

impl Sandbox {
    /// Puts those limits which `asked` names in the place of those which it has, and returns all; if its policy grants
    /// them all, and else none.
    ///
    /// Those of the whole sandbox hold at once. What it has already stays, even above a lower limit: then it gets no
    /// more. Those of each process (time, fuel, output, and memory as the most of one) hold for the next ones.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied), with every denial; [`Kind::InvalidInput`](crate::Kind::InvalidInput) for a limit under which nothing could run.
    pub fn change_limits(&self, asked: &LimitsRequest) -> Result<Limits> {
        let inner = &*self.inner;
        let mut limits = inner.limits.write().unwrap_or_else(PoisonError::into_inner);
        let changed = inner.admitted.change(&limits, asked);
        let changed = changed.inspect_err(|error| self.tell_denials(error.denials()))?;
        if changed == *limits {
            return Ok(changed);
        }
        inner.budgets.disk.set_limit(changed.disk.as_bytes());
        inner.budgets.files.set_limit(changed.files);
        inner.budgets.handles.set_limit(changed.handles.into());
        inner.budgets.memory.set_limit(changed.memory.as_bytes());
        {
            // Who enters a process looks for room and takes it under this.
            let _table = self.life();
            inner.processes.set_limit(changed.processes.into());
        }
        inner.cpu.set_share(changed.cpu);
        limits.clone_from(&changed);
        if let Some(host) = inner.host.upgrade() {
            host.bus().publish(|| Event::LimitsChanged {
                sandbox: inner.id,
                limits: changed.clone(),
            });
        }
        Ok(changed)
    }
}
