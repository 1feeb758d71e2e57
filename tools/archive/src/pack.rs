//! Packs files.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use crate::archive::{Format, Kind, Packed};
use crate::budget::Budget;
use crate::{failed, names};

/// Names that are tried for what is to be an archive.
const PARTS: u32 = 100;

/// Packs `files` into the archive at `path`.
pub fn pack(path: &str, files: &[String], format: Option<Format>) -> Result<Packed, String> {
    let format = match format {
        Some(format) => format,
        None => format_of(path)?,
    };
    let mut found = Found {
        archive: name_of(path)?,
        seen: HashSet::new(),
        items: Vec::new(),
        left_out: Vec::new(),
    };
    files.iter().try_for_each(|file| found.add(file))?;
    let (part, mut archive) = create_part(path).map_err(failed("write", path))?;
    let written = write(&mut archive, format, &found.items).and_then(|()| {
        let synced = archive.sync_all().and_then(|()| fs::rename(&part, path));
        synced.map_err(failed("write", path))
    });
    written.inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })?;
    Ok(Packed {
        entries: found.items.len() as u32,
        left_out: found.left_out,
    })
}

/// A new file beside `path`, to be put in its place.
fn create_part(path: &str) -> io::Result<(PathBuf, File)> {
    let path = Path::new(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.display();
    for number in 0..PARTS {
        let part = path.with_file_name(format!(".{name}.{number}.part"));
        match File::create_new(&part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (part, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn format_of(path: &str) -> Result<Format, String> {
    let ends = |end: &str| path.ends_with(end);
    match () {
        () if ends(".tar") => Ok(Format::Tar),
        () if ends(".tar.gz") || ends(".tgz") => Ok(Format::TarGz),
        () if ends(".zip") => Ok(Format::Zip),
        () => Err(format!(
            "{path} ends in none of .tar, .tar.gz, .tgz and .zip: give the format"
        )),
    }
}

/// What there is to be packed.
struct Found {
    /// The name of the archive, which is not packed into itself.
    archive: Option<String>,
    /// The names so far.
    seen: HashSet<String>,
    items: Vec<Item>,
    left_out: Vec<String>,
}

/// A file or folder.
pub struct Item {
    /// In the archive.
    name: String,
    path: String,
    kind: Kind,
}

impl Found {
    /// Adds the file or folder at `path`.
    fn add(&mut self, path: &str) -> Result<(), String> {
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            let is_odd = names::is_odd(&path);
            let name = if is_odd { Some(path.clone()) } else { name_of(&path)? };
            if let Some(name) = &name
                && (self.archive.as_ref() == Some(name) || !self.seen.insert(name.clone()))
            {
                continue;
            }
            let metadata = fs::symlink_metadata(&path).map_err(failed("read", &path))?;
            let is_part = name.as_deref().zip(self.archive.as_deref());
            let kind = match () {
                () if is_odd => None,
                () if is_part.is_some_and(|(name, archive)| self::is_part(name, archive)) => None,
                () if metadata.is_dir() => Some(Kind::Folder),
                () if metadata.is_file() => Some(Kind::File),
                () => None,
            };
            let Some(kind) = kind else {
                self.left_out.push(path);
                continue;
            };
            if kind == Kind::Folder {
                open.extend(children(&path)?);
            }
            self.items.extend(name.map(|name| Item { name, path, kind }));
        }
        Ok(())
    }
}

/// Whether a name is that of a part of `archive`: one which is written now, or which a crash left behind.
fn is_part(name: &str, archive: &str) -> bool {
    let (beside, archive) = archive.rsplit_once('/').unwrap_or(("", archive));
    let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
    let number = name
        .strip_prefix(&format!(".{archive}."))
        .and_then(|rest| rest.strip_suffix(".part"));
    folder == beside && number.is_some_and(|number| number.parse().is_ok_and(|number: u32| number < PARTS))
}

/// The name in an archive of what lies at `path`.
fn name_of(path: &str) -> Result<Option<String>, String> {
    names::check(path.trim_start_matches('/'))
}

/// The paths in a folder, the first at the end.
fn children(folder: &str) -> Result<Vec<String>, String> {
    let entries = Path::new(folder).read_dir().map_err(failed("read", folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed("read", folder))?.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| format!("a name in {folder} is not UTF-8"))?;
        paths.push(format!("{}/{name}", folder.trim_end_matches('/')));
    }
    paths.sort_unstable_by(|left, right| right.cmp(left));
    Ok(paths)
}

/// Writes all of an archive.
pub fn write(archive: impl Write + Seek, format: Format, items: &[Item]) -> Result<(), String> {
    let mut archive = BufWriter::new(archive);
    match format {
        Format::Zip => write_zip(&mut archive, items)?,
        Format::Tar => write_tar(&mut archive, items).map(drop)?,
        Format::TarGz => {
            let archive = write_tar(GzEncoder::new(&mut archive, Compression::default()), items)?;
            archive.finish().map_err(failed("write", "the archive")).map(drop)?;
        }
    }
    archive.flush().map_err(failed("write", "the archive"))
}

fn write_tar<W: Write>(archive: W, items: &[Item]) -> Result<W, String> {
    let mut archive = tar::Builder::new(archive);
    each(items, |name, contents| {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        match contents {
            Some((length, contents)) => {
                header.set_size(length);
                header.set_mode(0o644);
                archive.append_data(&mut header, name, contents)
            }
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                header.set_mode(0o755);
                archive.append_data(&mut header, name, io::empty())
            }
        }
    })?;
    archive.into_inner().map_err(failed("write", "the archive"))
}

fn write_zip(archive: impl Write + Seek, items: &[Item]) -> Result<(), String> {
    let mut archive = ZipWriter::new(archive);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    each(items, |name, contents| match contents {
        Some((_, mut contents)) => {
            archive.start_file(name, options)?;
            io::copy(&mut contents, &mut archive).map(drop)
        }
        None => Ok(archive.add_directory(name, options)?),
    })?;
    archive.finish().map(drop).map_err(failed("write", "the archive"))
}

/// Calls `add` with the name of each entry, and with the length and contents of a file.
fn each(
    items: &[Item],
    mut add: impl FnMut(&str, Option<(u64, &mut dyn Read)>) -> io::Result<()>,
) -> Result<(), String> {
    let budget = Budget::for_packing();
    for Item { name, path, kind } in items {
        budget.take_entry()?;
        let added = match kind {
            Kind::Folder => add(name, None),
            Kind::File => add_file(path, &budget, |length, contents| add(name, Some((length, contents)))),
        };
        added.map_err(failed("pack", path))?;
    }
    Ok(())
}

/// Calls `add` with the length and contents of a file. If they did not fit each other, the archive would be spoilt.
pub fn add_file(path: &str, budget: &Budget, add: impl FnOnce(u64, &mut dyn Read) -> io::Result<()>) -> io::Result<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut file = BufReader::new(file);
    let mut contents = file.by_ref().take(length);
    add(length, &mut budget.meter(&mut contents))?;
    if contents.limit() > 0 || !file.fill_buf()?.is_empty() {
        return Err(io::Error::other("its length changed meanwhile"));
    }
    Ok(())
}
