//! What the server keeps of each sandbox beside the library: its policy's name, its labels, and how long it may live.
//!
//! A sandbox with a time to live is destroyed when that is over, whatever it does; one with an idle time when for so
//! long no process was in it and no request used it. One task sees to both: it wakes when the next is due, and looks at
//! all of them at least every [`SWEEP`]. What is due is decided under the lock under which it is renewed, so that a
//! sandbox which was renewed in time lives on, and one which is being destroyed cannot be renewed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use palisade::{Host, Kind, Sandbox, SandboxId};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::error::Failure;
use crate::labels;

/// How often all sandboxes are looked at, at least; and when what failed is tried again.
const SWEEP: Duration = Duration::from_secs(30);
/// How often at most, so that many which are due one after the other are few looks.
const REST: Duration = Duration::from_millis(100);
/// Sandboxes which are being destroyed at one time; others which are due wait.
const ENDING: usize = 64;

/// What is known of the sandboxes which were made here, or were given labels or times.
#[derive(Clone, Default)]
pub(crate) struct Lives(Arc<Shared>);

#[derive(Default)]
struct Shared {
    known: RwLock<HashMap<SandboxId, Life>>,
    /// Told when one may be due earlier than was known.
    changed: Notify,
}

/// What is kept of one.
#[derive(Clone)]
pub(crate) struct Life {
    /// `None` where the program around this server made it.
    pub policy: Option<Arc<str>>,
    pub labels: BTreeMap<String, String>,
    pub times: Times,
    uses: Arc<Uses>,
    state: State,
}

/// How requests use a sandbox.
struct Uses {
    since: Instant,
    /// Those which use it now.
    requests: AtomicUsize,
    /// When one used it last, or its idle time was set: milliseconds after `since`.
    used: AtomicU64,
}

impl Uses {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            requests: AtomicUsize::new(0),
            used: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        let used = self.since.elapsed().as_millis() as u64;
        self.used.fetch_max(used, Ordering::AcqRel);
    }

    fn used(&self) -> Instant {
        self.since + Duration::from_millis(self.used.load(Ordering::Acquire))
    }

    fn is_used(&self) -> bool {
        self.requests.load(Ordering::Acquire) > 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    /// It was due, and is being destroyed.
    Ending,
    /// It could not be destroyed, and is not tried again before then.
    Stuck(Instant),
}

/// How long a sandbox may live; without end where neither is there.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Times {
    pub end: Option<End>,
    pub idle: Option<Duration>,
}

/// When a time to live is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    at: Instant,
    /// As people are told, by the clock as it was when the time was set.
    pub told: Timestamp,
}

impl End {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        let told = SignedDuration::try_from(time)
            .ok()
            .and_then(|time| Timestamp::now().checked_add(time).ok());
        Self {
            at: Instant::now() + time,
            told: told.unwrap_or(Timestamp::MAX),
        }
    }
}

impl Life {
    fn new(policy: Option<Arc<str>>) -> Self {
        Self {
            policy,
            labels: BTreeMap::new(),
            times: Times::default(),
            uses: Arc::new(Uses::new()),
            state: State::Alive,
        }
    }

    pub(crate) fn of_policy(policy: &str) -> Self {
        Self::new(Some(policy.into()))
    }

    /// When it is to be looked at next: it is due where it would not be later then.
    fn due(&self, sandbox: &Sandbox, now: Instant) -> Option<Instant> {
        match self.state {
            State::Alive => {}
            State::Ending => return None,
            State::Stuck(until) => return Some(until),
        }
        let idle = self.times.idle.map(|idle| {
            let busy = self.uses.is_used() || !sandbox.processes().is_empty();
            let since = if busy {
                now
            } else {
                let used = self.uses.used();
                sandbox.last_ended().map_or(used, |ended| ended.max(used))
            };
            since + idle
        });
        self.times.end.map(|end| end.at).into_iter().chain(idle).min()
    }
}

impl Lives {
    /// What is kept of a sandbox, where something is.
    pub(crate) fn get(&self, id: SandboxId) -> Option<Life> {
        self.known().get(&id).cloned()
    }

    /// Whether a sandbox has the label that is asked for.
    pub(crate) fn has_label(&self, id: SandboxId, asked: &str) -> bool {
        self.known()
            .get(&id)
            .is_some_and(|life| labels::have(&life.labels, asked))
    }

    /// Keeps what is said of a new one.
    pub(crate) fn insert(&self, id: SandboxId, life: Life) {
        self.change_known().insert(id, life);
        self.0.changed.notify_one();
    }

    /// Forgets one which is gone.
    pub(crate) fn remove(&self, id: SandboxId) {
        self.change_known().remove(&id);
    }

    /// Changes what is kept of one which exists. Where `change` fails it must have changed nothing.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where its time is over already; what `change` fails with.
    pub(crate) fn change(
        &self,
        id: SandboxId,
        change: impl FnOnce(&mut Life) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut known = self.change_known();
        let life = known.entry(id).or_insert_with(|| Life::new(None));
        if life.state != State::Alive {
            return Err(Failure::of(Kind::Conflict, format!("sandbox {id}: its time is over")));
        }
        change(life)?;
        life.uses.touch();
        self.0.changed.notify_one();
        Ok(())
    }

    /// A request uses one, until this is dropped; `None` where nothing is kept of it.
    pub(crate) fn enter(&self, id: SandboxId) -> Option<InUse> {
        // Counted under the lock under which it is decided what is due.
        let known = self.known();
        let uses = &known.get(&id)?.uses;
        uses.requests.fetch_add(1, Ordering::AcqRel);
        Some(InUse(Arc::clone(uses)))
    }

    /// Destroys each sandbox whose time is over, and tells that to `forget`. It ends when it is dropped.
    pub(crate) async fn keep(self, host: Host, forget: impl Fn(SandboxId) + Clone + Send + 'static) {
        let mut ending = JoinSet::new();
        loop {
            while ending.try_join_next().is_some() {}
            let now = Instant::now();
            let (due, next) = self.take_due(&host, now, ENDING - ending.len());
            for (sandbox, why) in due {
                tracing::info!(sandbox = %sandbox.id(), "destroyed, since its {why} is over");
                ending.spawn(self.clone().end(sandbox, forget.clone()));
            }
            let next = next.unwrap_or(now + SWEEP).clamp(now + REST, now + SWEEP);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.0.changed.notified() => tokio::time::sleep(REST).await,
            }
        }
    }

    async fn end(self, sandbox: Sandbox, forget: impl Fn(SandboxId)) {
        let id = sandbox.id();
        match sandbox.destroy().await {
            Ok(()) => forget(id),
            Err(error) => {
                tracing::warn!(sandbox = %id, %error, "it cannot be destroyed, and is tried again");
                if let Some(life) = self.change_known().get_mut(&id) {
                    life.state = State::Stuck(Instant::now() + SWEEP);
                }
            }
        }
    }

    /// At most `most` which are to be destroyed now, each with what is over, and when the next may be. Forgets those
    /// which are gone.
    fn take_due(&self, host: &Host, now: Instant, most: usize) -> (Vec<(Sandbox, &'static str)>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        self.change_known().retain(|id, life| {
            let Ok(sandbox) = host.sandbox(*id) else {
                return life.uses.is_used();
            };
            match life.due(&sandbox, now) {
                None => {}
                Some(at) if at > now || due.len() == most => next = Some(next.map_or(at, |next| next.min(at))),
                Some(_) => {
                    life.state = State::Ending;
                    let lived = life.times.end.is_some_and(|end| end.at <= now);
                    due.push((sandbox, if lived { "time to live" } else { "idle time" }));
                }
            }
            true
        });
        (due, next)
    }

    fn known(&self) -> RwLockReadGuard<'_, HashMap<SandboxId, Life>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_known(&self) -> RwLockWriteGuard<'_, HashMap<SandboxId, Life>> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request which uses a sandbox.
pub(crate) struct InUse(Arc<Uses>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use palisade::policy::Policy;
    use palisade::{HostConfig, SandboxSpec};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct World {
        host: Host,
        lives: Lives,
        _task: JoinSet<()>,
        _state: tempfile::TempDir,
    }

    impl World {
        fn new() -> Self {
            let state = tempfile::tempdir().unwrap();
            let host = Host::open(HostConfig::new(state.path())).unwrap();
            let lives = Lives::default();
            let mut task = JoinSet::new();
            let known = lives.clone();
            task.spawn(lives.clone().keep(host.clone(), move |id| known.remove(id)));
            Self {
                host,
                lives,
                _task: task,
                _state: state,
            }
        }

        fn sandbox(&self, end: Option<Duration>, idle: Option<Duration>) -> SandboxId {
            let id = self.host.create(SandboxSpec::new(Policy::standard())).unwrap().id();
            let mut life = Life::of_policy("default");
            life.times = Times {
                end: end.map(End::after),
                idle,
            };
            self.lives.insert(id, life);
            id
        }

        async fn lives_after(&self, id: SandboxId, time: Duration) -> bool {
            tokio::time::sleep(time).await;
            self.host.sandbox(id).is_ok()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_to_live_ends_a_sandbox_and_can_be_renewed_before() {
        let world = World::new();
        let (short, forever) = (world.sandbox(Some(10 * SECOND), None), world.sandbox(None, None));
        assert!(world.lives_after(short, 9 * SECOND).await);
        let renew = |life: &mut Life| {
            life.times.end = Some(End::after(10 * SECOND));
            Ok(())
        };
        world.lives.change(short, renew).unwrap();
        assert!(world.lives_after(short, 9 * SECOND).await);
        assert!(!world.lives_after(short, 2 * SECOND).await);
        assert!(world.lives_after(forever, 1000 * SECOND).await);
        assert_eq!(world.lives.known().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_is_not_idle_until_the_use_is_over() {
        let world = World::new();
        let id = world.sandbox(None, Some(10 * SECOND));
        let used = world.lives.enter(id).unwrap();
        assert!(world.lives_after(id, 100 * SECOND).await);
        drop(used);
        assert!(world.lives_after(id, 9 * SECOND).await);
        drop(world.lives.enter(id).unwrap());
        assert!(world.lives_after(id, 9 * SECOND).await);
        assert!(!world.lives_after(id, 2 * SECOND).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_being_destroyed_cannot_be_renewed() {
        let world = World::new();
        let id = world.sandbox(Some(SECOND), None);
        let now = Instant::now() + SECOND;
        assert!(world.lives.take_due(&world.host, now, 0).0.is_empty());
        assert_eq!(world.lives.take_due(&world.host, now, 9).0.len(), 1);
        let refused = world.lives.change(id, |_| Ok(())).unwrap_err();
        assert_eq!(refused.into_body(None).kind, palisade_wire::Kind::Conflict);
        assert!(world.lives.take_due(&world.host, now, 9).0.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_is_forgotten() {
        let world = World::new();
        let id = world.sandbox(None, Some(SECOND * 1000));
        world.host.sandbox(id).unwrap().destroy().await.unwrap();
        tokio::time::sleep(SWEEP + SECOND).await;
        assert!(world.lives.known().is_empty());
    }
}
