//! The host's own calls.

use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, Limits, World};
use crate::Kind as ErrorKind;

#[test]
fn the_host_reads_and_writes_by_absolute_paths() {
    let world = World::new();
    let workspace = &world.workspace;
    workspace.create_dir_all("/a/b/c").unwrap();
    workspace.create_dir_all("/a/b/").unwrap();
    workspace.create_dir_all("/").unwrap();
    workspace.write("/a/b/file", &vec![7; 600_000]).unwrap();
    assert_eq!(workspace.read("/a/b/file", 600_000).unwrap(), vec![7; 600_000]);
    workspace.write("/a/b/file", b"short").unwrap();
    assert_eq!(workspace.read("/a//b/./file", 5).unwrap(), b"short");
    let mut names: Vec<_> = workspace
        .list("/a/b")
        .unwrap()
        .into_iter()
        .map(|entry| (entry.name, entry.kind))
        .collect();
    names.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        names,
        [("c".to_owned(), Kind::Directory), ("file".to_owned(), Kind::File)]
    );
    workspace.rename("/a/b/file", "/moved").unwrap();
    assert_eq!(workspace.stat("/moved").unwrap().size, 5);
    assert_eq!(workspace.stat("/").unwrap().kind, Kind::Directory);
    workspace.remove("/a").unwrap();
    workspace.remove("/moved").unwrap();
    assert!(workspace.list("/").unwrap().is_empty());
    assert_eq!((world.budgets.disk.used(), world.budgets.files.used()), (0, 0));
}

#[test]
fn errors_say_what_kind_they_are_and_name_the_path() {
    let world = World::with(&[("/ro", "ro", Access::ReadOnly)], Limits { disk: 10, ..AMPLE });
    let workspace = &world.workspace;
    workspace.write("/file", b"text").unwrap();
    workspace.create_dir_all("/dir").unwrap();
    let errors = [
        (workspace.read("/missing", 1).unwrap_err(), ErrorKind::NotFound),
        (workspace.read("/file/x", 1).unwrap_err(), ErrorKind::NotFound),
        (workspace.read("/file", 3).unwrap_err(), ErrorKind::Exhausted),
        (workspace.read("/dir", 3).unwrap_err(), ErrorKind::Conflict),
        (workspace.read("file", 3).unwrap_err(), ErrorKind::InvalidInput),
        (workspace.write("/large", &[0; 11]).unwrap_err(), ErrorKind::Exhausted),
        (workspace.write("/ro/x", b"").unwrap_err(), ErrorKind::Denied),
        (workspace.create_dir_all("/file").unwrap_err(), ErrorKind::Conflict),
        (workspace.remove("/ro").unwrap_err(), ErrorKind::Conflict),
        (workspace.remove("/").unwrap_err(), ErrorKind::InvalidInput),
        (workspace.rename("/file", "/ro/x").unwrap_err(), ErrorKind::Denied),
        (workspace.stat("/../x").unwrap_err(), ErrorKind::Denied),
    ];
    for (error, kind) in &errors {
        assert_eq!(error.kind(), *kind, "{error}");
    }
    assert!(errors[0].0.to_string().contains("/missing"), "{}", errors[0].0);
    assert_eq!(errors[6].0.denials()[0].smallest_grant, "mount /ro read-write");
}

#[test]
fn a_tree_with_a_mount_point_in_it_is_not_removed_in_part() {
    let world = World::with(
        &[("/", "top", Access::ReadWrite), ("/a/b", "b", Access::ReadWrite)],
        AMPLE,
    );
    std::fs::create_dir_all(world.host("top/a")).unwrap();
    std::fs::write(world.host("top/a/file"), "").unwrap();
    assert_eq!(world.workspace.remove("/a").unwrap_err().kind(), ErrorKind::Conflict);
    assert!(world.host("top/a/file").exists());
}
