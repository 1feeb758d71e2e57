//! What the public WASI test-suite asks of paths and names.

use super::super::*;
use super::support::{DIRECTORY, NEW, NOTHING, READ, WRITE, World, errno};

#[test]
fn interesting_paths() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("base").unwrap();
    let base = root.dir("base").unwrap();
    base.create_dir("dir").unwrap();
    base.create_dir("dir/nested").unwrap();
    base.put("dir/nested/file", b"");
    assert_eq!(errno(base.open("/dir/nested/file", NOTHING)), Errno::PERM);
    base.file("dir/.//nested/../../dir/nested/../nested///./file", NOTHING)
        .unwrap();
    assert_eq!(errno(base.open("dir/nested/file\0", NOTHING)), Errno::INVAL);
    assert_eq!(errno(base.open("dir/nested/file/", NOTHING)), Errno::NOTDIR);
    assert_eq!(errno(base.open("dir/nested/file///", NOTHING)), Errno::NOTDIR);
    base.open("dir/nested/", NOTHING).unwrap();
    base.open("dir/nested///", NOTHING).unwrap();
    assert_eq!(
        errno(base.open("dir/nested/../../../base/dir/nested/file", NOTHING)),
        Errno::PERM
    );
    assert_eq!(errno(base.open("", NOTHING)), Errno::NOENT);
    assert_eq!(errno(base.open(&"n".repeat(256), NOTHING)), Errno::NAMETOOLONG);
    assert_eq!(errno(base.open(&"n/".repeat(2049), NOTHING)), Errno::NAMETOOLONG);
}

#[test]
fn a_directory_is_renamed_with_slashes_at_the_end() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("source").unwrap();
    root.rename("source/", root, "target").unwrap();
    root.rename("target", root, "source/").unwrap();
    root.rename("source/", root, "target/").unwrap();
    root.rename("target", root, "source").unwrap();
    root.remove_dir("source").unwrap();
    root.put("file", b"");
    assert_eq!(errno(root.rename("file/", root, "target")), Errno::NOTDIR);
    assert_eq!(errno(root.rename("file", root, "target/")), Errno::NOTDIR);
}

#[test]
fn rename_replaces_what_posix_lets_it_replace() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("source").unwrap();
    root.create_dir("target").unwrap();
    root.rename("source", root, "target").unwrap();
    assert_eq!(errno(root.open("source", DIRECTORY)), Errno::NOENT);
    root.create_dir("source").unwrap();
    root.put("target/file", b"");
    assert_eq!(errno(root.rename("source", root, "target")), Errno::NOTEMPTY);
    assert_eq!(errno(root.rename("source", root, "target/file")), Errno::NOTDIR);
    assert_eq!(errno(root.rename("source", root, "source/below")), Errno::INVAL);
    root.unlink("target/file").unwrap();
    root.put("file", b"1");
    root.put("other", b"2");
    assert_eq!(errno(root.rename("file", root, "target")), Errno::ISDIR);
    root.rename("file", root, "other").unwrap();
    assert_eq!(root.get("other").unwrap(), b"1");
    assert_eq!(errno(root.rename("missing", root, "other")), Errno::NOENT);
    assert_eq!(errno(root.rename(".", root, "other")), Errno::BUSY);
    assert_eq!(errno(root.rename("other", root, "target/..")), Errno::BUSY);
}

#[test]
fn a_link_is_not_made_over_a_name_or_with_a_slash() {
    let world = World::new();
    let root = &world.root;
    assert_eq!(errno(root.symlink("source", "target/")), Errno::NOENT);
    root.symlink("source", "target").unwrap();
    root.unlink("target").unwrap();
    root.create_dir("target").unwrap();
    assert_eq!(errno(root.symlink("source", "target/")), Errno::EXIST);
    assert_eq!(errno(root.symlink("source", "target")), Errno::EXIST);
    root.remove_dir("target").unwrap();
    root.put("target", b"");
    assert_eq!(errno(root.symlink("source", "target/")), Errno::NOTDIR);
    assert_eq!(errno(root.symlink("source", "target")), Errno::EXIST);
    assert_eq!(errno(root.symlink("", "empty")), Errno::NOENT);
}

#[test]
fn directories_and_files_are_removed_each_by_its_own_call() {
    let world = World::new();
    let root = &world.root;
    for path in ["dir", "dir/"] {
        root.create_dir("dir").unwrap();
        assert_eq!(errno(root.unlink(path)), Errno::ISDIR);
        root.remove_dir(path).unwrap();
    }
    root.put("file", b"");
    assert_eq!(errno(root.remove_dir("file")), Errno::NOTDIR);
    assert_eq!(errno(root.remove_dir("file/")), Errno::NOTDIR);
    assert_eq!(errno(root.unlink("file/")), Errno::NOTDIR);
    root.unlink("file").unwrap();
    root.create_dir("dir").unwrap();
    root.create_dir("dir/nested").unwrap();
    assert_eq!(errno(root.remove_dir("dir")), Errno::NOTEMPTY);
    assert_eq!(errno(root.remove_dir(".")), Errno::INVAL);
    root.remove_dir("dir/nested").unwrap();
    root.remove_dir("dir").unwrap();
}

#[test]
fn a_link_is_followed_only_where_that_is_asked() {
    let world = World::new();
    let root = &world.root;
    root.symlink("symlink", "symlink").unwrap();
    assert_eq!(errno(root.open("symlink", NOTHING)), Errno::LOOP);
    assert_eq!(errno(root.open("symlink", READ)), Errno::LOOP);
    root.unlink("symlink").unwrap();
    root.symlink("target", "symlink").unwrap();
    assert_eq!(errno(root.open("symlink", NOTHING)), Errno::LOOP);
    assert_eq!(
        errno(root.open(
            "symlink",
            OpenHow {
                directory: true,
                ..NOTHING
            }
        )),
        Errno::LOOP
    );
    assert_eq!(errno(root.open("symlink", READ)), Errno::NOENT);
    root.create_dir("target").unwrap();
    assert_eq!(errno(root.open("symlink", NOTHING)), Errno::LOOP);
    assert!(root.dir("symlink").unwrap().is_same(&root.dir("target").unwrap()));
    root.remove_dir("target").unwrap();
    root.put("target", b"");
    assert_eq!(errno(root.open("symlink", NOTHING)), Errno::LOOP);
    assert_eq!(errno(root.open("symlink", DIRECTORY)), Errno::NOTDIR);
    assert!(
        root.file("symlink", READ)
            .unwrap()
            .is_same(&root.file("target", READ).unwrap())
    );
    assert_eq!(root.stat("symlink", Follow::No).unwrap().kind, Kind::Symlink);
    assert_eq!(root.stat("symlink", Follow::Yes).unwrap().kind, Kind::File);
}

#[test]
fn a_trailing_slash_follows_a_link_to_a_directory() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("dir").unwrap();
    root.symlink("dir", "link").unwrap();
    assert_eq!(root.stat("link/", Follow::No).unwrap().inode, root.inode("dir"));
    root.open("link/", NOTHING).unwrap();
    assert_eq!(errno(root.read_link("link/")), Errno::INVAL);
    for removed in [
        root.unlink("link/"),
        root.remove_dir("link/"),
        root.rename("link/", root, "x"),
    ] {
        assert_eq!(errno(removed), Errno::NOTDIR);
    }
    root.put("file", b"");
    root.symlink("file", "to-file").unwrap();
    assert_eq!(errno(root.stat("to-file/", Follow::Yes)), Errno::NOTDIR);
    root.symlink("dir/", "slash").unwrap();
    root.dir("slash").unwrap();
    root.symlink("file/", "bad").unwrap();
    assert_eq!(errno(root.open("bad", READ)), Errno::NOTDIR);
}

#[test]
fn links_are_read_whole() {
    let world = World::new();
    let root = &world.root;
    root.symlink("target", "link").unwrap();
    assert_eq!(root.read_link("link").unwrap(), "target");
    root.symlink("/", "absolute").unwrap();
    assert_eq!(root.read_link("absolute").unwrap(), "/");
    assert_eq!(errno(root.read_link(".")), Errno::INVAL);
    assert_eq!(errno(root.read_link("missing")), Errno::NOENT);
}

#[test]
fn hard_links() {
    let world = World::new();
    let root = &world.root;
    root.put("file", b"");
    root.create_dir("subdir").unwrap();
    let subdir = root.dir("subdir").unwrap();
    root.hard_link("file", Follow::No, &subdir, "link").unwrap();
    assert_eq!(root.inode("file"), subdir.inode("link"));
    assert_eq!(root.stat("file", Follow::No).unwrap().links, 2);
    assert_eq!(errno(root.hard_link("file", Follow::No, root, "file")), Errno::EXIST);
    assert_eq!(errno(root.hard_link("file", Follow::No, root, "subdir")), Errno::EXIST);
    assert_eq!(errno(root.hard_link("subdir", Follow::No, root, "link")), Errno::PERM);
    assert_eq!(errno(root.hard_link("file", Follow::No, root, "link/")), Errno::NOENT);
    assert_eq!(errno(root.hard_link("file/", Follow::No, root, "link")), Errno::NOTDIR);
    for target in ["target", "symlink"] {
        root.symlink(target, "symlink").unwrap();
        root.hard_link("symlink", Follow::No, root, "link").unwrap();
        assert_eq!(root.read_link("link").unwrap(), target);
        assert_eq!(errno(root.hard_link("file", Follow::No, root, "symlink")), Errno::EXIST);
        root.unlink("symlink").unwrap();
        root.unlink("link").unwrap();
    }
    root.symlink("target", "symlink").unwrap();
    assert_eq!(
        errno(root.hard_link("symlink", Follow::Yes, root, "link")),
        Errno::NOENT
    );
    root.put("target", b"");
    root.hard_link("symlink", Follow::Yes, root, "link").unwrap();
    assert_eq!(root.inode("link"), root.inode("target"));
}

#[test]
fn opening_makes_a_file_as_it_is_told() {
    let world = World::new();
    let root = &world.root;
    assert_eq!(errno(root.open("file", READ)), Errno::NOENT);
    root.file("file", NEW).unwrap();
    assert_eq!(errno(root.open("file", NEW)), Errno::EXIST);
    root.file("file", WRITE).unwrap();
    root.symlink("made", "link").unwrap();
    assert_eq!(errno(root.open("link", NEW)), Errno::EXIST);
    root.file("link", WRITE).unwrap();
    assert_eq!(root.stat("made", Follow::No).unwrap().kind, Kind::File);
    assert_eq!(errno(root.open("new/", WRITE)), Errno::ISDIR);
    root.create_dir("dir").unwrap();
    assert_eq!(errno(root.open("dir", WRITE)), Errno::ISDIR);
    assert_eq!(
        errno(root.open(
            ".",
            OpenHow {
                write: true,
                ..DIRECTORY
            }
        )),
        Errno::ISDIR
    );
    assert_eq!(
        errno(root.open(
            "dir",
            OpenHow {
                create: Create::IfMissing,
                ..DIRECTORY
            }
        )),
        Errno::INVAL
    );
    assert_eq!(errno(root.create_dir("dir")), Errno::EXIST);
    assert_eq!(errno(root.create_dir("file/below")), Errno::NOTDIR);
    assert_eq!(errno(root.create_dir("missing/below")), Errno::NOENT);
    root.create_dir("slash/").unwrap();
}

#[test]
fn a_handle_does_only_what_it_was_opened_for() {
    let world = World::new();
    let root = &world.root;
    root.put("file", b"text");
    let reader = root.file("file", READ).unwrap();
    assert_eq!(errno(reader.write_at(b"x", 0)), Errno::BADF);
    assert_eq!(errno(reader.append(b"x")), Errno::BADF);
    assert_eq!(errno(reader.set_size(0)), Errno::BADF);
    assert_eq!(errno(reader.allocate(0, 9)), Errno::BADF);
    let writer = root.file("file", OpenHow { read: false, ..WRITE }).unwrap();
    assert_eq!(errno(writer.read_at(&mut [0], 0)), Errno::BADF);
    root.file(
        "file",
        OpenHow {
            truncate: true,
            ..NOTHING
        },
    )
    .unwrap();
    assert_eq!(root.stat("file", Follow::No).unwrap().size, 0);
}

#[test]
fn files_grow_and_shrink() {
    let world = World::new();
    let root = &world.root;
    let file = root.file("file", NEW).unwrap();
    for (offset, length, size) in [(0, 100, 100), (10, 10, 100), (90, 20, 110)] {
        file.allocate(offset, length).unwrap();
        assert_eq!(file.stat().unwrap().size, size);
    }
    file.set_size(3).unwrap();
    assert_eq!(file.append(b"abc"), Ok((3, 6)));
    assert_eq!(file.write_at(b"z", 8), Ok(1));
    assert_eq!(root.get("file").unwrap(), b"\0\0\0abc\0\0z");
    assert_eq!(file.read_at(&mut [0; 4], 9), Ok(0));
    assert_eq!(errno(file.write_at(b"z", u64::MAX)), Errno::FBIG);
    assert_eq!(errno(file.set_size(u64::MAX)), Errno::FBIG);
    assert_eq!(errno(file.allocate(u64::MAX, 2)), Errno::FBIG);
    assert_eq!(errno(file.read_at(&mut [0], u64::MAX)), Errno::FBIG);
    assert_eq!(file.write_at(&vec![1; 1 << 20], 0), Ok(256 << 10));
}

#[test]
fn listings_agree_with_stat() {
    let world = World::new();
    let root = &world.root;
    for depth in ["a", "a/b"] {
        root.create_dir(depth).unwrap();
        let directory = root.dir(depth).unwrap();
        directory.put("file", b"");
        directory.symlink("x", "link").unwrap();
        let listing = directory.list().unwrap();
        for index in 0..listing.len() {
            let entry = listing.get(index).unwrap();
            let path = if entry.name == ".." {
                depth.rsplit_once('/').map_or(".", |(above, _)| above)
            } else {
                ""
            };
            let stat = match entry.name {
                ".." => root.stat(path, Follow::No),
                name => directory.stat(name, Follow::No),
            }
            .unwrap();
            assert_eq!(
                (entry.inode, entry.kind),
                (stat.inode, stat.kind),
                "{depth}: {}",
                entry.name
            );
        }
        assert_eq!(listing.len(), 4);
    }
    let listing = root.list().unwrap();
    assert_eq!(listing.get(0).unwrap().inode, listing.get(1).unwrap().inode);
    assert_eq!(root.own_stat().unwrap().inode, listing.get(0).unwrap().inode);
    assert!(listing.get(listing.len()).is_none());
}
