//! `palisade tool new`: writes a tool to start from.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use palisade::Kind;
use palisade_scaffold::{File, Project};
use serde_json::json;

use crate::args::ToolNew;
use crate::failure::Failure;
use crate::report::{self, Format, visible};

pub(crate) fn new(asked: &ToolNew, format: Format) -> Result<u8, Failure> {
    let ToolNew { name, language, dir } = asked;
    let folder = dir.clone().unwrap_or_else(|| name.as_str().into());
    let project = Project::new(name, *language);
    write(&project, &folder)?;
    let commands = commands(&project, &folder);
    match format {
        Format::Json => report::print_json(&json!({
            "name": name.as_str(),
            "language": language.as_str(),
            "folder": folder.to_string_lossy(),
            "files": project.files().iter().map(|file| &file.path).collect::<Vec<_>>(),
            "commands": commands,
        })),
        Format::Text => {
            let mut text = format!("made {}, a tool in {language}: {}\n\n", folder.display(), top(&project));
            text.extend(commands.iter().map(|command| format!("  {command}\n")));
            let lines: String = text.lines().map(|line| visible(line) + "\n").collect();
            report::print(lines.as_bytes());
        }
    }
    Ok(0)
}

/// What to go on with, as lines for a shell.
fn commands(project: &Project, folder: &Path) -> Vec<String> {
    let enter = format!("cd {}", shell_word(&folder.to_string_lossy()));
    let build = project.build_commands().iter().map(|&command| command.to_owned());
    [enter].into_iter().chain(build).chain(project.use_commands()).collect()
}

/// The files and folders at the top of the project.
fn top(project: &Project) -> String {
    let name = |file: &File| match file.path.split_once('/') {
        Some((folder, _)) => format!("{folder}/"),
        None => file.path.clone(),
    };
    let names: BTreeSet<String> = project.files().iter().map(name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn shell_word(path: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    // What begins with a dash would be a flag.
    let path = if path.starts_with('-') {
        format!("./{path}")
    } else {
        path.to_owned()
    };
    if path.chars().all(is_plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// Makes `folder` with all that is in it, or not at all.
fn write(project: &Project, folder: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::invalid(format!("cannot make {folder:?}: {error}"));
    if folder.symlink_metadata().is_ok() {
        let message = format!("{folder:?} exists already: say with --dir which folder is to be made");
        return Err(Failure::new(Kind::Conflict, message));
    }
    let parent = folder.parent().unwrap_or(Path::new(""));
    let path = parent.join(format!(".palisade-new-{}", std::process::id()));
    fs::create_dir(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::invalid(format!("cannot make {path:?}: {error}")),
        _ => failed(error),
    })?;
    let unfinished = Unfinished(path);
    for file in project.files() {
        file.write_in(&unfinished.0).map_err(failed)?;
    }
    fs::rename(&unfinished.0, folder).map_err(failed)
}

/// A folder which is removed unless it was renamed.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use palisade_scaffold::{Language, Name};

    use super::*;

    #[test]
    fn a_folder_which_somebody_else_makes_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let theirs = parent.path().join(format!(".palisade-new-{}", std::process::id()));
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("file"), "theirs").unwrap();
        let project = Project::new(&Name::parse("slugs").unwrap(), Language::Python);
        assert!(write(&project, &parent.path().join("slugs")).is_err());
        assert_eq!(fs::read_to_string(theirs.join("file")).unwrap(), "theirs");
    }

    #[test]
    fn folders_are_one_word_for_a_shell() {
        for (path, word) in [
            ("slugs", "slugs"),
            ("../my-tools/a_b", "../my-tools/a_b"),
            ("-x", "./-x"),
            ("my tool", "'my tool'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shell_word(path), word);
        }
    }
}
