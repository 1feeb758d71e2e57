use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::build::make_deep;
use super::model::{make, plans, plans_without_links};
use super::support::{Memory, Scratch};
use crate::Kind;
use crate::tree::build::build;
use crate::tree::capture::capture;
use crate::tree::patch::patch;
use crate::tree::recapture::recapture;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_patched_directory_is_what_it_should_be(first in plans_without_links(20), more in plans_without_links(8)) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (before, after) = (one.root(&blobs), other.root(&blobs));
        patch(one.fd(), &before, &after, &blobs).unwrap();
        prop_assert_eq!(one.root(&blobs), after);
        patch(one.fd(), &after, &before, &blobs).unwrap();
        prop_assert_eq!(one.root(&blobs), before);
    }

    #[test]
    fn files_with_several_names_are_patched_right_or_not_at_all(first in plans(12), more in plans(4)) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (before, after) = (one.root(&blobs), other.root(&blobs));
        match patch(one.fd(), &before, &after, &blobs) {
            Ok(_) => prop_assert_eq!(one.root(&blobs), after),
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::Unsupported);
                prop_assert_eq!(one.root(&blobs), before);
            }
        }
    }

    #[test]
    fn a_patch_says_what_it_touched(first in plans_without_links(16), more in plans_without_links(6)) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (before, mut index) = capture(one.fd(), &blobs).unwrap();
        let after = other.root(&blobs);
        std::thread::sleep(std::time::Duration::from_millis(25));
        let patched = patch(one.fd(), &before.root, &after, &blobs).unwrap();
        let found = recapture(one.fd(), &before.root, &mut index, &patched.dirty, &blobs).unwrap();
        prop_assert_eq!(found.root, after);
    }

    #[test]
    fn a_patch_that_was_interrupted_goes_on(first in plans_without_links(12), more in plans_without_links(5), step in 1..4_u64) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (before, after) = (one.root(&blobs), other.root(&blobs));
        for gets in (0..).step_by(step as usize) {
            blobs.interrupt_after(Some(gets));
            match patch(one.fd(), &before, &after, &blobs) {
                Ok(_) => break,
                Err(error) => prop_assert_eq!(error.kind(), Kind::Unavailable, "{}", error),
            }
        }
        blobs.interrupt_after(None);
        prop_assert_eq!(one.root(&blobs), after);
    }
}

#[test]
fn only_what_differs_is_touched() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for number in 0..400 {
        scratch.write(format!("{}/{number}", number % 20), format!("content {number}"));
    }
    let before = scratch.root(&blobs);
    let inode = |path: &str| scratch.path().join(path).metadata().unwrap().ino();
    let inodes = [inode("3/3"), inode("4/4")];
    scratch.write("3/3", "changed");
    scratch.write("5/5", "changed");
    let after = scratch.root(&blobs);
    let ctime = scratch.path().join("4/4").metadata().unwrap().ctime_nsec();
    blobs.gets.store(0, Ordering::Relaxed);
    let patched = patch(scratch.fd(), &after, &before, &blobs).unwrap();
    assert_eq!((patched.rewritten, patched.made, patched.removed), (2, 0, 0));
    assert_eq!(patched.dirty.len(), 5, "{:?}", patched.dirty);
    assert!(blobs.gets.load(Ordering::Relaxed) <= 14);
    assert_eq!(scratch.root(&blobs), before);
    assert_eq!([inode("3/3"), inode("4/4")], inodes);
    assert_eq!(scratch.path().join("4/4").metadata().unwrap().ctime_nsec(), ctime);
}

#[test]
fn directories_without_any_permission_are_patched() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    for (scratch, content) in [(&one, "before"), (&other, "after")] {
        scratch.write("closed/below/file", content);
        for path in ["closed/below/file", "closed/below", "closed", ""] {
            let path = scratch.path().join(path);
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
        }
    }
    let (before, after) = (one.root(&blobs), other.root(&blobs));
    patch(one.fd(), &before, &after, &blobs).unwrap();
    assert_eq!(one.root(&blobs), after);
}

#[test]
fn a_name_that_appeared_outside_of_the_store_is_not_written_through() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    one.write("file", "before");
    other.write("file", "after");
    let (before, after) = (one.root(&blobs), other.root(&blobs));
    let outside = one.outside("other name");
    std::fs::hard_link(one.path().join("file"), &outside).unwrap();
    let error = patch(one.fd(), &before, &after, &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(std::fs::read(outside).unwrap(), b"before");
}

#[test]
fn a_symlink_where_a_file_or_directory_was_is_not_followed() {
    for path in ["file", "directory/file"] {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        one.write(path, "before");
        other.write(path, "after");
        let (before, after) = (one.root(&blobs), other.root(&blobs));
        let first = one.path().join(path.split('/').next().unwrap());
        let outside = one.outside("outside");
        std::fs::rename(&first, &outside).unwrap();
        symlink(&outside, &first).unwrap();
        let error = patch(one.fd(), &before, &after, &blobs).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
        let kept = if outside.is_dir() {
            outside.join("file")
        } else {
            outside
        };
        assert_eq!(std::fs::read(kept).unwrap(), b"before");
    }
}

#[test]
fn a_deep_tree_is_made_and_removed() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    make_deep(&one, 5_000, "bottom");
    make_deep(&other, 4_000, "higher");
    let empty = Scratch::new().root(&blobs);
    let (deep, higher) = (one.root(&blobs), other.root(&blobs));
    for (before, after) in [(deep, higher), (higher, empty), (empty, deep)] {
        patch(one.fd(), &before, &after, &blobs).unwrap();
        assert_eq!(one.root(&blobs), after);
    }
}

#[test]
fn a_tree_with_links_which_do_not_change_is_patched() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("linked", "content");
    std::fs::hard_link(scratch.path().join("linked"), scratch.path().join("other")).unwrap();
    scratch.write("file", "before");
    let before = scratch.root(&blobs);
    scratch.write("file", "after");
    let after = scratch.root(&blobs);
    patch(scratch.fd(), &after, &before, &blobs).unwrap();
    assert_eq!(scratch.root(&blobs), before);
    let copy = Scratch::new();
    build(copy.fd(), &before, &blobs).unwrap();
}
