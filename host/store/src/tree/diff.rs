//! What differs between two trees. Equal subtrees are not looked at.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::node::{Blobs, Body, Entry, Node, Root};
use crate::{Digest, Result};

/// A path, and what it stood for and stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Names with `/` between them; empty for the directory itself.
    pub path: Vec<u8>,
    pub before: Option<Entry>,
    pub after: Option<Entry>,
}

/// How a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    /// It is something else now, as a file where a directory was.
    Replaced,
    /// The bytes of a file or the target of a symlink, and maybe the mode and the time.
    Content,
    /// The mode or the time, or whether a file has holes and several names.
    Metadata,
}

impl Change {
    pub(crate) fn kind(&self) -> ChangeKind {
        match (&self.before, &self.after) {
            (None, _) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(before), Some(after)) => match (&before.body, &after.body) {
                (Body::File(one), Body::File(other)) if (one.size, &one.content) == (other.size, &other.content) => {
                    ChangeKind::Metadata
                }
                (Body::Symlink { target: one }, Body::Symlink { target: other }) if one == other => {
                    ChangeKind::Metadata
                }
                (Body::File(_), Body::File(_)) | (Body::Symlink { .. }, Body::Symlink { .. }) => ChangeKind::Content,
                (Body::Directory { .. }, Body::Directory { .. }) => ChangeKind::Metadata,
                _ => ChangeKind::Replaced,
            },
        }
    }
}

/// All changes from `before` to `after`: each directory before what is in it, and names in the order of their bytes.
///
/// A directory which is on one side only comes with all that is below it. One which is on both sides comes itself if its
/// mode or time differ. Memory is that for the directories on the way down. After an error there is nothing more.
pub(crate) fn diff<'a, B: Blobs>(before: &Root, after: &Root, blobs: &'a B) -> Diff<'a, B> {
    let pair = (root_entry(before), root_entry(after));
    Diff {
        blobs,
        path: Vec::new(),
        folders: Vec::new(),
        next: Some((Some(pair.0), Some(pair.1))),
    }
}

/// The iterator which [`diff`] gives.
pub(crate) struct Diff<'a, B> {
    blobs: &'a B,
    path: Vec<u8>,
    folders: Vec<Folder>,
    /// The directories themselves, at the start.
    next: Option<Pair>,
}

/// What a name stands for on both sides.
pub(super) type Pair = (Option<Entry>, Option<Entry>);

struct Folder {
    pairs: Pairs,
    /// How long the path is without what is in it.
    path: usize,
}

impl<B: Blobs> Diff<'_, B> {
    fn step(&mut self) -> Result<Option<Change>> {
        while let Some(pair) = self.pair() {
            let shown = is_shown(&pair).then(|| Change {
                path: self.path.clone(),
                before: pair.0.clone(),
                after: pair.1.clone(),
            });
            let (before, after) = (node_of(&pair.0), node_of(&pair.1));
            if before != after {
                self.folders.push(Folder {
                    pairs: Pairs::load(before, after, self.blobs)?,
                    path: self.path.len(),
                });
            }
            if shown.is_some() {
                return Ok(shown);
            }
        }
        Ok(None)
    }

    /// The next pair that differs, with the path set to it.
    fn pair(&mut self) -> Option<Pair> {
        if let Some(first) = self.next.take() {
            return Some(first);
        }
        while let Some(folder) = self.folders.last_mut() {
            self.path.truncate(folder.path);
            if let Some(pair) = folder.pairs.next() {
                if !self.path.is_empty() {
                    self.path.push(b'/');
                }
                self.path.extend_from_slice(name_of(&pair));
                return Some(pair);
            }
            self.folders.pop();
        }
        None
    }
}

impl<B: Blobs> Iterator for Diff<'_, B> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.folders.clear();
        }
        step.transpose()
    }
}

/// The names in two directories which do not stand for the same.
pub(super) struct Pairs {
    before: Peekable<IntoIter<Entry>>,
    after: Peekable<IntoIter<Entry>>,
}

impl Pairs {
    /// Those of two nodes, an absent one being as an empty directory.
    pub(super) fn load(before: Option<Digest>, after: Option<Digest>, blobs: &impl Blobs) -> Result<Self> {
        let entries = |digest: Option<Digest>| {
            let node = digest.map_or_else(|| Ok(Node::default()), |digest| Node::get(blobs, &digest));
            node.map(|node| node.entries.into_iter().peekable())
        };
        Ok(Self {
            before: entries(before)?,
            after: entries(after)?,
        })
    }

    fn pair(&mut self) -> Pair {
        let order = match (self.before.peek(), self.after.peek()) {
            (Some(before), Some(after)) => before.name.cmp(&after.name),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => (self.before.next(), None),
            Ordering::Equal => (self.before.next(), self.after.next()),
            Ordering::Greater => (None, self.after.next()),
        }
    }
}

impl Iterator for Pairs {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            match self.pair() {
                (None, None) => return None,
                (before, after) if before == after => {}
                pair => return Some(pair),
            }
        }
    }
}

/// The name of a pair, of which at least one side is there.
pub(super) fn name_of(pair: &Pair) -> &[u8] {
    let entry = pair.0.as_ref().or(pair.1.as_ref());
    entry.map_or(&[], |entry| &entry.name)
}

/// That of a directory.
pub(super) fn node_of(entry: &Option<Entry>) -> Option<Digest> {
    match entry.as_ref()?.body {
        Body::Directory { node, .. } => Some(node),
        Body::File(_) | Body::Symlink { .. } => None,
    }
}

/// Directories which are there on both sides differ by what they contain, which is shown by itself.
fn is_shown((before, after): &Pair) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            let both = matches!(
                (&before.body, &after.body),
                (Body::Directory { .. }, Body::Directory { .. })
            );
            !both || before.meta != after.meta
        }
        _ => true,
    }
}

fn root_entry(root: &Root) -> Entry {
    Entry {
        name: Vec::new(),
        meta: root.meta,
        body: Body::Directory {
            node: root.node,
            totals: root.totals,
        },
    }
}
