//! The latest events of a host, each with an id.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade::{Delivery, Events, SandboxId};
use tokio::sync::watch;

use crate::tally::Tally;

/// Events which are kept.
const MOST: usize = 4_096;
/// The bytes which those may have together: a guest chooses what its own say.
const MOST_BYTES: usize = 4 << 20;

/// The place of an event: after so many of this run of the server. As text it is its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    run: u32,
    number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.run, self.number)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, number) = text.split_once('-').ok_or(())?;
        if run.len() != 8 {
            return Err(());
        }
        Ok(Self {
            run: u32::from_str_radix(run, 16).map_err(drop)?,
            number: number.parse().map_err(drop)?,
        })
    }
}

/// One event as it is sent.
#[derive(Debug)]
pub(super) struct Entry {
    pub sandbox: Option<SandboxId>,
    pub name: &'static str,
    /// JSON.
    pub data: String,
    /// Whether nothing follows it in its sandbox.
    pub ends_sandbox: bool,
}

/// What follows a position.
#[derive(Debug)]
pub(super) struct Read {
    /// Where what followed at once is not kept.
    pub missed: Option<Missed>,
    pub entries: Vec<(Position, Arc<Entry>)>,
}

/// Events which are no longer kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    /// How many; `None`: they were of another run.
    pub count: Option<u64>,
    /// The last of them.
    pub upto: Position,
}

/// A bounded log of what happens on a host, from when it was made.
pub(in crate::api) struct Log {
    /// Which run of the server this is, by chance.
    run: u32,
    kept: Mutex<Kept>,
    /// The number of the latest one; `None` once no more will come.
    latest: watch::Sender<Option<u64>>,
    followers: Tally,
    /// Events which came while it was too far behind.
    lost: AtomicU64,
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// The number of the latest one.
    last: u64,
}

impl Log {
    fn new() -> Self {
        Self {
            run: rand::random(),
            kept: Mutex::default(),
            latest: watch::Sender::new(Some(0)),
            followers: Tally::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// Keeps what comes of `events`, until the host ends or `closing` is true.
    pub(in crate::api) fn start(events: Events, closing: watch::Receiver<bool>) -> Arc<Self> {
        let log = Arc::new(Self::new());
        tokio::spawn(Arc::clone(&log).keep(events, closing));
        log
    }

    async fn keep(self: Arc<Self>, mut events: Events, mut closing: watch::Receiver<bool>) {
        loop {
            let delivery = tokio::select! {
                delivery = events.next() => delivery,
                _ = closing.wait_for(|closing| *closing) => None,
            };
            match delivery {
                Some(Delivery::Event(event)) => self.push(super::entry(&event)),
                // Nobody knows in which sandboxes.
                Some(Delivery::Missed(count)) => self.skip(count),
                None => break,
            }
        }
        self.latest.send_replace(None);
    }

    fn push(&self, entry: Entry) {
        let mut kept = self.kept();
        kept.bytes += entry.data.len();
        kept.entries.push_back(Arc::new(entry));
        kept.last += 1;
        while (kept.entries.len() > MOST || kept.bytes > MOST_BYTES)
            && let Some(oldest) = kept.entries.pop_front()
        {
            kept.bytes -= oldest.data.len();
        }
        self.latest.send_replace(Some(kept.last));
    }

    /// Counts events which were lost: what came before them is of no use to who has to be told of that.
    fn skip(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        let mut kept = self.kept();
        kept.entries.clear();
        kept.bytes = 0;
        kept.last += count;
        self.latest.send_replace(Some(kept.last));
    }

    /// Those who read it.
    pub(in crate::api) fn followers(&self) -> &Tally {
        &self.followers
    }

    /// How many events it could not keep.
    pub(in crate::api) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// After all that has happened.
    pub(super) fn end(&self) -> Position {
        Position {
            run: self.run,
            number: self.kept().last,
        }
    }

    /// Up to `most` entries after a position, once there are some; `None` when no more will come.
    pub(super) async fn read(&self, after: Position, most: usize) -> Option<Read> {
        let mut latest = self.latest.subscribe();
        loop {
            // Looked at before the entries, so that none which comes meanwhile is slept over.
            let has_ended = latest.borrow_and_update().is_none();
            let read = self.look(after, most);
            if read.missed.is_some() || !read.entries.is_empty() {
                return Some(read);
            }
            if has_ended || latest.changed().await.is_err() {
                return None;
            }
        }
    }

    fn look(&self, after: Position, most: usize) -> Read {
        let kept = self.kept();
        let first = kept.last - kept.entries.len() as u64 + 1;
        // A number of this run which is yet to come is none that it gave.
        let known = after.run == self.run && after.number <= kept.last;
        let from = if known { first.max(after.number + 1) } else { first };
        let missed = match known {
            true => Some(from - after.number - 1).filter(|count| *count > 0).map(Some),
            false => Some(None),
        };
        let entries = kept.entries.iter().skip((from - first) as usize).take(most);
        let positions = (from..).map(|number| Position { run: self.run, number });
        Read {
            missed: missed.map(|count| Missed {
                count,
                upto: Position {
                    run: self.run,
                    number: from - 1,
                },
            }),
            entries: positions.zip(entries.cloned()).collect(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(data: impl Into<String>) -> Entry {
        Entry {
            sandbox: None,
            name: "test",
            data: data.into(),
            ends_sandbox: false,
        }
    }

    async fn read(log: &Log, after: Position) -> (Option<Option<u64>>, Vec<String>) {
        let read = log.read(after, 10).await.unwrap();
        let data = read.entries.iter().map(|(_, entry)| entry.data.clone()).collect();
        (read.missed.map(|missed| missed.count), data)
    }

    #[tokio::test]
    async fn who_knows_an_event_gets_those_after_it() {
        let log = Log::new();
        let start = log.end();
        for data in ["a", "b", "c"] {
            log.push(entry(data));
        }
        let all = log.read(start, 10).await.unwrap();
        assert_eq!(read(&log, start).await.1, ["a", "b", "c"]);
        let text = all.entries[0].0.to_string();
        assert_eq!(
            read(&log, text.parse().unwrap()).await,
            (None, vec!["b".into(), "c".into()])
        );
    }

    #[tokio::test]
    async fn what_is_no_longer_kept_is_told_as_missed() {
        let log = Log::new();
        let start = log.end();
        for number in 0..MOST + 5 {
            log.push(entry(number.to_string()));
        }
        let (missed, data) = read(&log, start).await;
        assert_eq!((missed, data[0].as_str()), (Some(Some(5)), "5"));
        log.skip(7);
        let read = log.read(start, 10).await.unwrap();
        let missed = read.missed.unwrap();
        assert_eq!((missed.count, missed.upto), (Some(MOST as u64 + 12), log.end()));
        assert_eq!(log.lost(), 7);
        let other = Position {
            run: !log.run,
            number: 3,
        };
        assert_eq!(log.read(other, 10).await.unwrap().missed.unwrap().count, None);
    }

    #[test]
    fn what_guests_say_takes_bounded_memory() {
        let log = Log::new();
        for _ in 0..100 {
            log.push(entry("x".repeat(MOST_BYTES / 10)));
        }
        let kept = log.kept();
        assert!(kept.bytes <= MOST_BYTES && kept.entries.len() == 10 && kept.last == 100);
    }

    #[test]
    fn only_what_was_given_is_an_id() {
        for text in [
            "",
            "1",
            "-",
            "0-1",
            "000000001",
            "zzzzzzzz-1",
            "00000000-x",
            "00000000--1",
            "00000000-",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
