//! Finds files by globs, in the order of their paths. Links are not followed.

use std::fs::{self, DirEntry};
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use crate::failed;
use crate::files::{Entry, Kind, Listing};

/// The most entries that are looked at in one call.
const MAX_VISITED: usize = 100_000;

/// What `glob` matches below `folder`.
pub fn list(folder: &str, glob: Option<&str>, limit: usize) -> Result<Listing, String> {
    let mut entries = Vec::new();
    let finished = visit(folder, glob, |path, entry| {
        if entries.len() == limit {
            return Step::Stop;
        }
        let metadata = entry.metadata().ok();
        let kind = metadata.as_ref().map_or(Kind::Other, kind_of);
        let bytes = metadata
            .filter(|_| kind == Kind::File)
            .map_or(0, |metadata| metadata.len());
        entries.push(Entry {
            path: path.to_owned(),
            kind,
            bytes,
        });
        Step::On
    })?;
    Ok(Listing {
        entries,
        more: !finished,
    })
}

/// Whether to go on.
#[derive(PartialEq)]
pub enum Step {
    On,
    Stop,
}

/// Calls `each` with the path of all that `glob` matches below `folder`. `false` when it did not come to the end.
pub fn visit(folder: &str, glob: Option<&str>, mut each: impl FnMut(&str, &DirEntry) -> Step) -> Result<bool, String> {
    let glob = glob.map(Glob::new).transpose()?;
    let mut visited = 0;
    // Folders to be read, and entries of those which were: the next is the last.
    let mut open = read_folder(folder, "")?;
    while let Some((below, entry)) = open.pop() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && entry.file_name() == ".git" {
            continue;
        }
        visited += 1;
        if visited > MAX_VISITED {
            return Ok(false);
        }
        let path = join(folder, &below);
        if glob.as_ref().is_none_or(|glob| glob.is_match(&below)) && each(&path, &entry) == Step::Stop {
            return Ok(false);
        }
        if is_folder {
            // A folder which cannot be read holds nothing to be found.
            open.extend(read_folder(folder, &below).unwrap_or_default());
        }
    }
    Ok(true)
}

struct Glob {
    matcher: GlobMatcher,
    /// Without a slash it is for names.
    is_name: bool,
}

impl Glob {
    fn new(glob: &str) -> Result<Self, String> {
        let built = GlobBuilder::new(glob.trim_start_matches('/'))
            .literal_separator(true)
            .build();
        Ok(Glob {
            matcher: built.map_err(|error| error.to_string())?.compile_matcher(),
            is_name: !glob.contains('/'),
        })
    }

    fn is_match(&self, path: &str) -> bool {
        match path.rsplit_once('/') {
            Some((_, name)) if self.is_name => self.matcher.is_match(name),
            _ => self.matcher.is_match(path),
        }
    }
}

/// The entries with their paths below `folder`, the first at the end.
fn read_folder(folder: &str, below: &str) -> Result<Vec<(String, DirEntry)>, String> {
    let path = join(folder, below);
    let path = if path.is_empty() { "/" } else { &path };
    let entries = Path::new(path).read_dir().map_err(failed("list", path))?;
    let mut entries: Vec<(String, DirEntry)> = entries
        .filter_map(Result::ok)
        .map(|entry| (join(below, &entry.file_name().to_string_lossy()), entry))
        .collect();
    entries.sort_unstable_by(|(left, _), (right, _)| right.cmp(left));
    Ok(entries)
}

fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", path) | (path, "") => path.to_owned(),
        (folder, name) => format!("{}/{name}", folder.trim_end_matches('/')),
    }
}

fn kind_of(metadata: &fs::Metadata) -> Kind {
    if metadata.is_file() {
        Kind::File
    } else if metadata.is_dir() {
        Kind::Folder
    } else if metadata.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}
