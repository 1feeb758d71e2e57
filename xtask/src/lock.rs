//! Keeps two runs from building the same thing in the cache at once.

use std::fs::{File, TryLockError};

use anyhow::{Context, Result};

use crate::{paths, progress};

/// Holds the lock called `name` until dropped. Waits, and says so, while another process has it.
pub(crate) fn hold(name: &str) -> Result<File> {
    let path = paths::cache()?.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress::note("wait", &format!("another run holds {}", path.display()));
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).context(format!("cannot lock {}", path.display()));
        }
    }
    Ok(file)
}
