//! Trees as plain maps: made at random, made in a directory, and read from a store.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::support::{Memory, Scratch};
use crate::tree::node::{Blobs, Body, Chunks, Content, File, Meta, Node, Root, Time};

/// By path. The directory itself has the empty one.
pub(super) type Model = BTreeMap<Vec<u8>, (Meta, Item)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Directory,
    Symlink(Vec<u8>),
    /// Its bytes, and the number of the file among those with several names.
    File(Vec<u8>, Option<usize>),
}

/// What may be made at random.
#[derive(Clone, Debug)]
pub(super) enum Made {
    Directory,
    Symlink(Vec<u8>),
    /// Pieces of a length, which are holes or of a byte.
    File(Vec<(usize, Option<u8>)>),
    /// Another name of one of the files before.
    Link(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub path: Vec<Vec<u8>>,
    pub what: Made,
    pub meta: Meta,
}

pub(super) fn plans(most: usize) -> impl Strategy<Value = Vec<Planned>> {
    vec(planned(true), 0..most)
}

/// Without files of several names.
pub(super) fn plans_without_links(most: usize) -> impl Strategy<Value = Vec<Planned>> {
    vec(planned(false), 0..most)
}

fn planned(links: bool) -> impl Strategy<Value = Planned> {
    let link = if links { 2 } else { 0 };
    let what = prop_oneof![
        3 => Just(Made::Directory),
        2 => vec(any::<u8>().prop_filter("no zero", |byte| *byte != 0), 1..40).prop_map(Made::Symlink),
        6 => content().prop_map(Made::File),
        link => any::<usize>().prop_map(Made::Link),
    ];
    (vec(name(), 1..5), what, meta()).prop_map(|(path, what, meta)| Planned { path, what, meta })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(vec!["a", "b", "c", "a-b", "a.b"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => Just(vec![b'x'; 255]),
        1 => Just(b"\xff\xfe\n".to_vec()),
        1 => Just(b".link1".to_vec()),
        1 => Just(b"...".to_vec()),
    ]
}

fn content() -> impl Strategy<Value = Vec<(usize, Option<u8>)>> {
    let length = prop_oneof![0..100_usize, Just(4096), 1..20_000_usize, 50_000..300_000_usize];
    vec((length, proptest::option::of(any::<u8>())), 0..4)
}

fn meta() -> impl Strategy<Value = Meta> {
    let mode = prop_oneof![3 => Just(0o644), 1 => Just(0), 2 => 0..0o10000_u32];
    (mode, -1_000_000_000..3_000_000_000_i64, 0..1_000_000_000_u32).prop_map(|(mode, seconds, nanoseconds)| Meta {
        mode,
        modified: Time { seconds, nanoseconds },
    })
}

/// Makes what was planned, as far as it goes: what is in the way is removed, directories are made as needed.
pub(super) fn make(plans: &[Planned], scratch: &Scratch) {
    let mut metas = BTreeMap::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for plan in plans {
        let mut at = scratch.path();
        for name in &plan.path[..plan.path.len() - 1] {
            at.push(OsStr::from_bytes(name));
            if !is_directory(&at) {
                clear(&at);
                std::fs::create_dir(&at).unwrap();
            }
        }
        at.push(OsStr::from_bytes(plan.path.last().unwrap()));
        clear(&at);
        make_one(&plan.what, &at, &mut files);
        metas.insert(at, plan.meta);
    }
    for (path, meta) in metas.iter().rev() {
        set_meta(path, meta);
    }
    set_meta(
        &scratch.path(),
        &Meta {
            mode: 0o750,
            modified: Time {
                seconds: 1,
                nanoseconds: 2,
            },
        },
    );
}

fn make_one(what: &Made, at: &Path, files: &mut Vec<PathBuf>) {
    match what {
        Made::Directory => std::fs::create_dir(at).unwrap(),
        Made::Symlink(target) => symlink(OsStr::from_bytes(target), at).unwrap(),
        Made::File(pieces) => {
            write(at, pieces);
            files.push(at.to_owned());
        }
        Made::Link(number) => {
            files.retain(|file| file.symlink_metadata().is_ok_and(|meta| meta.is_file()));
            match files.get(number % files.len().max(1)) {
                Some(file) => std::fs::hard_link(file, at).unwrap(),
                None => std::fs::create_dir(at).unwrap(),
            }
        }
    }
}

fn write(at: &Path, pieces: &[(usize, Option<u8>)]) {
    let file = std::fs::File::create_new(at).unwrap();
    let mut end = 0;
    for (length, byte) in pieces {
        if let Some(byte) = byte {
            file.write_all_at(&vec![*byte; *length], end).unwrap();
        }
        end += *length as u64;
    }
    file.set_len(end).unwrap();
}

fn is_directory(at: &Path) -> bool {
    at.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

fn clear(at: &Path) {
    match at.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(at).unwrap(),
        Ok(_) => std::fs::remove_file(at).unwrap(),
        Err(_) => {}
    }
}

pub(super) fn set_meta(path: &Path, meta: &Meta) {
    let Ok(found) = path.symlink_metadata() else {
        return;
    };
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: meta.modified.seconds,
            tv_nsec: meta.modified.nanoseconds.into(),
        },
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    if !found.is_symlink() {
        std::fs::set_permissions(path, PermissionsExt::from_mode(meta.mode)).unwrap();
    }
}

/// All that is stored of a tree. Files with several names are numbered in the order of their first ones.
pub(super) fn read(root: &Root, blobs: &Memory) -> Model {
    let mut model = Model::from([(Vec::new(), (root.meta, Item::Directory))]);
    let mut left = vec![(Vec::new(), root.node)];
    while let Some((path, node)) = left.pop() {
        for entry in Node::get(blobs, &node).unwrap().entries {
            let mut at: Vec<u8> = path.clone();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend(&entry.name);
            let item = match entry.body {
                Body::Directory { node, .. } => {
                    left.push((at.clone(), node));
                    Item::Directory
                }
                Body::Symlink { target } => Item::Symlink(target),
                Body::File(file) => Item::File(bytes(&file, blobs), file.link.map(|link| link as usize)),
            };
            model.insert(at, (entry.meta, item));
        }
    }
    number_links(model)
}

pub(super) fn number_links(mut model: Model) -> Model {
    let mut numbers = HashMap::new();
    for (_, item) in model.values_mut() {
        if let Item::File(_, Some(link)) = item {
            let next = numbers.len();
            *link = *numbers.entry(*link).or_insert(next);
        }
    }
    model
}

pub(super) fn bytes(file: &File, blobs: &Memory) -> Vec<u8> {
    let bytes = match &file.content {
        Content::Empty => Vec::new(),
        Content::Whole(digest) => blobs.get(digest).unwrap(),
        Content::Chunked(digest) => {
            let runs = Chunks::get(blobs, digest).unwrap().runs;
            let repeat = |(digest, times): (_, u64)| blobs.get(&digest).unwrap().repeat(times as usize);
            runs.into_iter().flat_map(repeat).collect()
        }
    };
    assert_eq!(bytes.len() as u64, file.size);
    bytes
}

/// All that is in a directory, read in the plainest way. Modes must let us.
pub(super) fn look(scratch: &Scratch) -> Model {
    use std::os::unix::fs::MetadataExt;
    let mut model = Model::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let at = scratch.path().join(&path);
        let found = at.symlink_metadata().unwrap();
        let item = if found.is_dir() {
            left.extend(
                std::fs::read_dir(&at)
                    .unwrap()
                    .map(|entry| path.join(entry.unwrap().file_name())),
            );
            Item::Directory
        } else if found.is_symlink() {
            Item::Symlink(std::fs::read_link(&at).unwrap().as_os_str().as_bytes().to_vec())
        } else {
            Item::File(
                std::fs::read(&at).unwrap(),
                (found.nlink() > 1).then_some(found.ino() as usize),
            )
        };
        let meta = Meta {
            mode: found.mode() & 0o7777,
            modified: Time {
                seconds: found.mtime(),
                nanoseconds: found.mtime_nsec() as u32,
            },
        };
        model.insert(path.as_os_str().as_bytes().to_vec(), (meta, item));
    }
    number_links(model)
}
