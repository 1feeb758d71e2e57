//! Where things are: the workspace, cargo's target folder and the cache outside the clone.
//!
//! | folder | holds | may be deleted |
//! | --- | --- | --- |
//! | `$CARGO_TARGET_DIR` or `target/` | `guests/`: compiled guests; `xtask/`: build folders and logs | at any time |
//! | `$PALISADE_CACHE`, else `$XDG_CACHE_HOME/palisade`, else `~/.cache/palisade` | toolchains, compiled guests by digest, cargo-deny | at any time |

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the clone.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies in the workspace")
}

/// Cargo's target folder of this run.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// Where tests, the demo and the benchmarks find the compiled guests.
pub(crate) fn guests() -> PathBuf {
    target().join("guests")
}

/// Build folders and logs of xtask itself. Created when missing.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    create(target().join("xtask").join(name))
}

/// The cache that outlives the clone. Created when missing.
pub(crate) fn cache() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let xdg = || {
        env::var_os("XDG_CACHE_HOME")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = match env::var_os("PALISADE_CACHE").filter(|value| !value.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => xdg()
            .or_else(home)
            .context("set PALISADE_CACHE or HOME: no folder for the cache")?
            .join("palisade"),
    };
    let folder = std::path::absolute(&folder)?;
    create(folder)
}

/// Creates `folder` with its parents and returns it.
pub(crate) fn create(folder: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
