//! Reads archives, checking every entry.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use crate::archive::{Entry, Format, Kind};
use crate::budget::Budget;
use crate::tree::Tree;
use crate::{failed, names};

/// The part of a Unix mode which says what it is of.
const MODE_KIND: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;
const MODE_FOLDER: u32 = 0o040_000;

/// Does something with the contents of an entry.
type Each<'a> = dyn FnMut(&Entry, &mut dyn Read) -> Result<(), String> + 'a;

/// The entries of the archive at `path`, once all of it was read and found right.
pub fn entries(path: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    each(path, &mut |entry, contents| {
        let bytes = io::copy(contents, &mut io::sink()).map_err(failed("read", &entry.path))?;
        entries.push(Entry { bytes, ..entry.clone() });
        Ok(())
    })?;
    Ok(entries)
}

/// Calls `each` with every entry. That an entry is refused may be found after others.
pub fn each(path: &str, each: &mut Each<'_>) -> Result<(), String> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let length = file.metadata().map_err(failed("open", path))?.len();
    let mut checked = Checked {
        budget: &Budget::of(length)?,
        tree: Tree::default(),
        each,
    };
    match format(&mut file).map_err(failed("read", path))? {
        Format::Zip => checked.zip(BufReader::new(file)),
        Format::TarGz => checked.tar(MultiGzDecoder::new(BufReader::new(file))),
        Format::Tar => checked.tar(BufReader::new(file)),
    }
    .map_err(failed("read", path))
}

/// By the first bytes: names can lie.
fn format(file: &mut File) -> io::Result<Format> {
    let mut start = Vec::new();
    file.take(4).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Format::TarGz,
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Format::Zip,
        _ => Format::Tar,
    })
}

struct Checked<'a> {
    budget: &'a Budget,
    tree: Tree,
    each: &'a mut Each<'a>,
}

impl Checked<'_> {
    fn zip<R: Read + Seek>(&mut self, archive: R) -> Result<(), String> {
        let wrong = |error: zip::result::ZipError| error.to_string();
        let mut archive = ZipArchive::new(archive).map_err(wrong)?;
        if archive.has_duplicate_names() {
            return Err("refused: a name is there twice".to_owned());
        }
        for index in 0..archive.len() {
            let file = archive.by_index(index).map_err(wrong)?;
            let name = file.name().map_err(wrong)?.into_owned();
            let kind = match () {
                () if file.is_symlink() => return Err(format!("refused: {name:?} is a link")),
                () if !matches!(file.unix_mode().unwrap_or(0) & MODE_KIND, 0 | MODE_FILE | MODE_FOLDER) => {
                    return Err(format!("refused: {name:?} is neither a file nor a folder"));
                }
                () if file.is_dir() => Kind::Folder,
                () => Kind::File,
            };
            let mut contents = self.budget.meter(file);
            self.entry(&name, kind, &mut contents)?;
        }
        Ok(())
    }

    fn tar<R: Read>(&mut self, archive: R) -> Result<(), String> {
        // All of the stream is metered: headers can be a bomb as well.
        let mut archive = tar::Archive::new(self.budget.meter(archive));
        for entry in archive.entries().map_err(|error| error.to_string())? {
            let mut entry = entry.map_err(|error| error.to_string())?;
            let name =
                String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| "refused: a name is not UTF-8")?;
            let kind = match entry.header().entry_type() {
                tar::EntryType::Regular => Kind::File,
                tar::EntryType::Directory => Kind::Folder,
                // What git writes of the commit.
                tar::EntryType::XGlobalHeader => continue,
                tar::EntryType::Symlink | tar::EntryType::Link => return Err(format!("refused: {name:?} is a link")),
                _ => return Err(format!("refused: {name:?} is neither a file nor a folder")),
            };
            self.entry(&name, kind, &mut entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, kind: Kind, contents: &mut dyn Read) -> Result<(), String> {
        self.budget.take_entry()?;
        let Some(path) = names::check(name)? else {
            return Ok(());
        };
        self.tree.add(&path, kind)?;
        let entry = Entry { path, kind, bytes: 0 };
        match kind {
            Kind::File => (self.each)(&entry, contents),
            Kind::Folder => (self.each)(&entry, &mut io::empty()),
        }
    }
}
