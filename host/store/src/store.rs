use std::path::Path;

use crate::log::Log;
use crate::{Recovery, Result};

/// Snapshots of directories and what else has to outlive a process, in one folder.
///
/// One process has it open at a time. It is shared by reference among threads; dropping it waits until all is written.
pub struct Store {
    pub(crate) log: Log,
}

impl Store {
    /// Opens the store in `folder`, or makes it, and tells what it had to put in order. The folder must be closed to
    /// other users.
    ///
    /// # Errors
    /// [`Kind::Conflict`](crate::Kind::Conflict) while another process has it open,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where the file system refuses.
    pub fn open(folder: &Path) -> Result<(Self, Recovery)> {
        let (log, recovery) = Log::open(folder)?;
        Ok((Self { log }, recovery))
    }

    /// As [`open`](Self::open), with packs of a size at which tests soon have many.
    #[doc(hidden)]
    pub fn open_with_pack_size(folder: &Path, bytes: u64) -> Result<(Self, Recovery)> {
        let (log, recovery) = Log::open_with(folder, bytes)?;
        Ok((Self { log }, recovery))
    }

    /// Returns once everything that was acknowledged is on the disk.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where the file system refuses.
    pub fn sync(&self) -> Result<()> {
        self.log.sync()
    }
}
