use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::build::make_deep;
use super::model::{Item, Model, bytes, make, number_links, plans, read};
use super::support::{Memory, Scratch};
use crate::tree::diff::{Change, ChangeKind, diff};
use crate::tree::node::{Body, Root};

fn changes(before: &Root, after: &Root, blobs: &Memory) -> Vec<Change> {
    diff(before, after, blobs).collect::<Result<_, _>>().unwrap()
}

fn apply(model: &mut Model, changes: &[Change], blobs: &Memory) {
    for change in changes {
        let Some(after) = &change.after else {
            assert!(model.remove(&change.path).is_some(), "{change:?} was not there");
            continue;
        };
        let item = match &after.body {
            Body::Directory { .. } => Item::Directory,
            Body::Symlink { target } => Item::Symlink(target.clone()),
            Body::File(file) => Item::File(bytes(file, blobs), None),
        };
        let before = model.insert(change.path.clone(), (after.meta, item));
        assert_eq!(before.is_some(), change.before.is_some(), "{change:?}");
    }
}

fn without_links(mut model: Model) -> Model {
    for (_, item) in model.values_mut() {
        if let Item::File(_, link) = item {
            *link = None;
        }
    }
    number_links(model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_diff_leads_from_one_to_the_other(first in plans(20), more in plans(6)) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (before, after) = (one.root(&blobs), other.root(&blobs));
        let changes = changes(&before, &after, &blobs);
        let mut model = without_links(read(&before, &blobs));
        apply(&mut model, &changes, &blobs);
        prop_assert_eq!(model, without_links(read(&after, &blobs)));
        let by_names = |change: &Change| change.path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
        prop_assert!(changes.iter().skip(1).is_sorted_by_key(by_names));
    }

    #[test]
    fn equal_trees_do_not_differ(plans in plans(20)) {
        let (scratch, blobs) = (Scratch::new(), Memory::default());
        make(&plans, &scratch);
        let root = scratch.root(&blobs);
        prop_assert_eq!(changes(&root, &root, &blobs), vec![]);
    }
}

#[test]
fn equal_subtrees_are_not_looked_at() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for number in 0..100 {
        scratch.write(format!("{number}/file"), "same");
    }
    let before = scratch.root(&blobs);
    scratch.write("50/file", "other");
    let after = scratch.root(&blobs);
    blobs.gets.store(0, Ordering::Relaxed);
    let changes = changes(&before, &after, &blobs);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(blobs.gets.into_inner(), 4);
}

#[test]
fn each_change_says_what_it_is() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for name in ["content", "removed", "replaced", "touched", "below/kept"] {
        scratch.write(name, "before");
    }
    let before = scratch.root(&blobs);
    scratch.write("content", "after!");
    scratch.write("below/added", "new");
    std::fs::remove_file(scratch.path().join("removed")).unwrap();
    std::fs::remove_file(scratch.path().join("replaced")).unwrap();
    std::fs::create_dir(scratch.path().join("replaced")).unwrap();
    let file = std::fs::File::open(scratch.path().join("touched")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let after = scratch.root(&blobs);
    let found: Vec<_> = changes(&before, &after, &blobs)
        .iter()
        .map(|change| (String::from_utf8(change.path.clone()).unwrap(), change.kind()))
        .filter(|(path, _)| !path.is_empty() && path != "below")
        .collect();
    let expected = [
        ("below/added", ChangeKind::Added),
        ("content", ChangeKind::Content),
        ("removed", ChangeKind::Removed),
        ("replaced", ChangeKind::Replaced),
        ("touched", ChangeKind::Metadata),
    ];
    assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
}

#[test]
fn a_deep_tree_which_is_gone_differs_in_each_level() {
    let (scratch, empty, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    make_deep(&scratch, 2_000, "bottom");
    let found = changes(&scratch.root(&blobs), &empty.root(&blobs), &blobs);
    let removed = found.iter().filter(|change| change.kind() == ChangeKind::Removed);
    assert_eq!(removed.count(), 2_001);
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    let before = scratch.root(&blobs);
    scratch.write("a/b", "content");
    let after = scratch.root(&blobs);
    blobs.forget(&after.node);
    let mut diff = diff(&before, &after, &blobs);
    assert!(diff.any(|change| change.is_err()));
    assert!(diff.next().is_none());
}
