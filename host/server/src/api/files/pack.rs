//! Packs a directory.

use std::io::{self, BufWriter, Read, Write};
use std::time::UNIX_EPOCH;

use palisade::{DirEntry, FileKind, HostFile, Metadata, Workspace};
use tar::{Builder, EntryType, Header};

use super::below;

/// Bytes which are gathered before they are handed on.
const BUFFER: usize = 64 * 1024;

/// What there is to be packed, by its path below the directory.
pub(super) struct Item {
    name: String,
    kind: FileKind,
}

/// What is in the directory `name` below `top`, in the reverse order of the names.
pub(super) fn list(files: &Workspace, top: &str, name: &str) -> palisade::Result<Vec<Item>> {
    let within = |entry: DirEntry| Item {
        name: if name.is_empty() {
            entry.name
        } else {
            below(name, &entry.name)
        },
        kind: entry.kind,
    };
    let path = if name.is_empty() {
        top.to_owned()
    } else {
        below(top, name)
    };
    let mut items: Vec<Item> = files.list(&path)?.into_iter().map(within).collect();
    items.sort_unstable_by(|left, right| right.name.cmp(&left.name));
    Ok(items)
}

/// Packs what is in the directory `top`, of which `items` are the first level. It holds the names which are still to be
/// packed in the directories that it is in, and one buffer.
pub(super) fn pack(files: &Workspace, top: &str, items: Vec<Item>, out: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(BufWriter::with_capacity(BUFFER, out));
    let packed = add_all(&mut archive, files, top, items);
    let mut out = archive.into_inner()?;
    if packed.is_err() {
        // What is gathered and the end of the archive are not handed on.
        drop(out.into_parts());
        return packed;
    }
    out.flush()
}

fn add_all<W: Write>(archive: &mut Builder<W>, files: &Workspace, top: &str, mut items: Vec<Item>) -> io::Result<()> {
    while let Some(Item { name, kind }) = items.pop() {
        let path = below(top, &name);
        match kind {
            FileKind::File => {
                let file = files.open(&path).map_err(io::Error::other)?;
                add_file(archive, &name, file)?;
            }
            FileKind::Directory => {
                let mut header = header(EntryType::Directory, &files.stat(&path).map_err(io::Error::other)?);
                archive.append_data(&mut header, &name, io::empty())?;
                items.extend(list(files, top, &name).map_err(io::Error::other)?);
            }
            FileKind::Symlink => {
                let target = files.read_link(&path).map_err(io::Error::other)?;
                let mut header = header(EntryType::Symlink, &files.stat(&path).map_err(io::Error::other)?);
                archive.append_link(&mut header, &name, &target)?;
            }
            FileKind::Other => {}
        }
    }
    Ok(())
}

/// A file which grows meanwhile is packed as far as it went; one which becomes shorter would spoil the archive.
fn add_file<W: Write>(archive: &mut Builder<W>, name: &str, file: HostFile) -> io::Result<()> {
    let metadata = file.metadata().map_err(io::Error::other)?;
    let mut header = header(EntryType::Regular, &metadata);
    header.set_size(metadata.size);
    let mut contents = Contents { file, at: 0 }.take(metadata.size);
    archive.append_data(&mut header, name, &mut contents)?;
    if contents.limit() > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn header(kind: EntryType, metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(metadata.mode);
    let since = metadata.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    header.set_mtime(since.as_secs());
    header
}

/// A reader of a file.
struct Contents {
    file: HostFile,
    at: u64,
}

impl Read for Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at).map_err(io::Error::other)?;
        self.at += read as u64;
        Ok(read)
    }
}
