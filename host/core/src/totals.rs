//! What sandboxes have used over all their processes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use palisade_policy::{ByteSize, Metering};

use crate::backend::Meter;
use crate::{EndingKind, Limit};

/// What a sandbox, or all of a host, has used since it was made. Nothing in it ever falls.
///
/// A process which runs counts as far as it has come: its processor time and bytes within about 10 milliseconds, its fuel
/// up to its latest call that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Processor time of the host spent on guests, their host calls included.
    pub host_time: Duration,
    /// Units of fuel, where the policy has it metered.
    pub fuel: u64,
    /// Bytes read from files and standard input.
    pub read: ByteSize,
    /// Bytes written to files, standard output and standard error.
    pub written: ByteSize,
    /// Denials of calls and of what guests tried, of each process each kind once; those of a host also of sandboxes which
    /// were not granted. Of a process they count with its end, of a session with that of each call.
    pub denials: u64,
    ended: [u64; EndingKind::ALL.len()],
    limits_hit: [u64; Limit::ALL.len()],
}

impl Totals {
    /// Processes which ended in this way.
    pub fn ended(&self, kind: EndingKind) -> u64 {
        self.ended[kind as usize]
    }

    /// Processes which ended.
    pub fn all_ended(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// How often this limit refused a process something or ended it, of each process once; likewise with its end.
    pub fn limits_hit(&self, limit: Limit) -> u64 {
        self.limits_hit[limit as usize]
    }

    /// The same, of all limits.
    pub fn all_limits_hit(&self) -> u64 {
        self.limits_hit.iter().sum()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.host_time = self.host_time.saturating_add(other.host_time);
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.read = sum(self.read, other.read.as_bytes());
        self.written = sum(self.written, other.written.as_bytes());
        self.denials += other.denials;
        let counts = self.ended.iter_mut().chain(&mut self.limits_hit);
        for (count, more) in counts.zip(other.ended.iter().chain(&other.limits_hit)) {
            *count += more;
        }
    }

    /// Adds what one process has used so far.
    pub(crate) fn add_meter(&mut self, meter: &Meter, metering: Metering) {
        let busy = Duration::from_nanos(meter.busy_nanos.load(Ordering::Relaxed));
        self.host_time = self.host_time.saturating_add(busy);
        if metering == Metering::Fuel {
            self.fuel = self.fuel.saturating_add(meter.fuel.load(Ordering::Relaxed));
        }
        self.read = sum(self.read, meter.read.load(Ordering::Relaxed));
        self.written = sum(self.written, meter.written.load(Ordering::Relaxed));
    }

    pub(crate) fn note_end(&mut self, kind: EndingKind) {
        self.ended[kind as usize] += 1;
    }

    pub(crate) fn note_refusals(&mut self, denials: u64, limits: &[Limit]) {
        self.denials += denials;
        for limit in limits {
            self.limits_hit[*limit as usize] += 1;
        }
    }
}

fn sum(bytes: ByteSize, more: u64) -> ByteSize {
    ByteSize::from_bytes(bytes.as_bytes().saturating_add(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_and_every_limit_has_its_own_count() {
        let mut totals = Totals::default();
        for (index, kind) in EndingKind::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| totals.note_end(kind));
        }
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| totals.note_refusals(1, &[limit]));
        }
        let before = totals;
        totals.add(&before);
        let twice = |index: usize| 2 * (index as u64 + 1);
        for (index, kind) in EndingKind::ALL.into_iter().enumerate() {
            assert_eq!(totals.ended(kind), twice(index), "{kind:?}");
        }
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(totals.limits_hit(limit), twice(index), "{limit}");
        }
        assert_eq!(
            (totals.all_ended(), totals.all_limits_hit(), totals.denials),
            (30, 56, 56)
        );
    }
}
