//! componentize-py, which makes components of Python: the PyPI package of this name, with its own CPython.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use super::pip;
use crate::{command, paths};

const PACKAGE: &str = "componentize-py";
const VERSION: &str = "0.25.1";

/// What Python takes time zones from where the system has none.
const ZONES: &str = "tzdata";
const ZONES_VERSION: &str = "2026.6";

/// Starts it with any python: the script which pip makes names the python of its installation.
const START: &str =
    "import sys; from componentize_py import script; sys.argv[0] = 'componentize-py'; sys.exit(script())";

/// The module in which a component begins.
pub(crate) const APP: &str = "app.py";

/// The folders of a component which go into it, beside [`APP`]; tests and examples do not.
const PARTS: [&str; 3] = [APP, "palisade", "wit"];

/// An unpacked componentize-py.
pub(crate) struct Componentize {
    folder: PathBuf,
    zones: PathBuf,
}

impl Componentize {
    /// Takes it from the cache, or fetches it with pip.
    pub(crate) fn ensure() -> Result<Self> {
        let folder = paths::cache()?.join(format!("{PACKAGE}-{VERSION}"));
        pip::install(PACKAGE, VERSION, &folder)?;
        let zones = paths::cache()?.join(format!("{ZONES}-{ZONES_VERSION}"));
        pip::install(ZONES, ZONES_VERSION, &zones)?;
        Ok(Self { folder, zones })
    }

    /// Makes a component of what lies in `folder`, for the one world in its `wit`.
    pub(crate) fn compile(&self, folder: &Path, out: &Path) -> Result<()> {
        let name = folder.file_name().context("a component has a folder")?;
        let scratch = paths::scratch("python")?.join(name);
        let copy = copy(folder, &scratch)?;
        let mut python = Command::new("python3");
        python
            .args(["-c", START, "--quiet", "--wit-path", "wit", "componentize"])
            .args(["--python-path", ".", "--python-path"])
            .arg(&self.zones)
            .arg("--output")
            .arg(out)
            .arg(Path::new(APP).with_extension(""))
            .env("PYTHONPATH", &self.folder)
            // Whose packages are seen while the component is made: nobody's.
            .env(
                "VIRTUAL_ENV",
                paths::create(scratch.join("environment/lib/site-packages"))?,
            )
            .current_dir(copy);
        command::step(&format!("make a component of {}", name.display()), &mut python)
    }

    /// Differs whenever the component it makes may differ.
    pub(crate) fn identity() -> String {
        format!("{VERSION} {ZONES_VERSION} {PARTS:?}")
    }
}

/// The files of a component which go into it, in a stable order.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = PARTS
        .iter()
        .flat_map(|part| WalkDir::new(folder.join(part)).sort_by_file_name());
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.into_path();
        if path.extension().is_some_and(|ending| ending == "py" || ending == "wit") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Copies the sources, since the making of a component leaves compiled ones beside them.
fn copy(folder: &Path, scratch: &Path) -> Result<PathBuf> {
    let copy = scratch.join("sources");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    for file in sources(folder)? {
        let to = copy.join(file.strip_prefix(folder)?);
        paths::create(to.parent().context("a file lies in a folder")?.to_owned())?;
        fs::copy(&file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(copy)
}
