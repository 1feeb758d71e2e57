//! Trees of files: from a directory into a store, back again, and what differs between two.
//!
//! A guest wrote the directories which are read here: they may be nested thousands deep, have any names and any modes,
//! and be full of links. So everything goes one name at a time, follows no link, neither recurses nor holds a
//! descriptor for each level, and opens what it may not open by changing the mode for a while.

mod build;
mod capture;
mod contents;
mod descent;
mod diff;
mod failure;
mod folder;
mod graft;
mod index;
mod leaves;
mod node;
mod open;
mod output;
mod patch;
mod reach;
mod recapture;
mod remove;

#[cfg(test)]
mod tests;

pub(crate) use self::build::build;
pub(crate) use self::capture::{Captured, capture};
pub(crate) use self::diff::{ChangeKind, diff};
pub(crate) use self::graft::graft;
pub(crate) use self::index::Index;
pub(crate) use self::node::{Blobs, Body, Chunks, Content, Entry, Node, Root, Time};
pub(crate) use self::patch::patch;
pub(crate) use self::reach::{Onward, reach};
pub use self::recapture::Dirty;
pub(crate) use self::recapture::recapture;
pub(crate) use self::remove::clear;
