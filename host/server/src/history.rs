//! What sandboxes used lately: read every five seconds, and kept for five minutes.
//!
//! A reading is kept only where it differs from the one before it. So of a sandbox which does nothing one is kept, and
//! of one which always does something sixty: with all that is around them a third of a kilobyte, or at most 4. Of 10,000
//! sandboxes that is 3 MB, or at most 40.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use palisade::{Host, Sandbox, SandboxId, SandboxUsage, Totals};
use tokio::time::MissedTickBehavior;

/// How often it is read.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// Readings which are kept. There are as many points: one between each two of them, and one until now.
const KEPT: usize = 60;
/// A point of less time would tell of chance.
const BRIEF: Duration = Duration::from_secs(1);

/// What a sandbox, or all of them, use and have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    cpu_nanos: u64,
    read: u64,
    written: u64,
    pub memory: u64,
    pub disk: u64,
    pub processes: u32,
    sandboxes: u32,
}

/// What was used in the time before `at`, and at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub at: Timestamp,
    pub cpu_cores: f64,
    pub read_bytes_per_second: f64,
    pub written_bytes_per_second: f64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub processes: u32,
    pub sandboxes: u32,
}

/// The readings of a host.
#[derive(Default)]
pub(crate) struct History(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    ticks: VecDeque<Tick>,
    all: Series,
    sandboxes: HashMap<SandboxId, Series>,
}

/// A time at which everything was read.
#[derive(Debug, Clone, Copy)]
struct Tick {
    number: u64,
    at: Timestamp,
    instant: Instant,
}

/// The readings which differ from those before them, each with the number of its tick.
#[derive(Default)]
struct Series(VecDeque<(u64, Reading)>);

/// Reads everything, every [`INTERVAL`]. It has no end of its own.
pub(crate) async fn keep(host: Host, history: &History) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        history.read(&host, Instant::now());
    }
}

impl Reading {
    pub(crate) fn of(sandbox: &Sandbox) -> Self {
        Self::default().with(&sandbox.usage()).after(&sandbox.totals())
    }

    /// Of a host, and of what was used by sandboxes which are gone.
    pub(crate) fn of_all(sandboxes: &[Sandbox], totals: &Totals) -> Self {
        let usages = sandboxes.iter().map(Sandbox::usage);
        usages
            .fold(Self::default(), |sum, usage| sum.with(&usage))
            .after(totals)
    }

    fn with(self, usage: &SandboxUsage) -> Self {
        Self {
            memory: self.memory + usage.memory.as_bytes(),
            disk: self.disk + usage.disk.as_bytes(),
            processes: self.processes + usage.processes as u32,
            sandboxes: self.sandboxes + 1,
            ..self
        }
    }

    fn after(self, totals: &Totals) -> Self {
        Self {
            cpu_nanos: totals.host_time.as_nanos() as u64,
            read: totals.read.as_bytes(),
            written: totals.written.as_bytes(),
            ..self
        }
    }

    /// The point which this ends, where `before` was read for so long before it.
    fn since(&self, before: &Self, time: Duration, at: Timestamp) -> Point {
        let a_second = |now: u64, before: u64| match time.is_zero() {
            true => 0.0,
            false => now.saturating_sub(before) as f64 / time.as_secs_f64(),
        };
        Point {
            at,
            cpu_cores: a_second(self.cpu_nanos, before.cpu_nanos) / 1e9,
            read_bytes_per_second: a_second(self.read, before.read),
            written_bytes_per_second: a_second(self.written, before.written),
            memory_bytes: self.memory,
            disk_bytes: self.disk,
            processes: self.processes,
            sandboxes: self.sandboxes,
        }
    }
}

impl History {
    fn read(&self, host: &Host, now: Instant) {
        let sandboxes = host.sandboxes();
        let each: Vec<_> = sandboxes.iter().map(|one| (one.id(), Reading::of(one))).collect();
        self.add(now, Reading::of_all(&sandboxes, &host.totals()), &each);
    }

    fn add(&self, instant: Instant, all: Reading, each: &[(SandboxId, Reading)]) {
        let mut inner = self.lock();
        let number = inner.ticks.back().map_or(0, |last| last.number + 1);
        inner.ticks.push_back(Tick {
            number,
            at: Timestamp::now(),
            instant,
        });
        while inner.ticks.len() > KEPT {
            inner.ticks.pop_front();
        }
        let oldest = inner.ticks.front().map_or(0, |tick| tick.number);
        inner.all.add(number, all, oldest);
        for (sandbox, reading) in each {
            let series = inner.sandboxes.entry(*sandbox).or_default();
            series.add(number, *reading, oldest);
        }
        if inner.sandboxes.len() > each.len() {
            let live: std::collections::HashSet<_> = each.iter().map(|(sandbox, _)| *sandbox).collect();
            inner.sandboxes.retain(|sandbox, _| live.contains(sandbox));
        }
    }

    /// The points of all sandboxes, the last of which is what was read `now`.
    pub(crate) fn of_all(&self, read: Reading, now: Instant) -> Vec<Point> {
        let inner = self.lock();
        inner.all.points(&inner.ticks, read, now)
    }

    /// Those of one.
    pub(crate) fn of(&self, sandbox: SandboxId, read: Reading, now: Instant) -> Vec<Point> {
        let inner = self.lock();
        let none = Series::default();
        let series = inner.sandboxes.get(&sandbox).unwrap_or(&none);
        series.points(&inner.ticks, read, now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Series {
    fn add(&mut self, number: u64, reading: Reading, oldest: u64) {
        if self.0.back().is_none_or(|(_, last)| *last != reading) {
            self.0.push_back((number, reading));
        }
        // What was before the oldest tick, and holds for it, stays.
        while self.0.get(1).is_some_and(|(number, _)| *number <= oldest) {
            self.0.pop_front();
        }
    }

    /// What was read at a tick; `None` where there was nothing yet.
    fn at(&self, tick: &Tick) -> Option<Reading> {
        let after = self.0.partition_point(|(number, _)| *number <= tick.number);
        Some(self.0.get(after.checked_sub(1)?)?.1)
    }

    fn points(&self, ticks: &VecDeque<Tick>, read: Reading, now: Instant) -> Vec<Point> {
        let since = |tick: &Tick| now.saturating_duration_since(tick.instant);
        let is_brief = ticks.len() > 1 && ticks.back().is_some_and(|tick| since(tick) < BRIEF);
        let count = ticks.len() - usize::from(is_brief);
        let pairs = ticks.iter().zip(ticks.iter().skip(1)).take(count.saturating_sub(1));
        let mut points: Vec<Point> = pairs
            .filter_map(|(from, to)| {
                // Before the first of them it was not there, and had used nothing.
                let before = self.at(from).unwrap_or_default();
                Some(self.at(to)?.since(&before, to.instant - from.instant, to.at))
            })
            .collect();
        let last = count.checked_sub(1).and_then(|last| ticks.get(last));
        let before = last.and_then(|tick| self.at(tick)).unwrap_or_default();
        points.push(read.since(&before, last.map_or(Duration::ZERO, since), Timestamp::now()));
        points
    }
}

#[cfg(test)]
mod tests {
    use palisade::policy::Policy;
    use palisade::testing::{self, Behaviour};
    use palisade::{Command, SandboxSpec};

    use super::*;

    fn id(number: u64) -> SandboxId {
        format!("{number:016x}").parse().unwrap()
    }

    fn reading(cpu_seconds: u64, memory: u64) -> Reading {
        Reading {
            cpu_nanos: cpu_seconds * 1_000_000_000,
            memory,
            read: cpu_seconds * 10,
            sandboxes: 1,
            ..Reading::default()
        }
    }

    fn cores(points: &[Point]) -> Vec<f64> {
        points.iter().map(|point| point.cpu_cores).collect()
    }

    #[test]
    fn a_point_tells_of_the_time_since_the_one_before_it() {
        let (history, start) = (History::default(), Instant::now());
        history.add(start, reading(7, 0), &[(id(1), reading(7, 0))]);
        let later = [(id(1), reading(17, 5)), (id(2), reading(5, 0))];
        history.add(start + INTERVAL, reading(17, 5), &later);
        let now = start + INTERVAL * 3 / 2;
        let points = history.of(id(1), reading(22, 6), now);
        assert_eq!(cores(&points), [2.0, 2.0]);
        assert_eq!((points[0].memory_bytes, points[1].memory_bytes), (5, 6));
        assert_eq!(points[0].read_bytes_per_second, 20.0);
        // It was made in between, and so had used nothing.
        assert_eq!(cores(&history.of(id(2), reading(5, 0), now)), [1.0, 0.0]);
        // It is not older than the latest reading.
        assert_eq!(cores(&history.of(id(3), reading(5, 0), now)), [2.0]);
        assert_eq!(cores(&history.of_all(reading(17, 5), now)), [2.0, 0.0]);
    }

    #[test]
    fn a_point_of_now_is_never_of_a_brief_time_where_there_was_more() {
        let (history, start) = (History::default(), Instant::now());
        let points = history.of(id(1), reading(9, 1), start);
        assert_eq!((cores(&points), points[0].memory_bytes), (vec![0.0], 1));
        history.add(start, reading(0, 0), &[(id(1), reading(0, 0))]);
        history.add(start + INTERVAL, reading(5, 0), &[(id(1), reading(5, 0))]);
        let points = history.of(id(1), reading(6, 0), start + INTERVAL + Duration::from_millis(1));
        assert_eq!(points.len(), 1);
        assert!((points[0].cpu_cores - 6.0 / 5.001).abs() < 1e-9, "{points:?}");
    }

    #[test]
    fn so_many_are_kept_and_what_does_nothing_takes_one() {
        let (history, start) = (History::default(), Instant::now());
        let at = |number: u64| start + INTERVAL * number as u32;
        for number in 0..200 {
            let each = [(id(1), reading(number, 0)), (id(2), reading(3, 8))];
            history.add(at(number), Reading::default(), &each);
        }
        let busy = history.of(id(1), reading(200, 0), at(200));
        let idle = history.of(id(2), reading(3, 9), at(200));
        assert_eq!((busy.len(), idle.len()), (KEPT, KEPT));
        assert!(busy.iter().all(|point| point.cpu_cores == 0.2), "{busy:?}");
        let (last, before) = idle.split_last().unwrap();
        assert_eq!((last.cpu_cores, last.memory_bytes), (0.0, 9));
        assert!(
            before
                .iter()
                .all(|point| (point.cpu_cores, point.memory_bytes) == (0.0, 8))
        );
        assert!(busy.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let kept = [1, 2].map(|number| history.lock().sandboxes[&id(number)].0.len());
        assert_eq!(kept, [KEPT, 1]);
        let room = history.lock().sandboxes[&id(1)].0.capacity();
        assert!(room * size_of::<(u64, Reading)>() < 3_700, "{room}");
        history.add(at(200), Reading::default(), &[(id(2), reading(3, 8))]);
        assert_eq!(history.lock().sandboxes.len(), 1, "one is gone");
    }

    #[tokio::test]
    async fn what_lives_is_read_and_none_of_it_is_kept_alive() {
        let state = tempfile::tempdir().unwrap();
        let host = testing::host(state.path()).unwrap();
        let (history, start) = (History::default(), Instant::now());
        let sandbox = host.create(SandboxSpec::new(Policy::standard())).unwrap();
        let hanging = Command::new(&testing::program(Behaviour::Hang));
        let _process = sandbox.spawn(hanging).unwrap();
        history.read(&host, start);
        history.read(&host, start + INTERVAL);
        let now = start + INTERVAL * 2;
        let points = history.of(sandbox.id(), Reading::of(&sandbox), now);
        assert_eq!(points.iter().map(|point| point.processes).collect::<Vec<_>>(), [1, 1]);
        sandbox.destroy().await.unwrap();
        history.read(&host, now);
        let all = history.of_all(Reading::of_all(&host.sandboxes(), &host.totals()), now + INTERVAL);
        let told = |point: &Point| (point.sandboxes, point.processes);
        assert_eq!(all.iter().map(told).collect::<Vec<_>>(), [(1, 1), (0, 0), (0, 0)]);
        assert!(history.lock().sandboxes.is_empty());
    }
}
