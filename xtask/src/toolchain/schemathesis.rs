//! Schemathesis, which asks a server for what its OpenAPI document says: the PyPI package of this name.

use std::path::PathBuf;

use anyhow::Result;

use super::pip;
use crate::paths;

const PACKAGE: &str = "schemathesis";

/// It and all that it needs, each with its version.
const PINS: &str = include_str!("schemathesis.txt");

/// The folder in which it is a module of Python: that of the cache, or fetched with pip.
pub(crate) fn ensure() -> Result<PathBuf> {
    let pins: Vec<&str> = PINS.lines().collect();
    let digest = blake3::hash(PINS.as_bytes()).to_hex();
    let folder = paths::cache()?.join(format!("{PACKAGE}-{}", &digest[..16]));
    pip::install_all(PACKAGE, &pins, &folder)?;
    Ok(folder)
}
