//! What is done to a store and a directory: chosen at random, told in words which another process reads, and done.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use palisade_store::{Details, Durability, Error, Expected, Line, Scope, Since, Snapshot, Store};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::image::Image;
use crate::model::{Model, OWNER};

const NAMES: [&str; 4] = ["stable", "last", "release-1", "x"];
const KEYS: [&str; 5] = ["a", "b", "b/c", "long", "z"];

/// Up to this many snapshots; then more are deleted.
const MANY: usize = 10;

/// With all that it has to lead to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    Take {
        image: Image,
        name: Option<String>,
        description: String,
        pinned: bool,
        durability: Said,
    },
    RollBack {
        to: String,
        paths: Vec<String>,
        keep: Vec<String>,
        before: Image,
        /// `None` where something is in the way.
        after: Option<Image>,
        durability: Said,
    },
    Resume,
    Delete {
        id: String,
    },
    /// With a description which no other had.
    Describe {
        id: String,
        description: String,
        pinned: bool,
    },
    SetName {
        name: String,
        id: String,
    },
    RemoveName {
        name: String,
    },
    Put {
        key: String,
        value: String,
        durability: Said,
    },
    Remove {
        key: String,
        durability: Said,
    },
    Collect,
    Scrub,
    Sync,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Taken { id: String, parent: Option<String> },
    Version(u64),
    Refused(String),
    Done,
}

/// [`Durability`], to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    Synced,
    Soon,
}

/// A store, and the directory of its one owner.
pub(crate) struct Site {
    pub folder: PathBuf,
}

impl Site {
    pub(crate) fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder.join("work").join(OWNER)).unwrap();
        Self {
            folder: folder.to_owned(),
        }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    pub(crate) fn catalogue(&self) -> PathBuf {
        self.folder.join("store/catalogue")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.join("work").join(OWNER)
    }

    pub(crate) fn image(&self) -> Image {
        Image::of(&self.work())
    }

    /// What may be done next.
    pub(crate) fn choose(&self, model: &Model, random: &mut ChaCha8Rng) -> Operation {
        let durability = [Said::Synced, Said::Soon][random.random_range(0..2)];
        let key = KEYS[random.random_range(0..KEYS.len())].to_owned();
        let name = NAMES[random.random_range(0..NAMES.len())].to_owned();
        let description = format!("{:x}", random.random::<u64>());
        let Some(id) = one_of(model.order.iter(), random) else {
            return self.take(None, description, durability, random);
        };
        if model.snapshots.len() > MANY && random.random_bool(0.7) {
            let pinned = model.snapshots[&id].pinned;
            return match pinned {
                true => Operation::Describe {
                    id,
                    description,
                    pinned: false,
                },
                false => Operation::Delete { id },
            };
        }
        match random.random_range(0..25) {
            0..6 => {
                let name = random.random_bool(0.3).then_some(name);
                self.take(name, description, durability, random)
            }
            6..11 => self.roll_back(model, id, durability, random),
            11 => Operation::Delete { id },
            12 => Operation::Describe {
                id,
                description,
                pinned: random.random_bool(0.3),
            },
            13 => Operation::SetName { name, id },
            14 => Operation::RemoveName { name },
            15..20 => {
                let value = description.repeat([1, 20, 200][random.random_range(0..3)]);
                Operation::Put { key, value, durability }
            }
            20 => Operation::Remove { key, durability },
            21..23 => Operation::Collect,
            23 => Operation::Scrub,
            _ => Operation::Sync,
        }
    }

    fn take(&self, name: Option<String>, description: String, durability: Said, random: &mut ChaCha8Rng) -> Operation {
        Operation::Take {
            image: self.image(),
            name,
            description,
            pinned: random.random_bool(0.1),
            durability,
        }
    }

    fn roll_back(&self, model: &Model, to: String, durability: Said, random: &mut ChaCha8Rng) -> Operation {
        let before = self.image();
        let target = &model.snapshots[&to].image;
        let mut paths = Vec::new();
        let mut keep = Vec::new();
        // An image does not tell which of two alike groups of names is the other's, as inodes do.
        let plain = !before.has_links() && !target.has_links();
        if plain && random.random_bool(0.4) {
            paths.extend(one_of(before.paths().iter(), random));
            paths.extend(one_of(target.paths().iter(), random));
        }
        if plain && random.random_bool(0.3) {
            keep.extend(one_of(before.paths().iter(), random));
        }
        let after = before.gone_back(target, &paths, &keep).ok();
        Operation::RollBack {
            to,
            paths,
            keep,
            before,
            after,
            durability,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What a store says that is no answer.
    pub(crate) fn perform(&self, store: &Store, operation: &Operation) -> Result<Answer, Error> {
        match operation {
            Operation::Take {
                name,
                description,
                pinned,
                durability,
                ..
            } => {
                let details = Details {
                    name: name.clone(),
                    description: description.clone(),
                    pinned: *pinned,
                    ..Details::default()
                };
                let directory = File::open(self.work()).unwrap();
                let (line, since) = (&mut Line::new(OWNER), Since::Unknown);
                let taken = store.take(line, directory.as_fd(), since, &details, (*durability).into())?;
                Ok(Answer::taken(&taken))
            }
            Operation::RollBack {
                to,
                paths,
                keep,
                durability,
                ..
            } => {
                let bytes = |paths: &[String]| paths.iter().map(|path| path.clone().into_bytes()).collect();
                let scope = Scope {
                    paths: bytes(paths),
                    keep: bytes(keep),
                };
                let (to, details) = (to.parse().unwrap(), Details::default());
                let directory = File::open(self.work()).unwrap();
                let (line, since) = (&mut Line::new(OWNER), Since::Unknown);
                let durability = (*durability).into();
                let done = store.roll_back(line, directory.as_fd(), since, to, &scope, &details, durability)?;
                Ok(Answer::taken(&done.before))
            }
            Operation::Resume => {
                let directory = File::open(self.work()).unwrap();
                store.resume(&mut Line::new(OWNER), directory.as_fd(), Durability::Synced)?;
                Ok(Answer::Done)
            }
            Operation::Delete { id } => done(store.delete(OWNER, id.parse().unwrap())),
            Operation::Describe {
                id,
                description,
                pinned,
            } => {
                let edit = |details: &mut Details| {
                    details.description.clone_from(description);
                    details.pinned = *pinned;
                };
                done(store.describe(OWNER, id.parse().unwrap(), edit))
            }
            Operation::SetName { name, id } => done(store.set_name(OWNER, name, id.parse().unwrap())),
            Operation::RemoveName { name } => done(store.remove_name(OWNER, name)),
            Operation::Put { key, value, durability } => {
                let newest = store.state(OWNER, key)?;
                let expected = newest.map_or(Expected::Absent, |entry| Expected::Exactly(entry.version));
                let version = store.put_state(OWNER, key, value.as_bytes(), expected, (*durability).into())?;
                Ok(Answer::Version(version.as_u64()))
            }
            Operation::Remove { key, durability } => {
                let version = store.remove_state(OWNER, key, Expected::Any, (*durability).into())?;
                Ok(Answer::Version(version.as_u64()))
            }
            Operation::Collect => {
                let collected = store.collect()?;
                assert_eq!(collected.damaged, 0, "{collected:?}");
                Ok(Answer::Done)
            }
            Operation::Scrub => {
                let scrub = store.scrub()?;
                assert!(scrub.damaged.is_empty() && scrub.snapshots.is_empty(), "{scrub:?}");
                Ok(Answer::Done)
            }
            Operation::Sync => done(store.sync()),
        }
    }

    /// Does it, and looks at the directory.
    pub(crate) fn perform_and_look(&self, store: &Store, operation: &Operation) -> Answer {
        let answer = self.perform(store, operation);
        let answer = answer.unwrap_or_else(|error| Answer::Refused(format!("{:?}", error.kind())));
        if let Operation::RollBack { before, after, .. } = operation {
            let expected = match &answer {
                Answer::Refused(_) => before,
                _ => after.as_ref().expect("nothing was in the way"),
            };
            self.image().assert_is(expected, "after a rollback");
        }
        answer
    }
}

impl Answer {
    pub(crate) fn taken(snapshot: &Snapshot) -> Self {
        Self::Taken {
            id: snapshot.id.to_string(),
            parent: snapshot.parent.map(|id| id.to_string()),
        }
    }
}

impl Operation {
    /// Whether it is on the disk when it is acknowledged.
    pub(crate) fn is_synced(&self) -> bool {
        match self {
            Self::Take { durability, .. }
            | Self::RollBack { durability, .. }
            | Self::Put { durability, .. }
            | Self::Remove { durability, .. } => *durability == Said::Synced,
            Self::Resume
            | Self::Delete { .. }
            | Self::Describe { .. }
            | Self::SetName { .. }
            | Self::RemoveName { .. }
            | Self::Sync => true,
            Self::Collect | Self::Scrub => false,
        }
    }
}

impl From<Said> for Durability {
    fn from(said: Said) -> Self {
        match said {
            Said::Synced => Self::Synced,
            Said::Soon => Self::Soon,
        }
    }
}

fn done<T>(done: Result<T, Error>) -> Result<Answer, Error> {
    done.map(|_| Answer::Done)
}

fn one_of<'a>(all: impl Iterator<Item = &'a String>, random: &mut ChaCha8Rng) -> Option<String> {
    let all: Vec<_> = all.collect();
    (!all.is_empty()).then(|| all[random.random_range(0..all.len())].clone())
}
