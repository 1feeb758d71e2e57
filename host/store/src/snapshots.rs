//! Taking snapshots, and what can be done with one.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::time::SystemTime;

use crate::head::{GoingBack, Head};
use crate::log::{Change, Expected, Fact, Space};
use crate::snapshot::{Fixed, Record, check_name};
use crate::tree::{ChangeKind, Root, diff};
use crate::{
    Changes, Details, Durability, Error, Kind, Line, Result, Since, Snapshot, SnapshotId, Store, Version, owner,
};

/// The fewest digits of an id which are taken for it.
const PREFIX_MIN: usize = 6;

/// How often something is tried where others are first.
const TRIES: usize = 10;

impl Store {
    /// Takes a snapshot of the directory of a line, which nobody may change meanwhile.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the name is taken, or something in the directory changes meanwhile;
    /// [`Kind::InvalidInput`] for details which cannot be; [`Kind::Exhausted`] on a full disk.
    pub fn take(
        &self,
        line: &mut Line,
        directory: BorrowedFd<'_>,
        since: Since,
        details: &Details,
        durability: Durability,
    ) -> Result<Snapshot> {
        let taken = self.take_and(line, directory, since, details, durability, |_| Ok(None))?;
        Ok(taken.0)
    }

    /// As [`take`](Self::take), and says in the same commit what is going to be done to the directory.
    pub(crate) fn take_and(
        &self,
        line: &mut Line,
        directory: BorrowedFd<'_>,
        since: Since,
        details: &Details,
        durability: Durability,
        next: impl FnOnce(&Root) -> Result<Option<GoingBack>>,
    ) -> Result<(Snapshot, Head, Root)> {
        let _lease = self.log.lease();
        line.note(since);
        details.check()?;
        let head = self.head(line.owner())?;
        if let Some(going_back) = &head.going_back {
            let message = format!(
                "a rollback of {} to {} was interrupted, and has to be resumed first",
                line.owner(),
                going_back.target
            );
            return Err(Error::new(Kind::Conflict, message));
        }
        if self.root_of(line.owner(), line.relies_on())?.is_none() {
            line.forget();
        }
        let parent = self.root_of(line.owner(), head.snapshot)?;
        let captured = line.capture(directory, &self.log)?;
        let owner = line.owner();
        let record = Record {
            fixed: Fixed {
                owner: owner.to_owned(),
                parent: head.snapshot,
                taken: SystemTime::now().into(),
                changes: self.count_changes(parent, &captured.root)?,
                root: captured.root,
                skipped: captured.skipped,
                nonce: rand::random(),
            },
            description: details.description.clone(),
            labels: details.labels.clone(),
            pinned: details.pinned,
        };
        let id = record.id()?;
        let head = Head {
            snapshot: Some(id),
            going_back: next(&captured.root)?,
        };
        let mut changes = vec![snapshot_change(owner, id, Some(&record))?, head.change(owner)?];
        if let Some(name) = &details.name {
            changes.push(name_change(owner, name, Some(id), Expected::Absent)?);
        }
        if let Err(error) = self.log.commit(changes, durability) {
            line.forget();
            return Err(error);
        }
        line.stands_at(id);
        Ok((
            record.told(id, details.name.iter().cloned().collect()),
            head,
            captured.root,
        ))
    }

    /// The files of a snapshot; `None` where it was deleted, or is none.
    fn root_of(&self, owner: &str, id: Option<SnapshotId>) -> Result<Option<Root>> {
        let Some(id) = id else {
            return Ok(None);
        };
        match self.record(owner, id) {
            Ok(record) => Ok(Some(record.fixed.root)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn count_changes(&self, before: Option<Root>, after: &Root) -> Result<Changes> {
        let mut changes = Changes::default();
        let unknown = Changes {
            added: after.totals.names,
            ..Changes::default()
        };
        let Some(before) = before else {
            return Ok(unknown);
        };
        for change in diff(&before, after, &self.log) {
            let change = match change {
                // What the parent was is damaged, which is no reason to take no snapshot.
                Err(error) if error.kind() == Kind::Corrupt => return Ok(unknown),
                change => change?,
            };
            match change.kind() {
                ChangeKind::Added => changes.added += 1,
                ChangeKind::Removed => changes.removed += 1,
                ChangeKind::Replaced | ChangeKind::Content | ChangeKind::Metadata => changes.changed += 1,
            }
        }
        Ok(changes)
    }

    /// The snapshots of an owner, the oldest first.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub fn snapshots(&self, owner: &str) -> Result<Vec<Snapshot>> {
        let mut names: HashMap<SnapshotId, Vec<String>> = HashMap::new();
        for (name, id) in self.names(owner)? {
            names.entry(id).or_default().push(name);
        }
        let mut snapshots = Vec::new();
        for (_, _, value) in self.log.scan(Space::Snapshot, &owner::prefix(owner)?)? {
            let record = Record::decode(&value)?;
            let id = record.id()?;
            snapshots.push(record.told(id, names.remove(&id).unwrap_or_default()));
        }
        snapshots.sort_by_key(|snapshot| (snapshot.taken, snapshot.id));
        Ok(snapshots)
    }

    /// How many snapshots an owner has.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where the catalogue cannot be read.
    pub fn count_snapshots(&self, owner: &str) -> Result<usize> {
        Ok(self.log.versions(Space::Snapshot, &owner::prefix(owner)?)?.len())
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn snapshot(&self, owner: &str, id: SnapshotId) -> Result<Snapshot> {
        let record = self.record(owner, id)?;
        let names = self.names(owner)?.into_iter();
        Ok(record.told(
            id,
            names
                .filter_map(|(name, named)| (named == id).then_some(name))
                .collect(),
        ))
    }

    /// The snapshot which is meant by a name, an id, or at least six digits with which one id alone begins.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for none, [`Kind::Conflict`] for several.
    pub fn find_snapshot(&self, owner: &str, text: &str) -> Result<SnapshotId> {
        if let Some((_, id)) = self.log.newest(Space::Name, &owner::key(owner, text)?)? {
            return id_of(&id);
        }
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut found = Vec::new();
        if digits && text.len() >= PREFIX_MIN {
            let ids = self.snapshots(owner)?.into_iter().map(|snapshot| snapshot.id);
            found.extend(ids.filter(|id| id.to_string().starts_with(text)));
        }
        let shown: String = text.chars().take(70).collect();
        match found[..] {
            [id] => Ok(id),
            [] => Err(Error::new(Kind::NotFound, format!("{owner} has no snapshot {shown:?}"))),
            _ => {
                let message = format!("{shown:?} begins the ids of {} snapshots", found.len());
                Err(Error::new(Kind::Conflict, message))
            }
        }
    }

    /// Changes the description, the labels and the pin of a snapshot, by `edit`, which is called again where somebody else
    /// was first.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::InvalidInput`] for details which cannot be, a name among them: those are set by
    /// [`set_name`](Self::set_name); [`Kind::Conflict`] where others are first again and again.
    pub fn describe(&self, owner: &str, id: SnapshotId, edit: impl Fn(&mut Details)) -> Result<Snapshot> {
        for _ in 0..TRIES {
            let (version, mut record) = self.versioned(owner, id)?;
            let mut details = Details {
                name: None,
                description: record.description,
                labels: record.labels,
                pinned: record.pinned,
            };
            edit(&mut details);
            details.check()?;
            if details.name.is_some() {
                return Err(Error::new(Kind::InvalidInput, "a name is no part of a description"));
            }
            (record.description, record.labels, record.pinned) = (details.description, details.labels, details.pinned);
            let mut change = snapshot_change(owner, id, Some(&record))?;
            change.expected = Expected::Exactly(version);
            match self.log.commit(vec![change], Durability::Synced) {
                Err(error) if error.kind() == Kind::Conflict => {}
                done => return done.and_then(|_| self.snapshot(owner, id)),
            }
        }
        Err(Error::new(
            Kind::Conflict,
            format!("snapshot {id} is changed by others all the time"),
        ))
    }

    /// Deletes a snapshot, and the names which lead to it. Its room is free after a collection.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] where it is pinned.
    pub fn delete(&self, owner: &str, id: SnapshotId) -> Result<()> {
        let (version, record) = self.versioned(owner, id)?;
        if record.pinned {
            return Err(Error::new(
                Kind::Conflict,
                format!("snapshot {id} is pinned: unpin it first"),
            ));
        }
        let mut change = snapshot_change(owner, id, None)?;
        change.expected = Expected::Exactly(version);
        let mut changes = vec![change];
        for (name, named) in self.names(owner)? {
            if named == id {
                changes.push(name_change(owner, &name, None, Expected::Any)?);
            }
        }
        self.log.commit(changes, Durability::Synced)?;
        Ok(())
    }

    /// The names of an owner's snapshots, in order.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub fn names(&self, owner: &str) -> Result<BTreeMap<String, SnapshotId>> {
        let prefix = owner::prefix(owner)?;
        let mut names = BTreeMap::new();
        for (key, _, value) in self.log.scan(Space::Name, &prefix)? {
            names.insert(
                String::from_utf8_lossy(&key[prefix.len()..]).into_owned(),
                id_of(&value)?,
            );
        }
        Ok(names)
    }

    /// Has a name lead to this snapshot, and no longer to another.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for the snapshot, [`Kind::InvalidInput`] for what cannot be a name.
    pub fn set_name(&self, owner: &str, name: &str, id: SnapshotId) -> Result<()> {
        check_name(name)?;
        let (version, record) = self.versioned(owner, id)?;
        // Said again, so that it cannot be deleted in between.
        let mut again = snapshot_change(owner, id, Some(&record))?;
        again.expected = Expected::Exactly(version);
        let changes = vec![again, name_change(owner, name, Some(id), Expected::Any)?];
        self.log.commit(changes, Durability::Synced)?;
        Ok(())
    }

    /// Removes a name. The snapshot stays.
    ///
    /// # Errors
    /// [`Kind::NotFound`].
    pub fn remove_name(&self, owner: &str, name: &str) -> Result<()> {
        let Some((version, _)) = self.log.newest(Space::Name, &owner::key(owner, name)?)? else {
            return Err(Error::new(
                Kind::NotFound,
                format!("{owner} has no snapshot named {name:?}"),
            ));
        };
        let change = name_change(owner, name, None, Expected::Exactly(version))?;
        self.log.commit(vec![change], Durability::Synced)?;
        Ok(())
    }

    pub(crate) fn record(&self, owner: &str, id: SnapshotId) -> Result<Record> {
        Ok(self.versioned(owner, id)?.1)
    }

    fn versioned(&self, owner: &str, id: SnapshotId) -> Result<(Version, Record)> {
        match self.log.newest(Space::Snapshot, &snapshot_key(owner, id)?)? {
            Some((version, value)) => Ok((version, Record::decode(&value)?)),
            None => Err(Error::new(Kind::NotFound, format!("{owner} has no snapshot {id}"))),
        }
    }
}

pub(crate) fn snapshot_key(owner: &str, id: SnapshotId) -> Result<Vec<u8>> {
    Ok([&owner::prefix(owner)?, id.as_bytes()].concat())
}

/// The owner and the id in the key of a snapshot.
pub(crate) fn of_key(key: &[u8]) -> Option<(String, SnapshotId)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let owner = String::from_utf8(key[..end].to_vec()).ok()?;
    Some((owner, SnapshotId::from_slice(&key[end + 1..])?))
}

fn snapshot_change(owner: &str, id: SnapshotId, record: Option<&Record>) -> Result<Change> {
    let fact = Fact {
        space: Space::Snapshot,
        key: snapshot_key(owner, id)?,
        value: record.map(Record::encode).transpose()?,
    };
    Ok(Change {
        fact,
        expected: Expected::Any,
    })
}

fn name_change(owner: &str, name: &str, id: Option<SnapshotId>, expected: Expected) -> Result<Change> {
    let fact = Fact {
        space: Space::Name,
        key: owner::key(owner, name)?,
        value: id.map(|id| id.as_bytes().to_vec()),
    };
    Ok(Change { fact, expected })
}

fn id_of(value: &[u8]) -> Result<SnapshotId> {
    let id = SnapshotId::from_slice(value);
    id.ok_or_else(|| Error::new(Kind::Corrupt, "a name does not lead to a snapshot"))
}
