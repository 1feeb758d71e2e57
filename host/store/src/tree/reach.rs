//! All that a tree consists of.

use super::node::{Blobs, Body, Chunks, Content, Node};
use crate::{Digest, Result};

/// Whether to look at what a blob leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onward {
    Yes,
    No,
}

/// Calls `visit` with each blob that the tree of a node consists of, and with a path that it is at; first with the node.
///
/// Blobs come as often as they are there, unless `visit` does not go on where it has been before. Memory is that for the
/// directories on the way down.
pub(crate) fn reach(
    node: &Digest,
    blobs: &impl Blobs,
    visit: &mut impl FnMut(&[u8], &Digest) -> Result<Onward>,
) -> Result<()> {
    let mut path = Vec::new();
    let mut folders = Vec::new();
    if visit(&path, node)? == Onward::Yes {
        folders.push((0, Node::get(blobs, node)?.entries.into_iter()));
    }
    while let Some((length, entries)) = folders.last_mut() {
        path.truncate(*length);
        let Some(entry) = entries.next() else {
            folders.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&entry.name);
        match &entry.body {
            Body::Directory { node, .. } => {
                if visit(&path, node)? == Onward::Yes {
                    folders.push((path.len(), Node::get(blobs, node)?.entries.into_iter()));
                }
            }
            Body::File(file) => reach_content(&file.content, &path, blobs, visit)?,
            Body::Symlink { .. } => {}
        }
    }
    Ok(())
}

fn reach_content(
    content: &Content,
    path: &[u8],
    blobs: &impl Blobs,
    visit: &mut impl FnMut(&[u8], &Digest) -> Result<Onward>,
) -> Result<()> {
    match content {
        Content::Empty => {}
        Content::Whole(digest) => drop(visit(path, digest)?),
        Content::Chunked(list) => {
            if visit(path, list)? == Onward::Yes {
                for (digest, _) in Chunks::get(blobs, list)?.runs {
                    visit(path, &digest)?;
                }
            }
        }
    }
    Ok(())
}
