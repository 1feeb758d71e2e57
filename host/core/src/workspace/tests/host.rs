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

#[test]
fn a_new_file_takes_its_place_when_it_is_whole() {
    let world = World::new();
    let workspace = &world.workspace;
    workspace.write("/file", b"old").unwrap();
    let mut new = workspace.replace("/file").unwrap();
    new.append(&vec![7; 600_000]).unwrap();
    new.append(b"end").unwrap();
    assert_eq!(workspace.read("/file", 3).unwrap(), b"old");
    assert_eq!((world.budgets.disk.used(), world.budgets.files.used()), (600_006, 2));
    new.commit().unwrap();
    assert_eq!(workspace.stat("/file").unwrap().size, 600_003);
    assert_eq!((world.budgets.disk.used(), world.budgets.files.used()), (600_003, 1));
    let file = workspace.open("/file").unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read_at(&mut buffer, 599_999).unwrap(), 4);
    assert_eq!(buffer[..4], *b"\x07end");
    assert_eq!(file.read_at(&mut buffer, 600_003).unwrap(), 0);
    assert_eq!(file.metadata().unwrap().size, 600_003);
}

#[test]
fn a_new_file_which_is_dropped_or_does_not_fit_leaves_the_old_one_and_nothing_else() {
    let world = World::with(&[], Limits { disk: 10, ..AMPLE });
    let workspace = &world.workspace;
    workspace.write("/file", b"old").unwrap();
    let mut new = workspace.replace("/file").unwrap();
    new.append(b"1234567").unwrap();
    assert_eq!(new.append(b"8").unwrap_err().kind(), ErrorKind::Exhausted);
    drop(new);
    let mut new = workspace.replace("/file").unwrap();
    new.append(b"12345").unwrap();
    workspace.remove("/file").unwrap();
    workspace.create_dir_all("/file").unwrap();
    assert_eq!(new.commit().unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(workspace.list("/").unwrap().len(), 1);
    assert_eq!((world.budgets.disk.used(), world.budgets.files.used()), (0, 1));
}

#[test]
fn a_new_file_is_refused_before_it_is_written() {
    let world = World::with(
        &[("/", "top", Access::ReadWrite), ("/ro", "ro", Access::ReadOnly)],
        AMPLE,
    );
    let workspace = &world.workspace;
    workspace.create_dir_all("/dir").unwrap();
    let error = workspace.replace("/ro/x").unwrap_err();
    assert_eq!(error.denials()[0].asked, "write /ro/x");
    assert_eq!(error.denials()[0].smallest_grant, "mount /ro read-write");
    for (path, kind) in [
        ("/", ErrorKind::Conflict),
        ("/ro", ErrorKind::Conflict),
        ("/dir", ErrorKind::Conflict),
        ("/dir/", ErrorKind::Conflict),
        ("/dir/.", ErrorKind::Conflict),
        ("/missing/x", ErrorKind::NotFound),
        ("/../x", ErrorKind::Denied),
        ("x", ErrorKind::InvalidInput),
    ] {
        let error = workspace.replace(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{path}: {error}");
    }
}

#[test]
fn a_new_file_replaces_a_link_and_not_what_the_link_leads_to() {
    let world = World::new();
    let workspace = &world.workspace;
    workspace.write("/file", b"old").unwrap();
    workspace.symlink("file", "/link").unwrap();
    assert_eq!(workspace.read_link("/link").unwrap(), "file");
    assert_eq!(workspace.read("/link", 3).unwrap(), b"old");
    workspace.replace("/link").unwrap().commit().unwrap();
    assert_eq!(workspace.stat("/link").unwrap().kind, Kind::File);
    assert_eq!(workspace.read("/file", 3).unwrap(), b"old");
}
