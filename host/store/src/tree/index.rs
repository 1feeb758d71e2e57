//! Which inode is where in a tree, so that a change of an inode is found without looking at all of them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::node::{Time, Totals};
use crate::Digest;

/// As coarse as the clock of a file system may be, twice.
const SLACK: Duration = Duration::from_millis(20);

/// The inodes of a directory as it was captured for the last time.
///
/// It takes some 30 to 50 bytes for each name. The names themselves are in the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    top: u64,
    /// What changed from then on may not have been captured.
    as_of: Time,
    directories: HashMap<u64, Directory>,
    /// A directory in which an inode has names: the only one for most.
    parents: HashMap<u64, u64>,
    /// The others, for files with names in several.
    more_parents: HashMap<u64, Vec<u64>>,
}

/// What is known of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub node: Digest,
    pub totals: Totals,
    /// Those of the entries of the node, in their order.
    pub inodes: Box<[u64]>,
}

/// What became of a directory; `None` if its inode is something else now.
pub(super) type Update = (u64, Option<Directory>);

impl Index {
    pub(super) fn new(top: u64, as_of: Time, updates: Vec<Update>) -> Self {
        let mut index = Self {
            top,
            as_of,
            directories: HashMap::new(),
            parents: HashMap::new(),
            more_parents: HashMap::new(),
        };
        index.update(as_of, updates);
        index
    }

    pub(super) fn top(&self) -> u64 {
        self.top
    }

    pub(super) fn as_of(&self) -> Time {
        self.as_of
    }

    pub(super) fn directory(&self, inode: u64) -> Option<&Directory> {
        self.directories.get(&inode)
    }

    /// The directories in which an inode has names.
    pub(super) fn parents(&self, inode: u64) -> impl Iterator<Item = u64> {
        let more = self.more_parents.get(&inode).into_iter().flatten();
        self.parents.get(&inode).into_iter().chain(more).copied()
    }

    /// Takes over what was found in directories. What is in none any more is forgotten.
    pub(super) fn update(&mut self, as_of: Time, updates: Vec<Update>) {
        self.as_of = as_of;
        let mut came = Vec::new();
        let mut went = Vec::new();
        for (inode, directory) in updates {
            let known = self.directories.get_mut(&inode);
            if let (Some(known), Some(new)) = (known, &directory)
                && known.inodes == new.inodes
            {
                (known.node, known.totals) = (new.node, new.totals);
                continue;
            }
            let now = directory
                .as_ref()
                .map_or(Vec::new(), |directory| unique(&directory.inodes));
            let old = match directory {
                Some(directory) => self.directories.insert(inode, directory),
                None => self.directories.remove(&inode),
            };
            let before = old.map_or(Vec::new(), |directory| unique(&directory.inodes));
            came.extend(missing_in(&now, &before).map(|child| (child, inode)));
            went.extend(missing_in(&before, &now).map(|child| (child, inode)));
        }
        let mut gone: Vec<_> = went
            .into_iter()
            .filter_map(|(child, parent)| self.part(child, parent))
            .collect();
        for (child, parent) in came {
            self.join(child, parent);
        }
        while let Some(inode) = gone.pop() {
            self.forget_below(inode, &mut gone);
        }
    }

    /// Bytes it takes, about.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let children: usize = self
            .directories
            .values()
            .map(|directory| std::mem::size_of_val(&*directory.inodes))
            .sum();
        let more: usize = self.more_parents.values().map(Vec::capacity).sum();
        children
            + more * std::mem::size_of::<u64>()
            + self.directories.capacity() * std::mem::size_of::<(u64, Directory)>()
            + self.parents.capacity() * std::mem::size_of::<(u64, u64)>()
            + self.more_parents.capacity() * std::mem::size_of::<(u64, Vec<u64>)>()
    }

    /// All that it knows, by inode, whatever order it came in.
    #[cfg(test)]
    pub(super) fn facts(&self) -> std::collections::BTreeMap<u64, (Vec<u64>, Option<Directory>)> {
        let inodes = self
            .directories
            .keys()
            .chain(self.parents.keys())
            .chain(self.more_parents.keys());
        let facts = inodes.map(|inode| {
            let mut parents: Vec<_> = self.parents(*inode).collect();
            parents.sort_unstable();
            (*inode, (parents, self.directories.get(inode).cloned()))
        });
        facts.collect()
    }

    fn join(&mut self, child: u64, parent: u64) {
        let first = *self.parents.entry(child).or_insert(parent);
        if first != parent {
            self.more_parents.entry(child).or_default().push(parent);
        }
    }

    /// Takes a name away from an inode, and gives it back if that was the last.
    fn part(&mut self, child: u64, parent: u64) -> Option<u64> {
        let more = self.more_parents.get_mut(&child);
        if self.parents.get(&child) != Some(&parent) {
            let more = more?;
            more.retain(|other| *other != parent);
            if more.is_empty() {
                self.more_parents.remove(&child);
            }
            return None;
        }
        match more.and_then(Vec::pop) {
            Some(other) => {
                self.parents.insert(child, other);
                if self.more_parents.get(&child).is_some_and(Vec::is_empty) {
                    self.more_parents.remove(&child);
                }
                None
            }
            None => {
                self.parents.remove(&child);
                Some(child)
            }
        }
    }

    /// Forgets a directory which is in no other one, and the names in it.
    fn forget_below(&mut self, inode: u64, gone: &mut Vec<u64>) {
        if inode == self.top || self.parents.contains_key(&inode) {
            return;
        }
        let Some(directory) = self.directories.remove(&inode) else {
            return;
        };
        for child in unique(&directory.inodes) {
            gone.extend(self.part(child, inode));
        }
    }
}

/// The moment before which what changed is seen by everything that is looked at from now on.
pub(super) fn now() -> Time {
    let now = SystemTime::now() - SLACK;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
        nanoseconds: since.subsec_nanos(),
    }
}

fn unique(inodes: &[u64]) -> Vec<u64> {
    let mut unique = inodes.to_vec();
    unique.sort_unstable();
    unique.dedup();
    unique
}

/// What is in one and not in the other, both being sorted.
fn missing_in<'a>(one: &'a [u64], other: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    one.iter().copied().filter(|inode| other.binary_search(inode).is_err())
}
