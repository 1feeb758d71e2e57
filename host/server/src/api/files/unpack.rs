//! Unpacks an archive, which is of whoever made it.
//!
//! It comes once, so that what is before a member which is refused has been written. The sandbox's own limits bound
//! what it makes, and [`MAX_HEADERS`] what is held of it.

use std::cell::Cell;
use std::io::{self, Read};

use palisade::{FileKind, Kind, Metadata, Workspace};
use serde::Serialize;
use tar::{Archive, Entry, EntryType};
use utoipa::ToSchema;

use super::below;
use crate::error::Failure;

/// Bytes from the contents of one member to those of the next: long names and attributes, which are held, and padding.
const MAX_HEADERS: u64 = 1024 * 1024;
/// Bytes which are written at a time.
const BUFFER: usize = 64 * 1024;
/// Characters of a name that an error repeats.
const MAX_SHOWN: usize = 256;

/// What was unpacked.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::api) struct Unpacked {
    files: u64,
    directories: u64,
    links: u64,
}

/// Unpacks what `source` gives into the directory `top`.
pub(super) fn unpack(files: &Workspace, top: &str, source: impl Read) -> Result<Unpacked, Failure> {
    files.create_dir_all(top)?;
    let room = Cell::new(MAX_HEADERS);
    let mut archive = Archive::new(Metered { room: &room, source });
    let mut unpacking = Unpacking {
        files,
        top,
        parent: String::new(),
        done: Unpacked::default(),
        buffer: vec![0; BUFFER],
    };
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        room.set(u64::MAX);
        unpacking.add(&mut entry)?;
        room.set(MAX_HEADERS);
    }
    // Archives are filled up with zeros.
    room.set(MAX_HEADERS);
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(unpacking.done)
}

fn damaged(error: io::Error) -> Failure {
    Failure::of(Kind::InvalidInput, format!("the archive cannot be read: {error}"))
}

struct Unpacking<'a> {
    files: &'a Workspace,
    top: &'a str,
    /// The directory which was found to be one, or made, last.
    parent: String,
    done: Unpacked,
    buffer: Vec<u8>,
}

impl Unpacking<'_> {
    fn add(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), Failure> {
        let kind = entry.header().entry_type();
        // What git writes of the commit.
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let raw = entry.path_bytes().into_owned();
        let shown: String = String::from_utf8_lossy(&raw).chars().take(MAX_SHOWN).collect();
        let added = String::from_utf8(raw)
            .map_err(|_| refused("its name is not UTF-8"))
            .and_then(|name| self.place(&name, kind, entry));
        added.map_err(|failure| failure.about(&format!("member {shown:?}")))
    }

    fn place(&mut self, name: &str, kind: EntryType, entry: &mut Entry<'_, impl Read>) -> Result<(), Failure> {
        let name = check_name(name)?;
        match kind {
            EntryType::Directory => {
                self.enter(&name)?;
                self.done.directories += 1;
            }
            EntryType::Regular => {
                self.make_way(&name)?;
                self.write(&name, entry)?;
                self.done.files += 1;
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = String::from_utf8(target).map_err(|_| refused("what it leads to is not UTF-8"))?;
                check_target(&name, &target)?;
                self.make_way(&name)?;
                self.link(&target, &name)?;
                self.done.links += 1;
            }
            EntryType::Link => return Err(refused("it is a hard link")),
            _ => return Err(refused("it is neither a file, a directory nor a symbolic link")),
        }
        Ok(())
    }

    /// Makes the directory above `name`.
    fn make_way(&mut self, name: &str) -> Result<(), Failure> {
        if name.is_empty() {
            return Err(refused("its name is that of the directory"));
        }
        let above = name.rsplit_once('/').map_or("", |(above, _)| above);
        self.enter(above)
    }

    /// Makes a directory, and those above it that are missing. A link to one is none: a member may not go through it.
    fn enter(&mut self, name: &str) -> Result<(), Failure> {
        if name == self.parent {
            return Ok(());
        }
        let ends = name.match_indices('/').map(|(end, _)| end).chain([name.len()]);
        for end in ends.filter(|end| *end > 0) {
            let path = below(self.top, &name[..end]);
            match self.stat(&path)? {
                None => self.files.create_dir_all(&path)?,
                Some(metadata) if metadata.kind == FileKind::Directory => {}
                Some(_) => {
                    let message = format!("{:?} is there, and is no directory", &name[..end]);
                    return Err(Failure::of(Kind::Conflict, message));
                }
            }
        }
        name.clone_into(&mut self.parent);
        Ok(())
    }

    fn stat(&self, path: &str) -> palisade::Result<Option<Metadata>> {
        match self.files.stat(path) {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            stat => stat.map(Some),
        }
    }

    fn write(&mut self, name: &str, entry: &mut Entry<'_, impl Read>) -> Result<(), Failure> {
        let mut file = self.files.replace(&below(self.top, name))?;
        let mut left = entry.size();
        while left > 0 {
            let read = entry.read(&mut self.buffer).map_err(damaged)?;
            if read == 0 {
                return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
            }
            file.append(&self.buffer[..read])?;
            left = left.saturating_sub(read as u64);
        }
        Ok(file.commit()?)
    }

    /// Makes a link, in place of a file or a link.
    fn link(&self, target: &str, name: &str) -> palisade::Result<()> {
        let path = below(self.top, name);
        let there = self.stat(&path)?;
        if there.is_some_and(|metadata| metadata.kind != FileKind::Directory) {
            self.files.remove(&path)?;
        }
        self.files.symlink(target, &path)
    }
}

fn refused(why: &str) -> Failure {
    Failure::of(Kind::InvalidInput, format!("refused: {why}"))
}

/// The path below the directory; nothing for the directory itself.
fn check_name(name: &str) -> Result<String, Failure> {
    if name.starts_with('/') {
        return Err(refused("its name is absolute"));
    }
    if name.split('/').any(|part| part == "..") {
        return Err(refused("its name leads out of the directory"));
    }
    if name
        .chars()
        .any(|character| character == '\\' || character.is_control())
    {
        return Err(refused("its name holds a backslash or a control character"));
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(parts.join("/"))
}

/// Refuses a link `name` which leads out of the directory.
///
/// What is above the link are directories, so each `..` at the start of its target climbs one of them. Behind a name,
/// `..` climbs from wherever another link may have led.
fn check_target(name: &str, target: &str) -> Result<(), Failure> {
    let mut parts = target.split('/').filter(|part| !matches!(*part, "" | ".")).peekable();
    let mut depth = name.matches('/').count();
    let mut leads_out = target.starts_with('/');
    while parts.next_if_eq(&"..").is_some() {
        match depth.checked_sub(1) {
            Some(above) => depth = above,
            None => leads_out = true,
        }
    }
    if leads_out || parts.any(|part| part == "..") {
        return Err(refused("it is a link which leads out of the directory, or may"));
    }
    Ok(())
}

/// A reader which fails when its room is used up.
struct Metered<'a, R> {
    room: &'a Cell<u64>,
    source: R,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        let left = self.room.get().checked_sub(read as u64);
        let spent = || {
            io::Error::other(format!(
                "more than {MAX_HEADERS} bytes between the contents of two members"
            ))
        };
        self.room.set(left.ok_or_else(spent)?);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_directory() {
        for (name, path) in [
            ("a", "a"),
            ("./a//b/", "a/b"),
            ("./", ""),
            ("", ""),
            ("..a/b..", "..a/b.."),
        ] {
            assert_eq!(check_name(name).ok().as_deref(), Some(path), "{name}");
        }
        for name in ["/a", "..", "a/../b", "a/..", "a\\b", "a\nb", "a\0b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn links_lead_below_the_directory() {
        for (name, target) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("a/b", "../c"),
            ("a/b/c", "../../d"),
            ("a/b", ".."),
        ] {
            assert!(check_target(name, target).is_ok(), "{name} -> {target}");
        }
        for (name, target) in [
            ("a", "/b"),
            ("a", ".."),
            ("a", "../b"),
            ("a/b", "../../c"),
            ("a", "b/../c"),
            ("a", "b/.."),
        ] {
            assert!(check_target(name, target).is_err(), "{name} -> {target}");
        }
    }
}
