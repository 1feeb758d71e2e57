//! Finds what there is to compile.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use palisade_scaffold::{Language, Name, Project};

use super::manifest::Manifest;
use super::programs::{self, Program};
use crate::paths;
use crate::toolchain::componentize::APP;

/// One `.wasm` file to be made.
pub(super) struct Guest {
    /// The stem of the file.
    pub(super) name: String,
    pub(super) source: Source,
}

/// What a guest is compiled from.
pub(super) enum Source {
    Program(Program),
    /// A crate with one binary or one `cdylib`, named as its folder, in the cargo workspace around it.
    Crate {
        folder: PathBuf,
        target: String,
        /// Other folders which it is compiled from.
        path_dependencies: Vec<PathBuf>,
    },
    C {
        file: PathBuf,
    },
    /// A new tool, as `palisade tool new` writes it.
    New(Project),
    /// A folder with an `app.py` and the world for it in `wit`, named as the component.
    Python {
        folder: PathBuf,
    },
}

impl Guest {
    /// One line for people.
    pub(super) fn describe(&self) -> String {
        let relative = |path: &Path| {
            path.strip_prefix(paths::workspace())
                .unwrap_or(path)
                .display()
                .to_string()
        };
        match &self.source {
            Source::Program(Program {
                package,
                version,
                target,
                licence,
                about,
                ..
            }) => {
                format!("{package} {version} for {target}: {about} ({licence})")
            }
            Source::Crate { folder, target, .. } => format!("{} for {target}", relative(folder)),
            Source::C { file } => relative(file),
            Source::New(project) => format!("palisade tool new --lang {}", project.language().as_str()),
            Source::Python { folder } => format!("{} by componentize-py", relative(folder)),
        }
    }
}

/// Everything, in a stable order.
pub(super) fn all() -> Result<Vec<Guest>> {
    let root = paths::workspace();
    let mut guests = c_guests(&root.join("tests/guests/c"))?;
    for folder in folders(&root.join("tests/guests/wasm"), "Cargo.toml")?
        .iter()
        .chain(&folders(&root.join("tools"), "Cargo.toml")?)
    {
        guests.extend(crate_guests(folder)?);
    }
    guests.extend(folders(&root.join("tools"), APP)?.into_iter().map(python_guest));
    let programs = programs::load()?.into_iter();
    guests.extend(programs.map(|program| Guest {
        name: program.name.clone(),
        source: Source::Program(program),
    }));
    guests.extend(new_tools()?);
    Ok(guests)
}

/// One in each language which has something to compile.
fn new_tools() -> Result<Vec<Guest>> {
    let languages = Language::ALL.into_iter();
    let guests = languages.map(|language| {
        let name = Name::parse(&format!("new-{}", language.as_str())).map_err(Error::msg)?;
        Ok(Guest {
            name: name.to_string(),
            source: Source::New(Project::new(&name, language)),
        })
    });
    let is_compiled =
        |guest: &Guest| matches!(&guest.source, Source::New(project) if !project.build_commands().is_empty());
    Ok(guests
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .filter(is_compiled)
        .collect())
}

/// A crate compiled for several targets gives one file for each, told apart as `.p1` and `.p2`.
fn crate_guests(folder: &Path) -> Result<Vec<Guest>> {
    let Manifest {
        targets,
        path_dependencies,
    } = Manifest::load(folder)?;
    let stem = folder.file_name().context("a crate has a folder")?.to_string_lossy();
    let guest = |target: &String| {
        let preview = target.strip_prefix("wasm32-wasi").unwrap_or(target);
        let name = if targets.len() > 1 {
            format!("{stem}.{preview}")
        } else {
            stem.to_string()
        };
        Guest {
            name,
            source: Source::Crate {
                folder: folder.to_owned(),
                target: target.clone(),
                path_dependencies: path_dependencies.clone(),
            },
        }
    };
    Ok(targets.iter().map(guest).collect())
}

fn c_guests(folder: &Path) -> Result<Vec<Guest>> {
    let files = sorted(folder)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    let guest = |file: PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Guest {
            name,
            source: Source::C { file },
        }
    };
    Ok(files.map(guest).collect())
}

fn python_guest(folder: PathBuf) -> Guest {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Guest {
        name,
        source: Source::Python { folder },
    }
}

/// Those in `parent` which hold the file `marker`.
fn folders(parent: &Path, marker: &str) -> Result<Vec<PathBuf>> {
    Ok(sorted(parent)?
        .into_iter()
        .filter(|path| path.join(marker).is_file())
        .collect())
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder
        .read_dir()
        .with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_has_its_own_name() {
        let mut names: Vec<String> = all().unwrap().into_iter().map(|guest| guest.name).collect();
        let found = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), found, "{names:?}");
    }

    #[test]
    fn a_guest_for_two_targets_is_two_files() {
        let names: Vec<String> = all().unwrap().into_iter().map(|guest| guest.name).collect();
        for name in ["guest.p1", "guest.p2", "checksums", "text", "rg", "python", "new-rust"] {
            assert!(names.iter().any(|found| found == name), "{name} is missing: {names:?}");
        }
    }
}
