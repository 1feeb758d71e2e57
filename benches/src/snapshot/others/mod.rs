//! Programs which keep states of directories too, each set up as fast as somebody would who knows it.

mod borg;
mod copies;
mod git;
mod restic;

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmtime::Result;

use super::scratch::Scratch;

/// One of them, for one directory. What it takes is microseconds of whole processes.
pub(super) trait Other {
    /// With its version.
    fn name(&self) -> &str;

    /// Makes an empty store, in place of the one there is.
    fn reset(&mut self) -> Result<()>;

    /// Saves the directory.
    fn save(&mut self) -> Result<f64>;

    /// Has the directory be as it was saved at last. Since then these files changed, which it may make use of.
    fn go_back(&mut self, changed: &[PathBuf]) -> Result<f64>;

    /// Makes an empty directory what was saved at last.
    fn restore(&mut self, into: &Path) -> Result<f64>;

    /// Where all that it keeps is.
    fn store(&self) -> &Path;
}

/// What one of them works with.
#[derive(Clone)]
struct Place<'a> {
    scratch: &'a Scratch,
    tree: PathBuf,
    store: PathBuf,
}

impl Place<'_> {
    /// A process which knows nothing of who runs it.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", self.scratch.path()).current_dir(&self.tree);
        command
    }
}

/// Programs: what they are called, the package, and how they are told to say their version.
const PROGRAMS: [(&str, &str, &str); 5] = [
    ("restic", "restic", "version"),
    ("borg", "borgbackup", "--version"),
    ("git", "git", "--version"),
    ("tar", "tar", "--version"),
    ("zstd", "zstd", "--version"),
];

/// Those which this machine has, with their versions; and what is to be said of those which it has not.
pub(super) fn there(scratch: &Scratch) -> (Vec<(&'static str, String)>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for (program, package, argument) in PROGRAMS {
        match version(scratch, program, argument) {
            Some(version) => there.push((program, version)),
            None => missing.push(format!(
                "left out: {program}, which is not there: apt-get install {package}"
            )),
        }
    }
    (there, missing)
}

/// All that this machine has, each for the directory that `tree` gives it.
pub(super) fn all<'a>(
    scratch: &'a Scratch,
    mut tree: impl FnMut(&str) -> Result<PathBuf>,
) -> Result<Vec<Box<dyn Other + 'a>>> {
    let (there, _) = there(scratch);
    let version = |program: &str| {
        there
            .iter()
            .find(|(there, _)| *there == program)
            .map(|(_, version)| version)
    };
    let mut place = |name: &str| {
        let store = scratch.path().join(format!("{name}-store"));
        let tree = tree(name)?;
        wasmtime::error::Ok(Place { scratch, tree, store })
    };
    let mut all: Vec<Box<dyn Other + 'a>> = Vec::new();
    if let Some(version) = version("restic") {
        all.push(Box::new(restic::Restic::new(place("restic")?, version)));
    }
    if let Some(version) = version("borg") {
        all.push(Box::new(borg::Borg::new(place("borg")?, version)));
    }
    if let Some(version) = version("git") {
        all.push(Box::new(git::Git::new(place("git")?, version)));
    }
    all.push(Box::new(copies::Copies::plain(place("cp")?)));
    if let (Some(tar), Some(zstd)) = (version("tar"), version("zstd")) {
        all.push(Box::new(copies::Copies::packed(place("tar")?, tar, zstd)));
    }
    Ok(all)
}

/// The first thing it says which looks like a version.
fn version(scratch: &Scratch, program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .env("HOME", scratch.path())
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = said.split(|letter: char| letter.is_whitespace() || letter == ',');
    let version = words.find_map(|word| {
        let word = word.trim_start_matches('v');
        (word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit())).then(|| word.to_owned())
    });
    version.filter(|_| output.status.success())
}

/// Paths as they are below the directory.
fn below<'a>(tree: &Path, files: &'a [PathBuf]) -> Vec<&'a Path> {
    files.iter().filter_map(|file| file.strip_prefix(tree).ok()).collect()
}
