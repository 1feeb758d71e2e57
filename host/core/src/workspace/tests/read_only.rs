//! A read-only mount stays as it is, and each refusal says so.

use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, READ, WRITE, World, errno};

fn world() -> World {
    let world = World::with(
        &[("/ro", "ro", Access::ReadOnly), ("/rw", "ro", Access::ReadWrite)],
        AMPLE,
    );
    std::fs::create_dir(world.host("ro/dir")).unwrap();
    std::fs::write(world.host("ro/file"), "text").unwrap();
    world
}

#[test]
fn every_change_is_refused() {
    let world = world();
    let root = &world.root;
    let truncate = OpenHow { truncate: true, ..READ };
    let refused = [
        (
            "open to write",
            errno(root.open(
                "ro/file",
                OpenHow {
                    create: Create::Never,
                    ..WRITE
                },
            )),
        ),
        ("open to truncate", errno(root.open("ro/file", truncate))),
        ("create", errno(root.open("ro/new", WRITE))),
        ("create_dir", errno(root.create_dir("ro/new"))),
        ("symlink", errno(root.symlink("x", "ro/new"))),
        ("unlink", errno(root.unlink("ro/file"))),
        ("remove_dir", errno(root.remove_dir("ro/dir"))),
        ("rename in", errno(root.rename("ro/file", root, "ro/new"))),
        ("rename out", errno(root.rename("ro/file", root, "rw/new"))),
        ("rename into", errno(root.rename("rw/file", root, "ro/new"))),
        ("link in", errno(root.hard_link("ro/file", Follow::No, root, "ro/new"))),
        ("link out", errno(root.hard_link("ro/file", Follow::No, root, "rw/new"))),
        (
            "link into",
            errno(root.hard_link("rw/file", Follow::No, root, "ro/new")),
        ),
        (
            "set_times",
            errno(root.set_times("ro/file", Follow::Yes, NewTime::Now, NewTime::Now)),
        ),
        (
            "own_set_times",
            errno(root.dir("ro").unwrap().own_set_times(NewTime::Now, NewTime::Now)),
        ),
        (
            "file.set_times",
            errno(
                root.file("ro/file", READ)
                    .unwrap()
                    .set_times(NewTime::Now, NewTime::Now),
            ),
        ),
    ];
    for (what, errno) in refused {
        assert_eq!(errno, Errno::ROFS, "{what}");
    }
    assert_eq!(std::fs::read(world.host("ro/file")).unwrap(), b"text");
    assert_eq!(std::fs::read_dir(world.host("ro")).unwrap().count(), 2);
    assert!(world.workspace.changes().is_empty());
}

#[test]
fn a_refusal_names_the_mount() {
    let world = world();
    assert_eq!(errno(world.root.open("ro/dir/x", WRITE)), Errno::ROFS);
    let [denial] = world.denials().try_into().unwrap();
    assert_eq!(denial.rule, "mounts");
    assert_eq!(denial.asked, "write /ro/dir/x");
    assert_eq!(denial.smallest_grant, "mount /ro read-write");
}

#[test]
fn reading_is_not_refused() {
    let world = world();
    assert_eq!(world.root.get("ro/file").unwrap(), b"text");
    world
        .root
        .file(
            "ro/file",
            OpenHow {
                create: Create::IfMissing,
                ..READ
            },
        )
        .unwrap();
    assert!(!world.root.dir("ro").unwrap().is_writable());
    assert_eq!(world.root.dir("ro").unwrap().names(), ["dir", "file"]);
    assert!(world.denials().is_empty());
}

#[test]
fn the_same_directory_may_be_changed_where_it_is_mounted_for_that() {
    let world = world();
    world.root.put("rw/file", b"new");
    assert_eq!(world.root.get("ro/file").unwrap(), b"new");
}
