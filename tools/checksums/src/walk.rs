//! Every file under some paths.

use std::fs;
use std::path::{Path, PathBuf};

/// The files at and under `paths`, sorted, each once.
///
/// A link given by name is followed; one met on the way is listed if it leads to a file, and left out if it leads to a
/// folder or nowhere.
pub fn files(paths: &[String]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    for path in &pending {
        fs::metadata(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    }
    while let Some(path) = pending.pop() {
        if path.is_file() {
            found.push(name(&path)?);
        } else if path.is_dir() {
            pending.extend(children(&path)?);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot_read = |error| format!("cannot read {}: {error}", folder.display());
    let mut children = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot_read)? {
        let entry = entry.map_err(cannot_read)?;
        let path = entry.path();
        let leads_into_a_folder = entry.file_type().map_err(cannot_read)?.is_symlink() && path.is_dir();
        if !leads_into_a_folder {
            children.push(path);
        }
    }
    Ok(children)
}

fn name(path: &Path) -> Result<String, String> {
    let name = path
        .to_str()
        .ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    Ok(name.strip_prefix("./").unwrap_or(name).to_owned())
}
