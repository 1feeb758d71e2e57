//! Default and ceiling of each limit.

use std::time::Duration;

use super::amount::{Amount, MAX_INTEGER};
use crate::file::LimitsFile;
use crate::problem::Problems;
use crate::{ByteSize, CallLimits, CpuShare, Denial, FuelLimit, Limits, LimitsRequest, Metering};

/// What a request gets and what it may ask, limit by limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LimitRules {
    metering: Metering,
    memory: LimitRule<ByteSize>,
    fuel: LimitRule<FuelLimit>,
    time: LimitRule<Duration>,
    cpu: LimitRule<CpuShare>,
    disk: LimitRule<ByteSize>,
    files: LimitRule<u64>,
    processes: LimitRule<u32>,
    handles: LimitRule<u32>,
    output: LimitRule<ByteSize>,
}

/// A limit as policies and requests name it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    name: &'static str,
    zero: Zero,
}

/// Whether anything can run under a limit of zero.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zero {
    Refused,
    Allowed,
}

impl Key {
    const fn new(name: &'static str, zero: Zero) -> Self {
        Self { name, zero }
    }
}

const MEMORY: Key = Key::new("memory", Zero::Refused);
const FUEL: Key = Key::new("fuel", Zero::Refused);
const TIME: Key = Key::new("time", Zero::Refused);
const CPU: Key = Key::new("cpu", Zero::Refused);
const DISK: Key = Key::new("disk", Zero::Allowed);
const FILES: Key = Key::new("files", Zero::Allowed);
const PROCESSES: Key = Key::new("processes", Zero::Refused);
const HANDLES: Key = Key::new("handles", Zero::Refused);
const OUTPUT: Key = Key::new("output", Zero::Allowed);

#[derive(Debug, Clone, PartialEq)]
struct LimitRule<T> {
    key: Key,
    default: T,
    ceiling: T,
}

impl LimitRules {
    pub(super) fn check(
        limits: &LimitsFile,
        ceilings: &LimitsFile,
        metering: Metering,
        problems: &mut Problems,
    ) -> Self {
        report_uncounted_fuel(limits, ceilings, metering, problems);
        let usual = Limits::default();
        let (l, c, p) = (limits, ceilings, problems);
        Self {
            metering,
            memory: LimitRule::check(MEMORY, l.memory, c.memory, usual.memory, p),
            fuel: LimitRule::check(FUEL, l.fuel, c.fuel, usual.fuel.into(), p),
            time: LimitRule::check(TIME, l.time, c.time, usual.time, p),
            cpu: LimitRule::check(CPU, l.cpu, c.cpu, usual.cpu, p),
            disk: LimitRule::check(DISK, l.disk, c.disk, usual.disk, p),
            files: LimitRule::check(FILES, l.files, c.files, usual.files, p),
            processes: LimitRule::check(PROCESSES, l.processes, c.processes, usual.processes, p),
            handles: LimitRule::check(HANDLES, l.handles, c.handles, usual.handles, p),
            output: LimitRule::check(OUTPUT, l.output, c.output, usual.output, p),
        }
    }

    /// The limits of a request: those of `known` which it does not name. With denials, they mean nothing.
    pub(super) fn decide(&self, known: &Limits, asked: &LimitsRequest, denials: &mut Vec<Denial>) -> Limits {
        Limits {
            memory: self.memory.decide(asked.memory, known.memory, denials),
            fuel: self.decide_fuel(asked.fuel, known.fuel.into(), denials).into(),
            time: self.time.decide(asked.time, known.time, denials),
            cpu: self.cpu.decide(asked.cpu, known.cpu, denials),
            disk: self.disk.decide(asked.disk, known.disk, denials),
            files: self.files.decide(asked.files, known.files, denials),
            processes: self.processes.decide(asked.processes, known.processes, denials),
            handles: self.handles.decide(asked.handles, known.handles, denials),
            output: self.output.decide(asked.output, known.output, denials),
        }
    }

    fn decide_fuel(&self, asked: Option<u64>, known: FuelLimit, denials: &mut Vec<Denial>) -> FuelLimit {
        match (self.metering, asked) {
            (Metering::Fuel, asked) => self.fuel.decide(asked.map(FuelLimit::AtMost), known, denials),
            (Metering::Time, None) => FuelLimit::Unlimited,
            (Metering::Time, Some(fuel)) => {
                denials.push(Denial {
                    rule: "metering".into(),
                    asked: format!("fuel = {fuel}, where no fuel is counted,"),
                    smallest_grant: "metering = \"fuel\"".into(),
                });
                FuelLimit::Unlimited
            }
        }
    }

    pub(super) fn metering(&self) -> Metering {
        self.metering
    }

    pub(super) fn defaults(&self) -> Limits {
        let fuel = match self.metering {
            Metering::Fuel => self.fuel.default,
            Metering::Time => FuelLimit::Unlimited,
        };
        Limits {
            memory: self.memory.default,
            fuel: fuel.into(),
            time: self.time.default,
            cpu: self.cpu.default,
            disk: self.disk.default,
            files: self.files.default,
            processes: self.processes.default,
            handles: self.handles.default,
            output: self.output.default,
        }
    }

    pub(super) fn ceilings(&self) -> Limits {
        Limits {
            memory: self.memory.ceiling,
            fuel: self.fuel.ceiling.into(),
            time: self.time.ceiling,
            cpu: self.cpu.ceiling,
            disk: self.disk.ceiling,
            files: self.files.ceiling,
            processes: self.processes.ceiling,
            handles: self.handles.ceiling,
            output: self.output.ceiling,
        }
    }
}

impl From<Limits> for LimitsFile {
    fn from(limits: Limits) -> Self {
        Self {
            memory: Some(limits.memory),
            fuel: Some(limits.fuel.into()),
            time: Some(limits.time),
            cpu: Some(limits.cpu),
            disk: Some(limits.disk),
            files: Some(limits.files),
            processes: Some(limits.processes),
            handles: Some(limits.handles),
            output: Some(limits.output),
        }
    }
}

impl<T: Amount> LimitRule<T> {
    fn check(key: Key, default: Option<T>, ceiling: Option<T>, usual: T, problems: &mut Problems) -> Self {
        for (section, amount) in [("limits", default), ("ceilings", ceiling)] {
            report_flaw(section, key, amount, problems);
        }
        if let (Some(default), Some(ceiling)) = (default, ceiling)
            && default > ceiling
        {
            let (default, ceiling) = (default.to_toml(), ceiling.to_toml());
            let message = format!("{default} is above the ceiling of {ceiling}");
            problems.report(format!("limits.{}", key.name), message);
        }
        let ceiling = ceiling.or(default).unwrap_or(usual);
        Self {
            key,
            default: default.unwrap_or_else(|| usual.min(ceiling)),
            ceiling,
        }
    }

    fn decide(&self, asked: Option<T>, known: T, denials: &mut Vec<Denial>) -> T {
        let Some(asked) = asked else {
            return known;
        };
        if asked > self.ceiling {
            let (name, amount) = (self.key.name, asked.to_toml());
            denials.push(Denial {
                rule: format!("ceilings.{name}"),
                asked: format!("{name} = {amount}"),
                smallest_grant: format!("ceilings.{name} = {amount}"),
            });
        }
        asked.min(self.ceiling)
    }
}

const UNCOUNTED_FUEL: &str = "nothing counts fuel where `metering = \"time\"`";

/// Where time is the only meter, a number of instructions is a rule that nothing enforces.
fn report_uncounted_fuel(limits: &LimitsFile, ceilings: &LimitsFile, metering: Metering, problems: &mut Problems) {
    if metering == Metering::Fuel {
        return;
    }
    for (key, fuel) in [("limits.fuel", limits.fuel), ("ceilings.fuel", ceilings.fuel)] {
        if matches!(fuel, Some(FuelLimit::AtMost(_))) {
            problems.report(key, UNCOUNTED_FUEL);
        }
    }
}

/// Reports limits under which nothing could run, or which no policy can name.
pub(super) fn report_flaws(asked: &LimitsRequest, problems: &mut Problems) {
    let section = "limits";
    report_flaw(section, MEMORY, asked.memory, problems);
    report_flaw(section, FUEL, asked.fuel.map(FuelLimit::AtMost), problems);
    report_flaw(section, TIME, asked.time, problems);
    report_flaw(section, CPU, asked.cpu, problems);
    report_flaw(section, DISK, asked.disk, problems);
    report_flaw(section, FILES, asked.files, problems);
    report_flaw(section, PROCESSES, asked.processes, problems);
    report_flaw(section, HANDLES, asked.handles, problems);
    report_flaw(section, OUTPUT, asked.output, problems);
}

/// Reports limits of a call under which nothing could run, or which no policy can name or enforce.
pub(super) fn report_call_flaws(section: &str, limits: &CallLimits, metering: Metering, problems: &mut Problems) {
    report_flaw(section, MEMORY, limits.memory, problems);
    report_flaw(section, FUEL, limits.fuel, problems);
    report_flaw(section, TIME, limits.time, problems);
    report_flaw(section, OUTPUT, limits.output, problems);
    if metering == Metering::Time && limits.fuel.is_some() {
        problems.report(format!("{section}.fuel"), UNCOUNTED_FUEL);
    }
}

fn report_flaw<T: Amount>(section: &str, key: Key, amount: Option<T>, problems: &mut Problems) {
    let path = || format!("{section}.{}", key.name);
    match amount {
        Some(amount) if amount.is_zero() && key.zero == Zero::Refused => {
            problems.report(path(), "must be more than zero");
        }
        Some(amount) if amount.is_unwritable() => {
            problems.report(path(), format_args!("must be at most {MAX_INTEGER}"));
        }
        Some(_) | None => {}
    }
}
