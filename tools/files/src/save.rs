//! Writes files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failed;
use crate::files::Mode;

/// Writes `text` to the file at `path`.
pub fn write(path: &str, text: &str, mode: Mode) -> Result<(), String> {
    if let Some(folder) = Path::new(path).parent() {
        fs::create_dir_all(folder).map_err(failed("make the folder of", path))?;
    }
    let mut options = OpenOptions::new();
    match mode {
        Mode::Create => options.write(true).create_new(true),
        Mode::Append => options.append(true).create(true),
        Mode::Replace => return replace(path, text),
    };
    let mut file = options.open(path).map_err(failed("write", path))?;
    file.write_all(text.as_bytes()).map_err(failed("write", path))
}

/// Puts `text` in the place of the file at `path`, which stays as it was when that fails.
pub fn replace(path: &str, text: &str) -> Result<(), String> {
    // What a link points to may lie anywhere, so it is written in place.
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, text).map_err(failed("write", path));
    }
    let (part, mut file) = create_part(path).map_err(failed("write", path))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        failed("write", path)(error)
    })
}

/// A new file beside `path`, to be put in its place.
fn create_part(path: &str) -> io::Result<(PathBuf, File)> {
    let path = Path::new(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.display();
    for number in 0..100 {
        let part = path.with_file_name(format!(".{name}.{number}.part"));
        match File::create_new(&part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (part, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
