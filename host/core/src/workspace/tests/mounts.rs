//! Mounts in the tree, in each other, and where nothing is.

use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, DIRECTORY, NEW, NOTHING, READ, WRITE, World, errno};

fn nested() -> World {
    World::with(
        &[
            ("/h", "h", Access::ReadWrite),
            ("/h/sub", "h/sub", Access::ReadWrite),
            ("/a/b/c", "c", Access::ReadWrite),
        ],
        AMPLE,
    )
}

#[test]
fn a_path_crosses_into_a_mount() {
    let world = nested();
    let root = &world.root;
    root.put("h/file", b"1");
    root.put("h/sub/file", b"2");
    root.put("a/b/c/file", b"3");
    root.put("a/b/../b/c/../c/x", b"4");
    assert_eq!(std::fs::read(world.host("h/file")).unwrap(), b"1");
    assert_eq!(std::fs::read(world.host("h/sub/file")).unwrap(), b"2");
    assert_eq!(std::fs::read(world.host("c/x")).unwrap(), b"4");
    root.symlink("/a/b/c/file", "h/sub/far").unwrap();
    root.symlink("../../a/b/c/file", "h/sub/climbing").unwrap();
    let sub = root.dir("h/sub").unwrap();
    assert_eq!(sub.get("far").unwrap(), b"3");
    assert_eq!(sub.get("climbing").unwrap(), b"3");
}

#[test]
fn directories_above_a_mount_point_are_there_and_read_only() {
    let world = nested();
    let root = &world.root;
    assert!(!world.scratch().exists());
    assert_eq!(root.names(), ["a", "h"]);
    let a = root.dir("a").unwrap();
    assert_eq!(a.names(), ["b"]);
    assert_eq!(root.dir("a/b").unwrap().names(), ["c"]);
    assert!(!a.is_writable());
    assert_eq!(a.own_stat().unwrap().inode, root.inode("a"));
    assert_eq!(a.own_stat().unwrap().kind, Kind::Directory);
    assert_eq!(errno(a.create_dir("x")), Errno::ROFS);
    assert_eq!(errno(a.open("x", NEW)), Errno::ROFS);
    assert_eq!(errno(a.own_set_times(NewTime::Now, NewTime::Now)), Errno::ROFS);
    assert_eq!(errno(root.create_dir("a")), Errno::EXIST);
    assert_eq!(errno(root.open("a/x", READ)), Errno::NOENT);
    let denials = world.denials();
    assert!(denials.iter().any(|denial| denial.asked == "write /a/x"), "{denials:?}");
}

#[test]
fn mount_points_stay_where_they_are() {
    let world = nested();
    let root = &world.root;
    root.create_dir("dir").unwrap();
    for path in ["h", "h/sub", "a", "a/b", "a/b/c", "h/"] {
        assert_eq!(errno(root.rename(path, root, "moved")), Errno::BUSY, "{path}");
        assert_eq!(errno(root.rename("dir", root, path)), Errno::BUSY, "{path}");
        assert_eq!(errno(root.remove_dir(path)), Errno::BUSY, "{path}");
        assert_eq!(errno(root.unlink(path)), Errno::ISDIR, "{path}");
        assert_eq!(errno(root.create_dir(path)), Errno::EXIST, "{path}");
        assert_eq!(errno(root.symlink("x", path)), Errno::EXIST, "{path}");
    }
}

#[test]
fn names_do_not_move_between_mounts() {
    let world = nested();
    let root = &world.root;
    root.put("file", b"");
    assert_eq!(errno(root.rename("file", root, "h/file")), Errno::XDEV);
    assert_eq!(errno(root.hard_link("file", Follow::No, root, "h/file")), Errno::XDEV);
    root.put("h/file", b"");
    assert_eq!(errno(root.rename("h/file", root, "h/sub/file")), Errno::XDEV);
    let other = World::new();
    assert_eq!(errno(root.rename("file", &other.root, "file")), Errno::XDEV);
    assert_eq!(
        errno(root.hard_link("file", Follow::No, &other.root, "file")),
        Errno::XDEV
    );
}

#[test]
fn what_moves_out_of_a_nested_mount_does_not_take_its_handle_along() {
    let world = nested();
    let root = &world.root;
    root.create_dir("h/sub/x").unwrap();
    root.create_dir("h/sub/x/y").unwrap();
    std::fs::write(world.host("h/secret"), "s").unwrap();
    std::fs::write(world.host("above"), "s").unwrap();
    let held = root.dir("h/sub/x/y").unwrap();
    std::fs::rename(world.host("h/sub/x"), world.host("x")).unwrap();
    held.symlink("../../../above", "climb").unwrap();
    held.symlink("../../above", "climb-less").unwrap();
    assert_eq!(errno(held.open("../../above", NOTHING)), Errno::PERM);
    assert_eq!(errno(held.open("climb", READ)), Errno::NOENT);
    assert_eq!(errno(held.open("climb-less", READ)), Errno::NOENT);
    assert_eq!(errno(held.open("../y", DIRECTORY)), Errno::PERM);
    held.put("still", b"here");
    assert_eq!(std::fs::read(world.host("x/y/still")).unwrap(), b"here");
}

#[test]
fn a_real_directory_above_a_mount_point_keeps_what_is_in_it() {
    let world = World::with(
        &[("/", "top", Access::ReadWrite), ("/a/b", "b", Access::ReadOnly)],
        AMPLE,
    );
    std::fs::create_dir_all(world.host("top/a/b/hidden")).unwrap();
    std::fs::write(world.host("top/a/seen"), "").unwrap();
    let root = &world.root;
    assert_eq!(root.dir("a").unwrap().names(), ["b", "seen"]);
    assert_eq!(root.dir("a/b").unwrap().names(), Vec::<String>::new());
    root.put("a/new", b"");
    assert_eq!(errno(root.open("a/b/new", WRITE)), Errno::ROFS);
    assert_eq!(errno(root.rename("a", root, "z")), Errno::BUSY);
    let listing = root.dir("a/b").unwrap().list().unwrap();
    assert_eq!(listing.get(1).unwrap().inode, root.inode("a"));
}

#[test]
fn a_link_where_a_mount_point_lies_is_covered() {
    let world = World::with(
        &[("/", "top", Access::ReadWrite), ("/a/b", "b", Access::ReadWrite)],
        AMPLE,
    );
    std::os::unix::fs::symlink("/etc", world.host("top/a")).unwrap();
    assert_eq!(world.root.dir("a").unwrap().names(), ["b"]);
    assert_eq!(errno(world.root.open("a/passwd", READ)), Errno::NOENT);
    world.root.put("a/b/x", b"");
}

#[test]
fn programs_get_the_mounts_as_they_were_spelled_and_the_root() {
    let world = World::with(
        &[("data", "d", Access::ReadOnly), ("/job/in", "w", Access::ReadWrite)],
        AMPLE,
    );
    let preopens = world.workspace.preopens(&world.record).unwrap();
    let names: Vec<_> = preopens.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["/", "data", "/job/in"]);
    assert!(preopens[0].1.is_same(&world.root));
    preopens[2].1.put("x", b"");
    assert!(world.host("w/x").exists());
    let world = World::with(&[("./", "top", Access::ReadOnly)], AMPLE);
    let preopens = world.workspace.preopens(&world.record).unwrap();
    assert_eq!(
        preopens.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["./"]
    );
}

#[test]
fn two_mounts_at_one_place_are_refused() {
    let mount = |host: &tempfile::TempDir| Mount {
        at: "/x".parse().unwrap(),
        access: Access::ReadOnly,
        source: Source::Host(std::sync::Arc::new(
            cap_std::fs::Dir::open_ambient_dir(host.path(), cap_std::ambient_authority())
                .unwrap()
                .into(),
        )),
    };
    let world = World::new();
    let refused = Workspace::new(vec![mount(&world.host), mount(&world.host)], world.budgets.clone());
    assert_eq!(refused.unwrap_err().kind(), crate::Kind::InvalidInput);
}

#[test]
fn what_no_mount_covers_is_named() {
    let world = World::new();
    assert_eq!(errno(world.root.open("etc/passwd", READ)), Errno::NOENT);
    assert_eq!(errno(world.root.open("data", DIRECTORY)), Errno::NOENT);
    assert_eq!(errno(world.root.open("notes.txt", READ)), Errno::NOENT);
    let denials = world.denials();
    let asked: Vec<_> = denials.iter().map(|denial| denial.asked.as_str()).collect();
    assert_eq!(asked, ["read /etc/passwd", "read /data"]);
    assert_eq!(denials[0].rule, "mounts");
    assert_eq!(denials[0].smallest_grant, "mount a host directory at /etc read-only");
    assert_eq!(errno(world.root.open("new/file", WRITE)), Errno::NOENT);
    assert_eq!(world.denials().len(), 2, "a path to be made is no missing mount");
}

#[test]
fn the_scratch_is_made_at_the_first_change_and_keeps_its_number() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let before = world.root.own_stat().unwrap();
    assert!(world.root.names().is_empty());
    assert_eq!(errno(world.root.open("x", READ)), Errno::NOENT);
    assert!(!world.scratch().exists());
    let early = world.root.dir(".").unwrap();
    world.root.put("x", b"");
    let mode = std::fs::metadata(world.scratch()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let after = world.root.own_stat().unwrap();
    assert_eq!((before.device, before.inode), (after.device, after.inode));
    assert_eq!(early.names(), ["x"]);
    assert!(early.is_same(&world.root));
    assert_eq!(after.device, world.root.stat("x", Follow::No).unwrap().device);
}
