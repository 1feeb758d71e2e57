//! What the manifest of our own guest says of how it is compiled.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::toolchain::TARGETS;

/// A checked `Cargo.toml`.
pub(super) struct Manifest {
    /// `package.metadata.palisade.targets`.
    pub(super) targets: Vec<String>,
    /// The folders of dependencies which are in the clone too.
    pub(super) path_dependencies: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct ManifestFile {
    package: Package,
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Package {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    palisade: Palisade,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Palisade {
    targets: Vec<String>,
}

impl Manifest {
    /// Reads that of the crate in `folder`.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let wrong = || format!("{} is wrong", path.display());
        let manifest: ManifestFile = toml::from_str(&text).with_context(wrong)?;
        manifest.check(folder).with_context(wrong)
    }
}

impl ManifestFile {
    fn check(self, folder: &Path) -> Result<Manifest> {
        let targets = self.package.metadata.palisade.targets;
        let unknown = targets.iter().find(|target| !TARGETS.contains(&target.as_str()));
        ensure!(unknown.is_none(), "target {unknown:?} is none of {TARGETS:?}");
        let paths = self
            .dependencies
            .values()
            .filter_map(|dependency| dependency.get("path")?.as_str());
        let path_dependencies = paths.map(|path| folder.join(path)).collect();
        Ok(Manifest {
            targets,
            path_dependencies,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_in_the_clone_are_found() {
        let text = r#"
            [package]
            metadata.palisade.targets = ["wasm32-wasip2"]
            [dependencies]
            regex = "1"
            palisade-guest = { path = "../../guest-sdk", version = "0.1.0" }
        "#;
        let manifest = toml::from_str::<ManifestFile>(text).unwrap();
        let manifest = manifest.check(Path::new("tools/text")).unwrap();
        assert_eq!(manifest.path_dependencies, [Path::new("tools/text/../../guest-sdk")]);
    }
}
