use proptest::prelude::*;

use super::model::{Item, Model, make, plans_without_links, read};
use super::support::{Memory, Scratch};
use crate::Kind;
use crate::tree::graft::graft;
use crate::tree::patch::patch;

fn is_below(path: &[u8], top: &[u8]) -> bool {
    path == top || path.strip_prefix(top).is_some_and(|rest| rest.starts_with(b"/"))
}

/// What a graft of one path should give, worked out on plain maps.
fn expected(onto: &Model, from: &Model, path: &[u8]) -> Model {
    let mut result = onto.clone();
    result.retain(|at, _| !is_below(at, path));
    result.extend(
        from.iter()
            .filter(|(at, _)| is_below(at, path))
            .map(|(at, it)| (at.clone(), it.clone())),
    );
    if from.contains_key(path) {
        let above = from.iter().filter(|(at, _)| !at.is_empty() && is_below(path, at));
        for (at, it) in above {
            result.entry(at.clone()).or_insert_with(|| it.clone());
        }
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_path_is_as_it_was_and_all_else_stays(
        first in plans_without_links(16),
        more in plans_without_links(8),
        number in any::<prop::sample::Index>(),
    ) {
        let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
        make(&first, &one);
        make(&[first, more].concat(), &other);
        let (from, onto) = (one.root(&blobs), other.root(&blobs));
        let (was, is) = (read(&from, &blobs), read(&onto, &blobs));
        let mut paths: Vec<_> = was.keys().chain(is.keys()).filter(|path| !path.is_empty()).cloned().collect();
        paths.push(b"never/there".to_vec());
        let path = number.get(&paths).clone();
        match graft(&onto, &from, std::slice::from_ref(&path), &blobs) {
            Ok(root) => {
                prop_assert_eq!(read(&root, &blobs), expected(&is, &was, &path));
                patch(other.fd(), &onto, &root, &blobs).unwrap();
                prop_assert_eq!(other.root(&blobs), root);
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), Kind::InvalidInput);
                let above = is.iter().filter(|(at, _)| at.as_slice() != path && is_below(&path, at));
                let in_the_way = above.filter(|(_, (_, item))| *item != Item::Directory).count();
                prop_assert!(in_the_way == 1 && was.contains_key(&path));
            }
        }
    }
}

#[test]
fn directories_above_are_made_with_that_name_alone() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    one.write("a/b/wanted", "content");
    one.write("a/b/unwanted", "content");
    let (from, onto) = (one.root(&blobs), other.root(&blobs));
    let root = graft(&onto, &from, &[b"a/b/wanted".to_vec()], &blobs).unwrap();
    let model = read(&root, &blobs);
    assert_eq!(model.len(), 4);
    assert_eq!(model[&b"a/b"[..]].0, read(&from, &blobs)[&b"a/b"[..]].0);
    assert_eq!(root.meta, onto.meta);
}

#[test]
fn what_is_in_the_way_above_is_named() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    one.write("a/b/c", "content");
    other.write("a/b", "a file now");
    let error = graft(&other.root(&blobs), &one.root(&blobs), &[b"a/b/c".to_vec()], &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    let message = r#""a/b/c" cannot be restored without "a/b", which is no directory"#;
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_file_with_names_elsewhere_is_not_restored_alone() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("one", "before");
    std::fs::hard_link(scratch.path().join("one"), scratch.path().join("other")).unwrap();
    let before = scratch.root(&blobs);
    scratch.write("one", "after");
    let after = scratch.root(&blobs);
    let error = graft(&after, &before, &[b"one".to_vec()], &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(graft(&after, &before, &[Vec::new()], &blobs).unwrap(), before);
}

#[test]
fn paths_which_lead_elsewhere_are_refused() {
    let blobs = Memory::default();
    let root = Scratch::new().root(&blobs);
    for path in ["/etc", "..", "a/../b", "a//b", "a/", "."] {
        let error = graft(&root, &root, &[path.as_bytes().to_vec()], &blobs).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{path}");
    }
}
