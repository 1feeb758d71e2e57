//! zig, as a C compiler for WASI: the PyPI package `ziglang`, unpacked into the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::pip;
use crate::paths;

pub(crate) const VERSION: &str = "0.17.0";

/// Always optimised and stripped, so that there is one libc to compile.
const FLAGS: [&str; 4] = ["-target", "wasm32-wasi", "-O2", "-s"];

/// An unpacked zig.
pub(crate) struct Zig {
    folder: PathBuf,
    /// Where it keeps the libc it has compiled. Worth keeping: that takes longest.
    pub(super) cache: PathBuf,
}

impl Zig {
    /// Takes zig from the cache, or fetches it with pip.
    pub(crate) fn ensure() -> Result<Zig> {
        let folder = paths::cache()?.join(format!("zig-{VERSION}"));
        pip::install("ziglang", VERSION, &folder)?;
        let cache = paths::create(paths::cache()?.join(format!("zig-{VERSION}-objects")))?;
        Ok(Zig { folder, cache })
    }

    /// `zig cc` for preview-1 modules.
    pub(crate) fn cc(&self) -> Command {
        let mut command = self.zig();
        command.arg("cc").args(FLAGS);
        command
    }

    /// `zig ar`.
    pub(super) fn ar(&self) -> Command {
        let mut command = self.zig();
        command.arg("ar");
        command
    }

    /// Differs whenever the code it makes may differ.
    pub(crate) fn identity() -> String {
        format!("{VERSION} {FLAGS:?}")
    }

    /// The folder of the program, for who calls it by itself.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.join("ziglang")
    }

    /// The variables which have it use our cache.
    pub(crate) fn caches(&self) -> [(&'static str, &Path); 2] {
        ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"].map(|name| (name, self.cache.as_path()))
    }

    fn zig(&self) -> Command {
        let mut command = Command::new(self.bin().join("zig"));
        command
            .envs(self.caches())
            // What it has compiled is found again only from the same working folder.
            .current_dir(&self.folder);
        command
    }
}
