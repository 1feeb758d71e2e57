//! Some paths of one tree in another: what going back for these paths alone leads to.

use super::failure::Shown;
use super::node::{Blobs, Body, Entry, Meta, Node, Root};
use super::patch::refuse_links;
use crate::{Digest, Error, Kind, Result};

/// `onto`, but with what `from` has at `paths`, which may be nothing. To have it in a directory, patch that.
///
/// Whatever is not at or below one of the paths stays, and that includes the modes and times of directories above them.
/// Of directories above which are not there only that one name is made, with the mode and time which they have in
/// `from`. Where one of them is something else than a directory by now, that would have to go, so this is
/// [`Kind::InvalidInput`]; where a file with several names would change, without the paths of the others being looked
/// at, [`Kind::Unsupported`].
///
/// An empty path stands for all. Each path costs as many nodes as it has names.
pub(crate) fn graft(onto: &Root, from: &Root, paths: &[Vec<u8>], blobs: &impl Blobs) -> Result<Root> {
    if paths.iter().any(Vec::is_empty) {
        return Ok(*from);
    }
    let mut result = *onto;
    for path in paths {
        result = Graft::find(&result, from, path, blobs)?.apply(result, blobs)?;
    }
    refuse_links(onto, &result, blobs)?;
    Ok(result)
}

/// What is to be done for one path.
struct Graft<'a> {
    /// Its names, the last of them being what is replaced.
    names: Vec<&'a [u8]>,
    /// Directories above it which are there, from the top.
    above: Vec<Node>,
    scion: Scion,
}

/// What is at a path in the tree that it is taken from.
struct Scion {
    /// The modes and times of the directories above it, without the top.
    above: Vec<Meta>,
    entry: Option<Entry>,
}

impl<'a> Graft<'a> {
    fn find(onto: &Root, from: &Root, path: &'a [u8], blobs: &impl Blobs) -> Result<Self> {
        let names: Vec<_> = path.split(|byte| *byte == b'/').collect();
        if names.iter().any(|name| matches!(*name, b"" | b"." | b"..")) {
            let message = format!("{} is not a path below a directory", Shown(path));
            return Err(Error::new(Kind::InvalidInput, message));
        }
        let scion = Scion::find(from, &names, blobs)?;
        let mut above = vec![Node::get(blobs, &onto.node)?];
        for (depth, name) in names[..names.len() - 1].iter().enumerate() {
            match above[depth].body(name) {
                Some(Body::Directory { node, .. }) => above.push(Node::get(blobs, &node.clone())?),
                Some(Body::File(_) | Body::Symlink { .. }) if scion.entry.is_some() => {
                    let other = Shown(&names[..=depth].join(&b'/')).to_string();
                    let message = format!(
                        "{} cannot be restored without {other}, which is no directory",
                        Shown(path)
                    );
                    return Err(Error::new(Kind::InvalidInput, message));
                }
                Some(Body::File(_) | Body::Symlink { .. }) | None => break,
            }
        }
        Ok(Self { names, above, scion })
    }

    fn apply(mut self, root: Root, blobs: &impl Blobs) -> Result<Root> {
        let last = self.names.len() - 1;
        let depth = self.above.len() - 1;
        let mut entry = self.scion.entry;
        if entry.is_none() && depth < last {
            return Ok(root);
        }
        for missing in (depth..last).rev() {
            let entries = entry.into_iter().collect();
            entry = Some(directory(
                self.names[missing],
                self.scion.above[missing],
                &Node { entries },
                blobs,
            )?);
        }
        while let Some(mut node) = self.above.pop() {
            node.set(self.names[self.above.len()], entry);
            let Some(parent) = self.above.last() else {
                return Ok(Root {
                    node: node.put(blobs)?,
                    meta: root.meta,
                    totals: node.totals(),
                });
            };
            let name = self.names[self.above.len() - 1];
            let meta = parent.entry(name).map_or(root.meta, |entry| entry.meta);
            entry = Some(directory(name, meta, &node, blobs)?);
        }
        Ok(root)
    }
}

impl Scion {
    fn find(from: &Root, names: &[&[u8]], blobs: &impl Blobs) -> Result<Self> {
        let mut above = Vec::new();
        let mut node = Some(from.node);
        let mut entry = None;
        for name in names {
            let Some(digest) = node else {
                return Ok(Self { above, entry: None });
            };
            entry = Node::get(blobs, &digest)?.entry(name).cloned();
            node = entry.as_ref().and_then(node_of);
            above.extend(entry.as_ref().map(|entry| entry.meta));
        }
        Ok(Self { above, entry })
    }
}

impl Node {
    fn entry(&self, name: &[u8]) -> Option<&Entry> {
        self.find(name).ok().map(|index| &self.entries[index])
    }

    fn body(&self, name: &[u8]) -> Option<&Body> {
        self.entry(name).map(|entry| &entry.body)
    }

    /// Replaces what has that name, or removes it.
    fn set(&mut self, name: &[u8], entry: Option<Entry>) {
        match (self.find(name), entry) {
            (Ok(index), Some(entry)) => self.entries[index] = entry,
            (Ok(index), None) => drop(self.entries.remove(index)),
            (Err(index), Some(entry)) => self.entries.insert(index, entry),
            (Err(_), None) => {}
        }
    }

    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.name.as_slice().cmp(name))
    }
}

fn node_of(entry: &Entry) -> Option<Digest> {
    match entry.body {
        Body::Directory { node, .. } => Some(node),
        Body::File(_) | Body::Symlink { .. } => None,
    }
}

fn directory(name: &[u8], meta: Meta, node: &Node, blobs: &impl Blobs) -> Result<Entry> {
    Ok(Entry {
        name: name.to_vec(),
        meta,
        body: Body::Directory {
            node: node.put(blobs)?,
            totals: node.totals(),
        },
    })
}
