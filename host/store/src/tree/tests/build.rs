use std::ffi::CString;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use proptest::prelude::*;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use super::model::{Item, make, plans, plans_without_links, read};
use super::support::{Memory, Scratch};
use crate::tree::build::build;
use crate::tree::node::{Blobs, Body, Content, Entry, File, Meta, Node, Root, Time, Totals};
use crate::{Digest, Kind, Result};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_built_is_what_was_captured(plans in plans(20)) {
        let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&plans, &scratch);
        let root = scratch.root(&blobs);
        build(other.fd(), &root, &blobs).unwrap();
        prop_assert_eq!(read(&other.root(&blobs), &blobs), read(&root, &blobs));
    }

    #[test]
    fn without_links_the_root_is_the_same(plans in plans_without_links(20)) {
        let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&plans, &scratch);
        let root = scratch.root(&blobs);
        build(other.fd(), &root, &blobs).unwrap();
        prop_assert_eq!(other.root(&blobs), root);
    }
}

/// Directories in each other, and a file in the last.
pub(super) fn make_deep(scratch: &Scratch, levels: usize, content: &str) {
    let mut at = openat(scratch.fd(), ".", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..levels {
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        at = openat(&at, "d", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let file = openat(at.as_fd(), "file", flags, Mode::RUSR | Mode::WUSR).unwrap();
    rustix::io::write(&file, content.as_bytes()).unwrap();
}

#[test]
fn five_thousand_levels_come_back() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    make_deep(&scratch, 5_000, "bottom");
    let root = scratch.root(&blobs);
    assert_eq!(root.totals.names, 5_001);
    build(other.fd(), &root, &blobs).unwrap();
    assert_eq!(other.root(&blobs), root);
}

#[test]
fn names_of_a_file_in_different_directories_are_one_file() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    scratch.write("a/one", "content");
    scratch.write(".link", "a name that is in the way of a spare one");
    std::fs::create_dir(scratch.path().join("b")).unwrap();
    std::fs::hard_link(scratch.path().join("a/one"), scratch.path().join("b/two")).unwrap();
    build(other.fd(), &scratch.root(&blobs), &blobs).unwrap();
    let inode = |path: &str| other.path().join(path).metadata().unwrap().ino();
    assert_eq!(inode("a/one"), inode("b/two"));
    assert_eq!(other.path().join("a/one").metadata().unwrap().nlink(), 2);
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 3);
}

#[test]
fn holes_take_no_space_when_they_are_built() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    let file = std::fs::File::create(scratch.path().join("huge")).unwrap();
    file.set_len(1 << 40).unwrap();
    scratch.write("zeros", vec![0; 1 << 20]);
    build(other.fd(), &scratch.root(&blobs), &blobs).unwrap();
    let huge = other.path().join("huge").metadata().unwrap();
    assert_eq!(huge.len(), 1 << 40);
    assert!(huge.blocks() < 64, "{} blocks", huge.blocks());
    assert!(other.path().join("zeros").metadata().unwrap().blocks() >= 2048);
}

#[test]
fn a_blob_that_is_gone_is_not_found() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    scratch.write("file", "content");
    let root = scratch.root(&blobs);
    blobs.forget(&Digest::of(b"content"));
    assert_eq!(build(other.fd(), &root, &blobs).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn what_is_there_already_is_a_conflict() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    scratch.write("file", "content");
    other.write("file", "other");
    let error = build(other.fd(), &scratch.root(&blobs), &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(std::fs::read(other.path().join("file")).unwrap(), b"other");
}

fn entry(name: &[u8], body: Body) -> Entry {
    let modified = Time {
        seconds: 0,
        nanoseconds: 0,
    };
    Entry {
        name: name.to_vec(),
        meta: Meta { mode: 0o600, modified },
        body,
    }
}

fn file(size: u64, content: Content) -> Body {
    Body::File(File {
        size,
        content,
        sparse: false,
        link: None,
    })
}

fn build_of(entries: Vec<Entry>, blobs: &Memory) -> Result<()> {
    let other = Scratch::new();
    let root = Root {
        node: Node { entries }.put(blobs).unwrap(),
        meta: entry(b"", file(0, Content::Empty)).meta,
        totals: Totals::default(),
    };
    build(other.fd(), &root, blobs)
}

#[test]
fn names_which_lead_elsewhere_are_corrupt() {
    for name in [&b""[..], b".", b"..", b"a/b", b"/etc", b"zero\0"] {
        let entries = vec![entry(name, file(0, Content::Empty))];
        let error = build_of(entries, &Memory::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{name:?}");
    }
    let twice = vec![
        entry(b"a", file(0, Content::Empty)),
        entry(b"a", file(0, Content::Empty)),
    ];
    assert_eq!(build_of(twice, &Memory::default()).unwrap_err().kind(), Kind::Corrupt);
}

#[test]
fn a_size_which_the_content_does_not_have_is_corrupt() {
    let blobs = Memory::default();
    let digest = blobs.put(b"12345").unwrap();
    let chunks = |runs| crate::tree::node::Chunks { runs }.put(&blobs).unwrap();
    let cases = [
        file(1, Content::Empty),
        file(4, Content::Whole(digest)),
        file(4, Content::Chunked(chunks(vec![(digest, 1)]))),
        file(10, Content::Chunked(chunks(vec![(digest, 2)]))),
        file(5, Content::Chunked(chunks(vec![(digest, 0)]))),
        file(
            u64::MAX,
            Content::Chunked(chunks(vec![(digest, u64::MAX), (digest, 2)])),
        ),
    ];
    for case in cases {
        let error = build_of(vec![entry(b"a", case.clone())], &blobs).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{case:?}");
    }
}

#[test]
fn a_directory_that_may_not_be_entered_is_built() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    scratch.write("closed/file", "content");
    let name = CString::new("closed").unwrap();
    rustix::fs::chmodat(scratch.fd(), &name, Mode::empty(), rustix::fs::AtFlags::empty()).unwrap();
    build(other.fd(), &scratch.root(&blobs), &blobs).unwrap();
    let model = read(&other.root(&blobs), &blobs);
    assert_eq!(model[&b"closed"[..]].0.mode, 0);
    assert_eq!(model[&b"closed/file"[..]].1, Item::File(b"content".to_vec(), None));
}

#[test]
#[ignore = "makes 65,000 names, which takes seconds"]
fn a_file_with_as_many_names_as_it_may_have_comes_back() {
    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    scratch.write("0", "content");
    let path = |number: usize| scratch.path().join(number.to_string());
    let names = (1..70_000)
        .take_while(|number| std::fs::hard_link(path(0), path(*number)).is_ok())
        .count();
    build(other.fd(), &scratch.root(&blobs), &blobs).unwrap();
    let built = other.path().join("0").metadata().unwrap();
    assert_eq!(built.nlink(), names as u64 + 1);
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), names + 1);
}
