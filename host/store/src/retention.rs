//! Which snapshots stay.

use std::time::{Duration, SystemTime};

use crate::{Kind, Result, Snapshot, SnapshotId, Store};

/// What keeps a snapshot: any one of these does. Beside that, one which is pinned or has a name always stays, and so does
/// the one that the directory stands at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// As many of the latest ones stay.
    pub last: usize,
    /// Those no older than this stay.
    pub within: Duration,
    /// Those with any of these labels stay.
    pub labels: Vec<(String, String)>,
}

impl Store {
    /// Deletes the snapshots of an owner which nothing keeps, and returns their ids. Their room is free after a collection.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where one cannot be read.
    pub fn expire(&self, owner: &str, retention: &Retention, now: SystemTime) -> Result<Vec<SnapshotId>> {
        let snapshots = self.snapshots(owner)?;
        let head = self.head(owner)?;
        let going_to = head.going_back.map(|going_back| going_back.target);
        let older = snapshots.len().saturating_sub(retention.last);
        let mut deleted = Vec::new();
        for snapshot in &snapshots[..older] {
            let stands = [head.snapshot, going_to].contains(&Some(snapshot.id));
            if stands || retention.keeps(snapshot, now) {
                continue;
            }
            match self.delete(owner, snapshot.id) {
                // Somebody else deleted, pinned or named it meanwhile.
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Conflict) => {}
                done => {
                    done?;
                    deleted.push(snapshot.id);
                }
            }
        }
        Ok(deleted)
    }
}

impl Retention {
    fn keeps(&self, snapshot: &Snapshot, now: SystemTime) -> bool {
        let age = now.duration_since(snapshot.taken).unwrap_or_default();
        let labelled = |(key, value): &(String, String)| snapshot.labels.get(key) == Some(value);
        snapshot.pinned || !snapshot.names.is_empty() || age <= self.within || self.labels.iter().any(labelled)
    }
}
