//! Removing trees, however deep and whatever their modes.

use std::os::unix::fs::PermissionsExt;

use futures_util::FutureExt as _;

use super::super::*;
use super::support::{NEW, World, errno};

/// More levels than a path has room for, and than most processes have file descriptors.
fn make_deep(root: &Directory, levels: usize) {
    let mut here = root.clone();
    for _ in 0..levels {
        here.create_dir("deep").unwrap();
        here.create_dir("beside").unwrap();
        here = here.dir("deep").unwrap();
    }
    here.put("file", b"bottom");
}

#[tokio::test]
async fn a_deep_scratch_is_destroyed() {
    let world = World::new();
    make_deep(&world.root, 3000);
    let locked = world.scratch().join("locked");
    std::fs::create_dir_all(locked.join("in")).unwrap();
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    world.workspace.destroy().await.unwrap();
    assert!(!world.scratch().exists());
}

#[test]
fn a_deep_tree_is_removed_and_given_back() {
    let world = World::new();
    world.root.create_dir("top").unwrap();
    make_deep(&world.root.dir("top").unwrap(), 1500);
    world.workspace.remove("/top").unwrap();
    assert!(world.root.names().is_empty());
    assert_eq!((world.budgets.disk.used(), world.budgets.files.used()), (0, 0));
}

#[tokio::test]
async fn a_destroyed_scratch_is_not_made_again() {
    let unmade = World::new();
    unmade.workspace.destroy().await.unwrap();
    assert_eq!(errno(unmade.root.open("file", NEW)), Errno::NOENT);
    assert!(!unmade.scratch().exists());
    let made = World::new();
    made.root.create_dir("dir").unwrap();
    let held = made.root.dir("dir").unwrap();
    made.workspace.destroy().await.unwrap();
    assert_eq!(errno(held.create_dir("x")), Errno::NOENT);
    assert_eq!(errno(made.root.create_dir("x")), Errno::NOENT);
    made.workspace.destroy().await.unwrap();
}

#[tokio::test]
async fn a_scratch_is_destroyed_again_while_a_dropped_call_still_runs() {
    for _ in 0..8 {
        let world = World::new();
        make_deep(&world.root, 300);
        assert!(world.workspace.destroy().now_or_never().is_none());
        world.workspace.destroy().await.unwrap();
        assert!(!world.scratch().exists());
    }
}
