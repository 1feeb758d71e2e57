use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use proptest::prelude::*;
use rustix::fs::{FileType, Mode, mknodat};

use super::model::{Item, look, make, plans, read};
use super::support::{Memory, Scratch};
use crate::Kind;
use crate::tree::capture::capture;
use crate::tree::node::{Body, CHUNK, Chunks, Content, Node, Totals};

/// What is readable for us all the way down, so that the plain way of looking works for ordinary users too.
fn readable(mut plans: Vec<super::model::Planned>) -> Vec<super::model::Planned> {
    for plan in &mut plans {
        plan.meta.mode |= 0o700;
    }
    plans
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_captured_is_what_is_there(plans in plans(20).prop_map(readable)) {
        let (scratch, blobs) = (Scratch::new(), Memory::default());
        make(&plans, &scratch);
        let captured = scratch.capture(&blobs);
        prop_assert_eq!(read(&captured.root, &blobs), look(&scratch));
        prop_assert_eq!(captured.skipped.count, 0);
    }

    #[test]
    fn capturing_changes_neither_modes_nor_times(plans in plans(12)) {
        let (scratch, blobs) = (Scratch::new(), Memory::default());
        make(&plans, &scratch);
        prop_assert_eq!(scratch.root(&blobs), scratch.root(&blobs));
    }
}

#[test]
fn totals_count_names_and_bytes_below() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("a/b/c", "12345");
    scratch.write("a/d", "123");
    std::fs::hard_link(scratch.path().join("a/d"), scratch.path().join("e")).unwrap();
    let totals = scratch.root(&blobs).totals;
    assert_eq!(totals, Totals { names: 5, bytes: 11 });
}

#[test]
fn a_hole_of_a_terabyte_costs_nothing() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    let file = std::fs::File::create(scratch.path().join("huge")).unwrap();
    file.set_len(1 << 40).unwrap();
    let root = scratch.root(&blobs);
    let node = Node::get(&blobs, &root.node).unwrap();
    let Body::File(huge) = &node.entries[0].body else {
        panic!("not a file: {node:?}");
    };
    let Content::Chunked(chunks) = &huge.content else {
        panic!("not in chunks: {huge:?}");
    };
    let runs = Chunks::get(&blobs, chunks).unwrap().runs;
    assert!(huge.sparse);
    assert_eq!(
        runs.iter().map(|run| run.1).collect::<Vec<_>>(),
        [(1 << 40) / CHUNK as u64]
    );
    assert!(blobs.puts.into_inner() < 5);
}

#[test]
fn files_and_directories_without_any_permission_are_read_and_stay_so() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("closed/below/file", "secret");
    for path in ["closed/below/file", "closed/below", "closed", ""] {
        let path = scratch.path().join(path);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
    }
    let model = read(&scratch.root(&blobs), &blobs);
    assert!(model.values().all(|(meta, _)| meta.mode == 0), "{model:?}");
    assert_eq!(model[&b"closed/below/file"[..]].1, Item::File(b"secret".to_vec(), None));
    let mode = |path: &str| scratch.path().join(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(""), 0);
    for path in ["", "closed", "closed/below"] {
        std::fs::set_permissions(scratch.path().join(path), PermissionsExt::from_mode(0o700)).unwrap();
    }
    assert_eq!(mode("closed/below/file"), 0);
}

#[test]
fn modes_come_back_when_a_capture_fails_far_below() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("closed/below/file", "before");
    let file = scratch.path().join("closed/below/file");
    let handle = std::fs::File::options().write(true).open(&file).unwrap();
    for path in ["closed/below", "closed"] {
        std::fs::set_permissions(scratch.path().join(path), PermissionsExt::from_mode(0o000)).unwrap();
    }
    *blobs.on_put.lock().unwrap() = Some(Box::new(move || handle.set_len(3).unwrap()));
    let error = capture(scratch.fd(), &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("closed/below/file"), "{error}");
    let model = read(&scratch.root(&blobs), &blobs);
    assert_eq!(model[&b"closed"[..]].0.mode, 0);
    assert_eq!(model[&b"closed/below"[..]].0.mode, 0);
}

#[test]
fn symlinks_which_point_outside_are_kept_and_not_followed() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    std::fs::create_dir(scratch.outside("other")).unwrap();
    std::fs::write(scratch.outside("other/file"), "outside").unwrap();
    symlink(scratch.outside("other"), scratch.path().join("directory")).unwrap();
    symlink("../other/file", scratch.path().join("file")).unwrap();
    let model = read(&scratch.root(&blobs), &blobs);
    assert_eq!(model.len(), 3);
    assert_eq!(model[&b"file"[..]].1, Item::Symlink(b"../other/file".to_vec()));
}

#[test]
fn sockets_and_pipes_are_skipped_and_counted() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("a/file", "kept");
    let _socket = UnixListener::bind(scratch.path().join("a/socket")).unwrap();
    for number in 0..300 {
        mknodat(scratch.fd(), format!("pipe{number}"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    }
    let captured = scratch.capture(&blobs);
    assert_eq!(captured.skipped.count, 301);
    assert_eq!(captured.skipped.paths.len(), 256);
    assert!(captured.skipped.paths.contains(&b"a/socket".to_vec()));
    assert_eq!(read(&captured.root, &blobs).len(), 3);
}

#[test]
fn a_directory_with_many_names_and_directories_is_whole() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for number in 0..500 {
        scratch.write(format!("file{number}"), number.to_string());
        scratch.write(format!("directory{number}/file"), number.to_string());
    }
    assert_eq!(scratch.root(&blobs).totals.names, 1500);
    assert_eq!(read(&scratch.root(&blobs), &blobs), look(&scratch));
}

#[test]
fn a_file_with_many_names_is_read_once() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("first", "content");
    for number in 0..50 {
        std::fs::hard_link(
            scratch.path().join("first"),
            scratch.path().join(format!("other{number}")),
        )
        .unwrap();
    }
    scratch.root(&blobs);
    assert_eq!(blobs.puts.into_inner(), 2);
}
