//! What was made for whom, so that a client which did not hear the answer may ask again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use palisade::{Kind, SandboxId};

use crate::KeyId;
use crate::error::Failure;
use crate::headers::only;

/// How long an answer is remembered.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Answers which are remembered, those of all keys together; the oldest is forgotten for one more.
const MOST: usize = 10_000;
/// The longest `Idempotency-Key`, in bytes.
const MAX_NAME: usize = 255;

/// The name which a client gave to a request: its digest, so that all are of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name(blake3::Hash);

impl Name {
    /// The name in the head of a request, if there is one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        match only(headers, "idempotency-key") {
            Ok(None) => Ok(None),
            Ok(Some(text)) if (1..=MAX_NAME).contains(&text.len()) => Ok(Some(Self(blake3::hash(text.as_bytes())))),
            _ => {
                let message =
                    format!("the header idempotency-key is there once, with 1 to {MAX_NAME} visible characters");
                Err(Failure::of(Kind::InvalidInput, message))
            }
        }
    }
}

/// Whether it was made for this request or for an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Known,
}

/// All that was made under a name.
#[derive(Default)]
pub(super) struct Made(Mutex<Remembered>);

/// Whose request, and its name.
type Request = (KeyId, Name);

#[derive(Default)]
struct Remembered {
    answers: HashMap<Request, Arc<Answer>>,
    /// The oldest first.
    order: VecDeque<(Instant, Request)>,
}

/// What was made; `None` until then. Who makes it holds the lock.
type Answer = Mutex<Option<(blake3::Hash, SandboxId)>>;

impl Made {
    /// What was made for the same name and body, or else what `make` makes. Requests with one name wait for each other
    /// here, so that two at one time make one.
    ///
    /// # Errors
    /// [`Kind::Conflict`] for another body under the same name; whatever `make` fails with, which is not remembered.
    pub(super) fn once(
        &self,
        key: KeyId,
        name: Name,
        body: blake3::Hash,
        make: impl FnOnce() -> Result<SandboxId, Failure>,
    ) -> Result<(SandboxId, Novelty), Failure> {
        let answer = self.remembered().answer((key, name), Instant::now());
        let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        match *answer {
            Some((of, sandbox)) if of == body => Ok((sandbox, Novelty::Known)),
            Some(_) => {
                let message = "this idempotency-key came with another body before";
                Err(Failure::of(Kind::Conflict, message))
            }
            None => {
                let sandbox = make()?;
                *answer = Some((body, sandbox));
                Ok((sandbox, Novelty::New))
            }
        }
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// What is remembered of a request, or the place for it. Forgets what is too old or too much.
    fn answer(&mut self, request: Request, now: Instant) -> Arc<Answer> {
        self.forget(now, MOST);
        if let Some(answer) = self.answers.get(&request) {
            return Arc::clone(answer);
        }
        self.forget(now, MOST - 1);
        self.order.push_back((now, request));
        Arc::clone(self.answers.entry(request).or_default())
    }

    fn forget(&mut self, now: Instant, most: usize) {
        while let Some((at, request)) = self.order.front()
            && (self.order.len() > most || now.duration_since(*at) >= AGE)
        {
            self.answers.remove(request);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> SandboxId {
        format!("{number:016x}").parse().unwrap()
    }

    fn key(number: usize) -> KeyId {
        format!("{number:016x}").parse().unwrap()
    }

    fn name(number: usize) -> Name {
        Name(blake3::hash(&number.to_le_bytes()))
    }

    #[test]
    fn one_name_and_body_make_one_thing_for_each_key() {
        let made = Made::default();
        let body = blake3::hash(b"{}");
        let once = |of, body, number| made.once(key(of), name(1), body, || Ok(id(number)));
        assert_eq!(once(1, body, 1).unwrap(), (id(1), Novelty::New));
        assert_eq!(once(1, body, 2).unwrap(), (id(1), Novelty::Known));
        assert_eq!(once(2, body, 3).unwrap(), (id(3), Novelty::New));
        assert!(once(1, blake3::hash(b"{ }"), 4).is_err());
    }

    #[test]
    fn what_failed_can_be_tried_again() {
        let made = Made::default();
        let body = blake3::hash(b"{}");
        let failed = made.once(key(1), name(1), body, || Err(Failure::of(Kind::Exhausted, "full")));
        assert!(failed.is_err());
        assert_eq!(
            made.once(key(1), name(1), body, || Ok(id(1))).unwrap(),
            (id(1), Novelty::New)
        );
    }

    #[test]
    fn two_at_one_time_make_one_and_keep_nobody_else_waiting() {
        let made = Made::default();
        let body = blake3::hash(b"{}");
        let (begun, wait) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let first = || {
                made.once(key(1), name(1), body, || {
                    begun.send(()).unwrap();
                    // While this is made, another is.
                    made.once(key(1), name(2), body, || Ok(id(2))).map(|_| id(1))
                })
            };
            let first = scope.spawn(first);
            wait.recv().unwrap();
            let second = made.once(key(1), name(1), body, || Ok(id(3))).unwrap();
            assert_eq!(second, (id(1), Novelty::Known));
            assert_eq!(first.join().unwrap().unwrap(), (id(1), Novelty::New));
        });
    }

    #[test]
    fn what_is_remembered_is_bounded_for_all_keys_together() {
        let made = Made::default();
        let body = blake3::hash(b"{}");
        for number in 0..=MOST {
            made.once(key(number % 3), name(number), body, || Ok(id(number)))
                .unwrap();
        }
        let all = made.remembered();
        assert_eq!((all.answers.len(), all.order.len()), (MOST, MOST));
        assert!(!all.answers.contains_key(&(key(0), name(0))));
        assert!(all.answers.contains_key(&(key(1), name(1))));
    }

    #[test]
    fn old_answers_are_forgotten_whoever_asks() {
        let mut all = Remembered::default();
        let now = Instant::now();
        all.answer((key(1), name(1)), now);
        all.answer((key(2), name(2)), now + AGE - Duration::from_secs(1));
        assert_eq!((all.answers.len(), all.order.len()), (2, 2));
        all.answer((key(2), name(2)), now + AGE);
        assert_eq!((all.answers.len(), all.order.len()), (1, 1));
        assert!(!all.answers.contains_key(&(key(1), name(1))));
    }

    #[test]
    fn a_name_comes_once() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("idempotency-key", value.parse().unwrap());
            }
            Name::of(&headers).map(|name| name.is_some()).ok()
        };
        assert_eq!((of(&[]), of(&["a"])), (Some(false), Some(true)));
        assert_eq!((of(&["a", "a"]), of(&[""])), (None, None));
    }
}
