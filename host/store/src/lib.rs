//! Snapshots of directories, going back to them, and what else has to outlive a process, in one folder.
//!
//! ```
//! use std::os::fd::AsFd;
//!
//! use palisade_store::{Details, Durability, Line, Scope, Since, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let (store, _) = Store::open(&folder.path().join("store"))?;
//! let work = folder.path().join("work");
//! std::fs::create_dir(&work)?;
//! std::fs::write(work.join("main.rs"), "fn main() {}")?;
//! let directory = std::fs::File::open(&work)?;
//!
//! let mut line = Line::new("my-sandbox");
//! let (details, durability) = (Details::default(), Durability::Synced);
//! let good = store.take(&mut line, directory.as_fd(), Since::Unknown, &details, durability)?;
//!
//! std::fs::remove_file(work.join("main.rs"))?;
//! let scope = Scope::default();
//! store.roll_back(&mut line, directory.as_fd(), Since::Unknown, good.id, &scope, &details, durability)?;
//! assert_eq!(std::fs::read_to_string(work.join("main.rs"))?, "fn main() {}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The types to know
//!
//! - [`Store`]: everything in one folder, for one process at a time.
//! - [`Snapshot`], by its [`SnapshotId`]: one state of a directory, and what is said of it.
//! - [`Line`]: what is remembered of a directory, so that the next snapshot looks at what changed and at nothing else.
//! - [`Durability`]: whether a call waits for the disk.
//! - [`Recovery`]: what opening found and put in order.
//!
//! # How it is kept
//!
//! ```text
//! FOLDER/lock            held while a process has it open
//! FOLDER/packs/N.pack    records, one after the other; a pack grows at its end, and is otherwise never changed
//! FOLDER/catalogue/      where each record is, by sled
//! ```
//!
//! Content is cut into blobs, each under its blake3, and stored once; a directory is a blob which names those below it,
//! so that a change of one file writes that file and the directories above it. What is said, snapshots, names, pins,
//! deletions, state, is facts, of which each change has a version. All that one call says is one record, so it is there
//! wholly or not at all. Every record is verified when it is read.
//!
//! The packs are the truth. The catalogue is written behind them and can be lost at any time: opening makes it anew. A
//! torn end of the newest pack, of what was never acknowledged, is cut off.
//!
//! # What it does not do
//!
//! Owners, extended attributes and the times of the last reading are not kept, nor are sockets, pipes and devices. It
//! does not hold still what it takes a snapshot of: whoever calls it does. Nothing is encrypted.

mod compare;
mod digest;
mod durability;
mod error;
mod head;
mod line;
mod log;
mod owner;
mod records;
mod retention;
mod rollback;
mod snapshot;
mod snapshots;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use compare::{Comparison, Difference, DifferenceKind, Item, ItemKind, Truncated};
pub use digest::Digest;
pub use durability::Durability;
pub use error::{Error, Kind, Result};
pub use line::{Line, Since};
pub use log::{Collection, Damage, Expected, Recovery, Version};
pub use records::RECORD_MAX;
pub use retention::Retention;
pub use rollback::{RolledBack, Scope, Way};
pub use snapshot::{Changes, DESCRIPTION_MAX, Details, LABEL_BYTES_MAX, LABELS_MAX, NAME_MAX, Snapshot, SnapshotId};
pub use state::{STATE_KEY_MAX, STATE_VALUE_MAX, STATE_VERSIONS, StateEntry};
pub use store::Store;
pub use tree::Dirty;
pub use verify::{Scrub, Verification};
