//! The numbers by which a guest tells one file from another. They are not the host's, which would tell of other files.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::stat::FileId;

/// What a guest sees as the numbers of a file: the same for all its names, whatever they are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub device: u64,
    pub inode: u64,
}

/// Gives out the identities of one workspace.
pub(super) struct Identities {
    key: [u8; blake3::KEY_LEN],
    /// Devices in the order in which the guest came to them.
    devices: Mutex<Vec<u64>>,
}

impl Identities {
    pub(super) fn new() -> Self {
        Self {
            key: rand::random(),
            devices: Mutex::default(),
        }
    }

    pub(super) fn of(&self, id: FileId) -> Identity {
        Identity {
            device: self.device(id.device),
            inode: self.inode(id.inode),
        }
    }

    /// By the number alone, since the listing of a directory does not name devices.
    pub(super) fn inode(&self, inode: u64) -> u64 {
        let hash = blake3::keyed_hash(&self.key, &inode.to_le_bytes());
        let start = std::array::from_fn(|index| hash.as_bytes()[index]);
        // Zero means to some that there is no such file.
        u64::from_le_bytes(start).max(1)
    }

    fn device(&self, device: u64) -> u64 {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let known = devices.iter().position(|known| *known == device);
        let index = known.unwrap_or_else(|| {
            devices.push(device);
            devices.len() - 1
        });
        index as u64 + 1
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_numbers_in_a_workspace_and_has_others_in_the_next() {
        let identities = Identities::new();
        let id = |device, inode| FileId { device, inode };
        let first = identities.of(id(77, 5));
        assert_eq!(first, identities.of(id(77, 5)));
        assert_eq!(first.inode, identities.inode(5));
        let others = [id(77, 6), id(78, 5), id(5, 77)].map(|id| identities.of(id));
        assert!(others.iter().all(|other| *other != first), "{others:?}");
        assert!(first.inode != 5 && first.device != 77);
        assert_ne!(Identities::new().inode(5), first.inode);
    }
}
