//! Unpacks archives.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path};

use crate::archive::{Entry, Kind};
use crate::{failed, read};

/// Unpacks the archive at `path` to `folder`, and returns how many files that were.
pub fn unpack(path: &str, folder: &str) -> Result<u32, String> {
    let folder = Path::new(folder);
    let entries = read::entries(path)?;
    entries.iter().try_for_each(|entry| check_place(folder, entry))?;
    fs::create_dir_all(folder).map_err(failed("make", &folder.to_string_lossy()))?;
    write_all(path, folder, &entries)?;
    let files = entries.iter().filter(|entry| entry.kind == Kind::File).count();
    Ok(files as u32)
}

/// Writes the checked entries of the archive at `path`. Others may have replaced it or made links meanwhile.
pub fn write_all(path: &str, folder: &Path, entries: &[Entry]) -> Result<(), String> {
    let changed = || "refused: the archive changed meanwhile".to_owned();
    let mut left = entries.iter();
    read::each(path, &mut |entry, contents| {
        let done = (entries.len() - left.len()) as u64;
        palisade_guest::progress(done, Some(entries.len() as u64), &entry.path);
        let checked = left.next().ok_or_else(changed)?;
        if (&entry.path, entry.kind) != (&checked.path, checked.kind) {
            return Err(changed());
        }
        let bytes = write(folder, entry, contents)?;
        (bytes == checked.bytes).then_some(()).ok_or_else(changed)
    })?;
    left.next().map_or(Ok(()), |_| Err(changed()))
}

/// Whether nothing is in the way: on the way to the place there are only folders, and nothing is at that of a file.
fn check_place(folder: &Path, entry: &Entry) -> Result<(), String> {
    let mut place = folder.to_owned();
    let mut parts = Path::new(&entry.path).components().peekable();
    while let Some(Component::Normal(part)) = parts.next() {
        place.push(part);
        let Ok(metadata) = fs::symlink_metadata(&place) else {
            return Ok(());
        };
        if parts.peek().is_none() && entry.kind == Kind::File {
            return Err(format!("refused: {} exists", place.display()));
        }
        if !metadata.is_dir() {
            return Err(no_folder(&place));
        }
    }
    Ok(())
}

/// Writes an entry and returns its size.
fn write(folder: &Path, entry: &Entry, contents: &mut dyn Read) -> Result<u64, String> {
    let parent = entry.path.rsplit_once('/').map(|(parent, _)| parent);
    let folders = match entry.kind {
        Kind::Folder => Some(entry.path.as_str()),
        Kind::File => parent,
    };
    if let Some(folders) = folders {
        make_folders(folder, folders)?;
    }
    if entry.kind == Kind::Folder {
        return Ok(0);
    }
    let file = File::create_new(folder.join(&entry.path));
    file.and_then(|mut file| io::copy(contents, &mut file))
        .map_err(failed("write", &entry.path))
}

/// Makes the folders of a path below `folder`. A link to a folder is none.
fn make_folders(folder: &Path, path: &str) -> Result<(), String> {
    let mut place = folder.to_owned();
    for part in path.split('/') {
        place.push(part);
        let made = fs::create_dir(&place);
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(no_folder(&place)),
            Err(error) => return Err(failed("make", path)(made.err().unwrap_or(error))),
        }
    }
    Ok(())
}

fn no_folder(place: &Path) -> String {
    format!("refused: {} exists, and is no folder", place.display())
}
