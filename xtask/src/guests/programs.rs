//! `tools/programs.toml`: which programs of crates.io are compiled to be run in sandboxes.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::paths;
use crate::toolchain::TARGETS;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramsFile {
    program: Vec<Program>,
}

/// A program of crates.io.
#[derive(Debug, Clone, Hash, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Program {
    /// What it is called in a sandbox, and the stem of its file.
    pub(super) name: String,
    pub(super) package: String,
    /// Exact: `15.2.0`, never a range.
    pub(super) version: String,
    /// The package's binary that is wanted.
    pub(super) binary: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) features: Vec<String>,
    #[serde(default = "yes")]
    pub(super) default_features: bool,
    /// The SPDX expression its `Cargo.toml` states.
    pub(super) licence: String,
    pub(super) about: String,
}

fn yes() -> bool {
    true
}

/// Reads and checks the file.
pub(super) fn load() -> Result<Vec<Program>> {
    let path = paths::workspace().join("tools/programs.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is wrong", path.display()))
}

fn parse(text: &str) -> Result<Vec<Program>> {
    let file: ProgramsFile = toml::from_str(text)?;
    for program in &file.program {
        let Program {
            name, version, target, ..
        } = program;
        ensure!(
            TARGETS.contains(&target.as_str()),
            "{name}: target {target:?} is none of {TARGETS:?}"
        );
        let is_exact = version.split('.').count() == 3 && version.starts_with(|first: char| first.is_ascii_digit());
        ensure!(is_exact, "{name}: version {version:?} is not exact");
    }
    Ok(file.program)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [[program]]
        name = "rg"
        package = "ripgrep"
        version = "15.2.0"
        binary = "rg"
        target = "wasm32-wasip1"
        licence = "MIT"
        about = "searches"
    "#;

    #[test]
    fn a_program_needs_no_features() {
        let programs = parse(GOOD).unwrap();
        assert!(programs[0].default_features && programs[0].features.is_empty());
    }

    #[test]
    fn what_cannot_be_pinned_or_compiled_is_refused() {
        for (from, to, complaint) in [
            ("15.2.0", "15", "is not exact"),
            ("15.2.0", "^15.2.0", "is not exact"),
            ("wasm32-wasip1", "x86_64-unknown-linux-gnu", "is none of"),
            ("licence", "license", "unknown field"),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(complaint), "{error:#}");
        }
    }

    #[test]
    fn the_shipped_file_is_right() {
        load().unwrap();
    }
}
