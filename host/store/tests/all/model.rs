//! What a store has to hold, in plain maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsFd;

use palisade_store::{Kind, STATE_VERSIONS, Snapshot, SnapshotId, Store};
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::operation::{Answer, Operation};

pub(crate) const OWNER: &str = "box";

/// By what was said to the store, and what it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Model {
    /// By id.
    pub snapshots: BTreeMap<String, Known>,
    /// Ids, the oldest first.
    pub order: Vec<String>,
    pub names: BTreeMap<String, String>,
    /// Of each key, the oldest first.
    pub state: BTreeMap<String, Vec<Value>>,
    /// What may be the parent of the next snapshot; any of them is right.
    heads: Vec<Option<String>>,
    /// What an interrupted rollback has to lead to.
    pub going_back: Option<Image>,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub image: Image,
    parent: Option<String>,
    pub description: String,
    pub pinned: bool,
}

/// A version of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    version: u64,
    /// `None` where it was removed.
    pub value: Option<String>,
    /// Whether a collection came while it was removed: then it may be gone.
    forgotten: bool,
}

impl Model {
    /// Takes over what an operation did, and fails where it should not have done it.
    pub(crate) fn apply(&mut self, operation: &Operation, answer: &Answer) {
        let refusals = self.refusals(operation);
        if let Answer::Refused(kind) = answer {
            assert!(
                refusals.contains(kind),
                "{kind} for {operation:?}, not one of {refusals:?}"
            );
            return;
        }
        let may_be_done = !matches!(refusals[..], [_, ..]) || matches!(operation, Operation::RollBack { .. });
        assert!(may_be_done, "{answer:?} for {operation:?}, not one of {refusals:?}");
        match (operation, answer) {
            (
                Operation::Take {
                    image,
                    name,
                    description,
                    pinned,
                    ..
                },
                Answer::Taken { id, parent },
            ) => {
                self.took(id, parent, image, (description, *pinned));
                self.names.extend(name.iter().map(|name| (name.clone(), id.clone())));
            }
            (Operation::RollBack { to, before, after, .. }, Answer::Taken { id, parent }) => {
                let after = after.as_ref().expect("nothing was in the way");
                self.took(id, parent, before, ("", false));
                if self.snapshots.get(to).is_some_and(|target| target.image == *after) {
                    // With some paths it may be alike, but for what an image does not tell.
                    self.heads.push(Some(to.clone()));
                }
            }
            (Operation::Resume, Answer::Done) => self.going_back = None,
            (Operation::Delete { id }, Answer::Done) => {
                self.snapshots.remove(id);
                self.order.retain(|found| found != id);
                self.names.retain(|_, named| named != id);
            }
            (
                Operation::Describe {
                    id,
                    description,
                    pinned,
                },
                Answer::Done,
            ) => {
                let known = self.snapshots.get_mut(id).expect("it was not refused");
                (known.description, known.pinned) = (description.clone(), *pinned);
            }
            (Operation::SetName { name, id }, Answer::Done) => _ = self.names.insert(name.clone(), id.clone()),
            (Operation::RemoveName { name }, Answer::Done) => _ = self.names.remove(name),
            (Operation::Put { key, value, .. }, Answer::Version(version)) => self.put(key, *version, Some(value)),
            (Operation::Remove { key, .. }, Answer::Version(version)) => self.put(key, *version, None),
            (Operation::Collect, Answer::Done) => self.collected(),
            (Operation::Scrub | Operation::Sync, Answer::Done) => {}
            (operation, answer) => panic!("{answer:?} is no answer for {operation:?}"),
        }
    }

    fn took(&mut self, id: &str, parent: &Option<String>, image: &Image, (description, pinned): (&str, bool)) {
        let heads = match self.heads[..] {
            [] => &[None][..],
            _ => &self.heads,
        };
        assert!(heads.contains(parent), "{parent:?} is none of {heads:?}");
        let known = Known {
            image: image.clone(),
            parent: parent.clone(),
            description: description.to_owned(),
            pinned,
        };
        assert!(self.snapshots.insert(id.to_owned(), known).is_none());
        self.order.push(id.to_owned());
        self.heads = vec![Some(id.to_owned())];
    }

    fn put(&mut self, key: &str, version: u64, value: Option<&String>) {
        let history = self.state.entry(key.to_owned()).or_default();
        assert!(
            history.last().is_none_or(|last| last.version < version),
            "versions grow"
        );
        history.push(Value {
            version,
            value: value.cloned(),
            forgotten: false,
        });
    }

    fn collected(&mut self) {
        let removed = |history: &&mut Vec<Value>| history.last().is_some_and(|last| last.value.is_none());
        let forgotten = self.state.values_mut().filter(removed);
        forgotten.flatten().for_each(|value| value.forgotten = true);
    }

    /// The kinds of errors which may, or for most must come, if there are any.
    fn refusals(&self, operation: &Operation) -> Vec<String> {
        let missing = |id: &String| !self.snapshots.contains_key(id);
        let kinds = match operation {
            Operation::Take { name: Some(name), .. } if self.names.contains_key(name) => vec![Kind::Conflict],
            Operation::Delete { id } | Operation::Describe { id, .. } | Operation::SetName { id, .. }
                if missing(id) =>
            {
                vec![Kind::NotFound]
            }
            Operation::RollBack { to, .. } if missing(to) => vec![Kind::NotFound],
            Operation::RollBack { after: None, .. } => vec![Kind::InvalidInput],
            Operation::Delete { id } if self.snapshots[id].pinned => vec![Kind::Conflict],
            Operation::RemoveName { name } if !self.names.contains_key(name) => vec![Kind::NotFound],
            _ => vec![],
        };
        kinds.iter().map(|kind| format!("{kind:?}")).collect()
    }

    /// What a store does not hold as it has to, as far as that shows without restoring anything.
    pub(crate) fn differs(&self, store: &Store) -> Option<String> {
        let listed = store.snapshots(OWNER).unwrap();
        let ids: Vec<String> = listed.iter().map(|snapshot| snapshot.id.to_string()).collect();
        if ids != self.order {
            return Some(format!("snapshots {ids:?}, not {:?}", self.order));
        }
        if let Some(wrong) = listed.iter().find(|snapshot| !self.is_as_known(snapshot)) {
            let id = wrong.id.to_string();
            return Some(format!("{wrong:?}, not {:?}", self.snapshots[&id]));
        }
        let names = store.names(OWNER).unwrap().into_iter();
        let names: BTreeMap<_, _> = names.map(|(name, id)| (name, id.to_string())).collect();
        if names != self.names {
            return Some(format!("names {names:?}, not {:?}", self.names));
        }
        self.state_differs(store)
    }

    fn is_as_known(&self, snapshot: &Snapshot) -> bool {
        let id = snapshot.id.to_string();
        let known = &self.snapshots[&id];
        let names = self.names.iter().filter(|(_, named)| **named == id);
        let names: BTreeSet<&String> = names.map(|(name, _)| name).collect();
        snapshot.names.iter().collect::<BTreeSet<_>>() == names
            && snapshot.description == known.description
            && snapshot.pinned == known.pinned
            && snapshot.parent.map(|id| id.to_string()) == known.parent
            && (snapshot.files, snapshot.bytes) == (known.image.names(), known.image.bytes())
    }

    fn state_differs(&self, store: &Store) -> Option<String> {
        let keys = store.state_keys(OWNER, "").unwrap().into_iter();
        let keys: BTreeMap<_, _> = keys.map(|(key, version)| (key, version.as_u64())).collect();
        let newest = self
            .state
            .iter()
            .filter_map(|(key, history)| Some((key, history.last()?)));
        let there = newest.filter(|(_, last)| last.value.is_some());
        let expected: BTreeMap<_, _> = there.map(|(key, last)| (key.clone(), last.version)).collect();
        if keys != expected {
            return Some(format!("state {keys:?}, not {expected:?}"));
        }
        let mut histories = self.state.iter();
        histories.find_map(|(key, history)| history_differs(store, key, history))
    }

    /// Fails where a snapshot cannot be read, or `restored` ones are not what they were.
    pub(crate) fn check(&self, store: &Store, restored: impl Fn(usize) -> bool) {
        if let Some(difference) = self.differs(store) {
            panic!("{difference}");
        }
        let scratch = tempfile::tempdir().unwrap();
        for (number, id) in self.order.iter().enumerate() {
            let parsed: SnapshotId = id.parse().unwrap();
            if !restored(number) {
                continue;
            }
            let verified = store.verify(OWNER, parsed).unwrap();
            assert!(verified.damaged.is_empty(), "snapshot {id}: {verified:?}");
            let place = scratch.path().join(id);
            fs::create_dir(&place).unwrap();
            store
                .restore(OWNER, parsed, File::open(&place).unwrap().as_fd())
                .unwrap();
            Image::of(&place).assert_is(&self.snapshots[id].image, id);
            fs::remove_dir_all(place).unwrap();
        }
    }

    /// Whether an operation was done which was not acknowledged before its process ended.
    pub(crate) fn resolve(&self, operation: &Operation, store: &Store) -> Option<Answer> {
        match operation {
            Operation::Take { .. } | Operation::RollBack { .. } => {
                let listed = store.snapshots(OWNER).unwrap().into_iter();
                let mut new = listed.filter(|snapshot| !self.snapshots.contains_key(&snapshot.id.to_string()));
                new.next().map(|snapshot| Answer::taken(&snapshot))
            }
            Operation::Delete { id } => {
                let found = store.snapshot(OWNER, id.parse().unwrap());
                found
                    .is_err_and(|error| error.kind() == Kind::NotFound)
                    .then_some(Answer::Done)
            }
            Operation::Describe { id, description, .. } => {
                let found = store.snapshot(OWNER, id.parse().unwrap()).ok()?;
                (found.description == *description).then_some(Answer::Done)
            }
            Operation::SetName { .. } | Operation::RemoveName { .. } => {
                let names = store.names(OWNER).unwrap().into_iter();
                let names: BTreeMap<_, _> = names.map(|(name, id)| (name, id.to_string())).collect();
                (names != self.names).then_some(Answer::Done)
            }
            Operation::Put { key, .. } | Operation::Remove { key, .. } => {
                let (version, _) = store.state_history(OWNER, key).unwrap().pop()?;
                let last = self.state.get(key).and_then(|history| history.last());
                let is_new = last.is_none_or(|last| last.version < version.as_u64());
                is_new.then(|| Answer::Version(version.as_u64()))
            }
            Operation::Resume => store.interrupted(OWNER).unwrap().is_none().then_some(Answer::Done),
            // It may have done some of it.
            Operation::Collect => Some(Answer::Done),
            Operation::Scrub | Operation::Sync => None,
        }
    }
}

/// All that was said is there, but for what is too old, and what may be forgotten.
fn history_differs(store: &Store, key: &str, history: &[Value]) -> Option<String> {
    let found = store.state_history(OWNER, key).unwrap().into_iter();
    let found: BTreeMap<_, _> = found
        .map(|(version, value)| (version.as_u64(), value.map(|value| String::from_utf8(value).unwrap())))
        .collect();
    let said: BTreeMap<_, _> = history.iter().map(|value| (value.version, &value.value)).collect();
    let wrong = found.iter().find(|(version, value)| said.get(version) != Some(value));
    let latest = history.iter().rev().take(STATE_VERSIONS);
    let missing = latest
        .filter(|value| !value.forgotten)
        .find(|value| !found.contains_key(&value.version));
    if wrong.is_none() && missing.is_none() {
        return None;
    }
    let versions: Vec<_> = found.keys().collect();
    Some(format!(
        "history of {key:?}: wrong {wrong:?}, missing {missing:?} among {versions:?}"
    ))
}
