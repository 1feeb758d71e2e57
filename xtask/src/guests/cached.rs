//! Compiled guests, kept in the cache under the digest of all that went into them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use blake3::Hasher;
use palisade_scaffold::File;
use walkdir::WalkDir;

use super::discover::{Guest, Source};
use super::{build, new};
use crate::toolchain::{Componentize, Toolchain, Zig, componentize};
use crate::{lock, paths};

/// Where a guest came from.
pub(super) enum Origin {
    Cache,
    Compiled,
}

/// Puts `guest` into [`paths::guests`].
pub(super) fn obtain(guest: &Guest, toolchain: &Toolchain) -> Result<Origin> {
    let kept = paths::create(paths::cache()?.join("guests"))?;
    let kept = kept.join(format!("{}-{}.wasm", guest.name, digest(guest, toolchain)?));
    let mut origin = Origin::Cache;
    if !kept.exists() {
        let _lock = lock::hold("guests")?;
        if !kept.exists() {
            build::compile(guest, toolchain, &kept.with_extension("part"))?;
            fs::rename(kept.with_extension("part"), &kept)?;
            origin = Origin::Compiled;
        }
    }
    place(
        &kept,
        &paths::create(paths::guests())?.join(format!("{}.wasm", guest.name)),
    )?;
    Ok(origin)
}

/// Copies `kept` over `placed` unless that is the same already: whoever has it mapped or open keeps what he has.
fn place(kept: &Path, placed: &Path) -> Result<()> {
    let bytes = fs::read(kept).with_context(|| format!("cannot read {}", kept.display()))?;
    if fs::read(placed).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let temporary = placed.with_extension(format!("part{}", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, placed).with_context(|| format!("cannot write {}", placed.display()))
}

fn digest(guest: &Guest, toolchain: &Toolchain) -> Result<String> {
    let mut hasher = Hasher::new();
    match &guest.source {
        Source::Program(program) => {
            hasher.update(format!("{program:?} {:?}", build::PROFILE).as_bytes());
            hasher.update(toolchain.identity().as_bytes());
        }
        Source::Crate {
            folder,
            target,
            path_dependencies,
        } => {
            hasher.update(format!("{target} {:?}", build::PROFILE).as_bytes());
            hasher.update(toolchain.identity().as_bytes());
            for file in crate_files(folder, path_dependencies)? {
                add_file(&mut hasher, &file)?;
            }
        }
        Source::C { file } => {
            hasher.update(format!("{} {:?}", Zig::identity(), build::C_FLAGS).as_bytes());
            add_file(&mut hasher, file)?;
        }
        Source::New(project) => {
            hasher.update(new::identity(project, toolchain).as_bytes());
            if let Some(lock) = new::lock(project) {
                add_file(&mut hasher, &lock)?;
            }
            for File { path, text } in project.files() {
                add(&mut hasher, path, text.as_bytes());
            }
        }
        Source::Python { folder } => {
            hasher.update(Componentize::identity().as_bytes());
            for file in componentize::sources(folder)? {
                add_file(&mut hasher, &file)?;
            }
        }
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// The files of the crate and its dependencies in the clone, and those of the workspace that say how to compile it.
fn crate_files(folder: &Path, dependencies: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let workspace = folder.parent().context("a crate lies in a workspace")?;
    let mut files = vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock")];
    for folder in dependencies.iter().map(PathBuf::as_path).chain([folder]) {
        for entry in WalkDir::new(folder).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
    }
    Ok(files)
}

fn add_file(hasher: &mut Hasher, path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.strip_prefix(paths::workspace()).unwrap_or(path).to_string_lossy();
    add(hasher, &name, &bytes);
    Ok(())
}

fn add(hasher: &mut Hasher, name: &str, bytes: &[u8]) {
    for part in [name.as_bytes(), bytes] {
        hasher.update(&part.len().to_le_bytes());
        hasher.update(part);
    }
}
