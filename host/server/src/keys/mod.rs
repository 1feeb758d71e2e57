//! Keys: who may come in. One file for each in `STATE/keys`, with a digest of its secret and never the secret.

mod files;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use palisade::{Error, Kind, Result};

use self::files::{Files, KeyFile};
pub use self::text::KeyId;
use self::text::Secret;
use crate::Role;
use crate::seldom::Seldom;

/// How long a key works at most after another process has removed it.
const FRESH: Duration = Duration::from_secs(1);
/// Keys in one state directory.
const MAX_KEYS: usize = 1_000;

/// The keys of one state directory, which any number of processes may share. Cheap to clone.
///
/// A key that is made here works here at once, and elsewhere within a second; one that is removed stops likewise.
#[derive(Clone)]
pub struct Keys {
    inner: Arc<Inner>,
}

struct Inner {
    files: Files,
    /// Held while files are read or changed, so that what is known is never older than what was done here.
    changing: Mutex<()>,
    /// Whose turn it is to read for those who ask; the others wait, and use what was read.
    reading: Arc<tokio::sync::Mutex<()>>,
    unreadable: Seldom,
    known: RwLock<Known>,
}

/// What was read last.
struct Known {
    at: Instant,
    keys: HashMap<KeyId, KeyFile>,
}

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The part of its text which is no secret.
    pub id: KeyId,
    /// What it is good for.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it is the local key, which nobody made: see [`Keys::local`].
    pub local: bool,
}

impl Keys {
    /// Opens the keys in a state directory, which must be one that [`Host::open`](palisade::Host::open) takes: closed to
    /// others. Blocks on the file system for a moment.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where they cannot be read.
    pub fn open(state_dir: &Path) -> Result<Self> {
        let files = Files::open(state_dir)?;
        let known = Known {
            at: Instant::now(),
            keys: files.read()?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                files,
                changing: Mutex::default(),
                reading: Arc::default(),
                unreadable: Seldom::default(),
                known: RwLock::new(known),
            }),
        })
    }

    /// Makes a key, and returns its text, which is kept nowhere.
    ///
    /// # Errors
    /// [`Kind::Exhausted`] where there are 1,000; [`Kind::Unavailable`] where it cannot be written.
    pub fn create(&self, role: Role) -> Result<(KeyId, String)> {
        let _changing = self.inner.change()?;
        self.inner.make(role, false)
    }

    /// Every key, in the order of their ids.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where they cannot be read.
    pub fn list(&self) -> Result<Vec<Key>> {
        let _changing = self.inner.changing();
        self.inner.read()?;
        let known = self.inner.known();
        let mut keys: Vec<Key> = known
            .keys
            .iter()
            .map(|(id, file)| Key {
                id: *id,
                role: file.role,
                created: file.created,
                local: file.local,
            })
            .collect();
        keys.sort_unstable_by_key(|key| key.id);
        Ok(keys)
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Unavailable`] where it cannot be removed.
    pub fn remove(&self, id: KeyId) -> Result<()> {
        let _changing = self.inner.change()?;
        self.inner.remove(id)
    }

    /// Where the text of the local key is, for clients of the same user on this machine. It has the role admin, is made
    /// where there is none, and is the only one of its kind: those before it are removed.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn local(&self) -> Result<PathBuf> {
        let _changing = self.inner.change()?;
        let id = match self.inner.local_id()? {
            Some(id) => id,
            None => self.inner.make_local()?,
        };
        let locals = self.inner.known().locals();
        for other in locals.into_iter().filter(|other| *other != id) {
            self.inner.remove(other)?;
        }
        Ok(self.inner.files.local_path())
    }

    /// Whether there is a key which somebody made: any but the local one.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where they cannot be read.
    pub fn any_made(&self) -> Result<bool> {
        Ok(self.list()?.iter().any(|key| !key.local))
    }

    /// Whose key this is, and what it is good for; `None` where it is not one. What has not the form of a key costs
    /// nothing.
    pub(crate) async fn check(&self, text: &str) -> Option<(KeyId, Role)> {
        let (id, digest) = text::split(text)?;
        {
            let known = self.inner.known();
            if known.at.elapsed() < FRESH {
                return known.judge(id, digest);
            }
        }
        self.read_again().await?;
        self.inner.known().judge(id, digest)
    }

    /// Brings what is known up to date; `None` where that cannot be.
    async fn read_again(&self) -> Option<()> {
        let turn = Arc::clone(&self.inner.reading).lock_owned().await;
        let inner = Arc::clone(&self.inner);
        // It has the turn until it is done, even where nobody waits for it any more.
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            inner.refresh()
        });
        let error = match read.await.ok()? {
            Ok(()) => return Some(()),
            Err(error) => error,
        };
        if self.inner.unreadable.is_due() {
            tracing::error!(%error, "nobody is let in");
        }
        None
    }
}

impl Inner {
    /// Keeps all others from changing keys, and reads what there is.
    fn change(&self) -> Result<impl Sized> {
        let here = self.changing();
        let everywhere = self.files.lock()?;
        self.read()?;
        Ok((everywhere, here))
    }

    /// Makes a key. This and what follows are for who may change keys now.
    fn make(&self, role: Role, local: bool) -> Result<(KeyId, String)> {
        let count = self.known().keys.len();
        if count >= MAX_KEYS {
            return Err(Error::new(
                Kind::Exhausted,
                format!("there are {count} keys: remove some"),
            ));
        }
        let (id, secret) = (KeyId::random(), Secret::random());
        let file = KeyFile {
            role,
            created: now(),
            local,
            digest: secret.digest(),
        };
        self.files.write(id, &file)?;
        self.change_known().keys.insert(id, file);
        Ok((id, text::join(id, &secret)))
    }

    fn make_local(&self) -> Result<KeyId> {
        let (id, text) = self.make(Role::Admin, true)?;
        self.files.write_local(&text).inspect_err(|_| {
            // Nobody knows its text.
            let _ = self.remove(id);
        })?;
        Ok(id)
    }

    /// The local key, where its text is that of a key which there is.
    fn local_id(&self) -> Result<Option<KeyId>> {
        let text = self.files.read_local()?;
        let shown = text.as_deref().and_then(|text| text::split(text.trim()));
        let known = self.known();
        let judged = shown.and_then(|(id, digest)| known.judge(id, digest));
        Ok(judged.map(|(id, _)| id).filter(|id| known.locals().contains(id)))
    }

    fn remove(&self, id: KeyId) -> Result<()> {
        self.files.remove(id)?;
        self.change_known().keys.remove(&id);
        Ok(())
    }

    /// Reads all keys again, where what is known is not fresh.
    fn refresh(&self) -> Result<()> {
        let _changing = self.changing();
        if self.known().at.elapsed() < FRESH {
            return Ok(());
        }
        self.read()
    }

    /// Reads all keys, for who has `changing`.
    fn read(&self) -> Result<()> {
        // What happens while it reads is younger than it.
        let at = Instant::now();
        let keys = self.files.read()?;
        *self.change_known() = Known { at, keys };
        Ok(())
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_known(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn judge(&self, id: KeyId, digest: blake3::Hash) -> Option<(KeyId, Role)> {
        let file = self.keys.get(&id)?;
        // Compared in constant time.
        (file.digest == digest).then_some((id, file.role))
    }

    fn locals(&self) -> Vec<KeyId> {
        let locals = self.keys.iter().filter(|(_, file)| file.local);
        locals.map(|(id, _)| *id).collect()
    }
}

/// To the second, as it is told.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).expect("now is a time")
}

#[cfg(test)]
mod tests;
