//! Nothing that a guest spells, makes or swaps leads out of its tree.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, DIRECTORY, NEW, NOTHING, READ, WRITE, World, errno};

/// Paths which would lead to `secret` beside the scratch if any step were taken by the host's rules.
const SPELLINGS: [&str; 12] = [
    "/secret",
    "../secret",
    "../../secret",
    "dir/../../secret",
    "dir/..//.././secret",
    "out/secret",
    "out/./secret",
    "./out/../../secret",
    "out-file",
    "above/secret",
    "chain/secret",
    "dir/absolute",
];

fn hostile_world() -> World {
    let world = World::new();
    world.root.create_dir("dir").unwrap();
    std::fs::write(world.host("secret"), "secret").unwrap();
    let outside = world.host.path().to_str().unwrap().to_owned();
    for (target, link) in [
        (outside.as_str(), "out"),
        (&format!("{outside}/secret"), "out-file"),
        ("..", "above"),
        ("above/../above", "chain"),
        ("/../../secret", "dir/absolute"),
    ] {
        world.root.symlink(target, link).unwrap();
    }
    world
}

#[test]
fn no_spelling_reaches_what_is_outside() {
    let world = hostile_world();
    let root = &world.root;
    for path in SPELLINGS {
        for slash in ["", "/", "/."] {
            let path = &format!("{path}{slash}");
            assert!(root.open(path, READ).is_err(), "{path}");
            assert!(root.open(path, DIRECTORY).is_err(), "{path}");
            assert!(root.stat(path, Follow::Yes).is_err(), "{path}");
            assert!(
                root.set_times(path, Follow::Yes, NewTime::Now, NewTime::Now).is_err(),
                "{path}"
            );
            assert!(root.hard_link(path, Follow::Yes, root, "copy").is_err(), "{path}");
        }
        // These lead to names below the guest's own root, where they may be made.
        if !["out-file", "dir/absolute", "above/secret", "chain/secret"].contains(&path) {
            assert!(root.open(path, NEW).is_err(), "{path}");
            assert!(root.create_dir(path).is_err(), "{path}");
            assert!(root.symlink("x", path).is_err(), "{path}");
            assert!(root.unlink(path).is_err(), "{path}");
            assert!(root.remove_dir(path).is_err(), "{path}");
            assert!(root.rename(path, root, "moved").is_err(), "{path}");
            assert!(root.rename("dir", root, path).is_err(), "{path}");
            assert!(root.read_link(path).is_err(), "{path}");
        }
    }
    assert_eq!(std::fs::read(world.host("secret")).unwrap(), b"secret");
    assert_eq!(std::fs::read_dir(world.host.path()).unwrap().count(), 2);
}

#[test]
fn a_trailing_slash_on_a_link_moves_and_removes_nothing_behind_it() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("dir").unwrap();
    root.create_dir("dir/target").unwrap();
    root.symlink("dir/target", "link").unwrap();
    for path in ["link/", "link//", "./link/"] {
        assert_eq!(errno(root.rename(path, root, "moved")), Errno::NOTDIR);
        assert_eq!(errno(root.rename("dir", root, path)), Errno::NOTDIR);
        assert_eq!(errno(root.remove_dir(path)), Errno::NOTDIR);
        assert_eq!(errno(root.unlink(path)), Errno::NOTDIR);
    }
    for path in ["link/.", "link/..", "./link/../target/.."] {
        assert_eq!(errno(root.rename(path, root, "moved")), Errno::BUSY);
        assert_eq!(errno(root.remove_dir(path)), Errno::INVAL);
        assert_eq!(errno(root.unlink(path)), Errno::ISDIR);
        assert_eq!(errno(root.create_dir(path)), Errno::EXIST);
    }
    assert_eq!(root.stat("./link/..", Follow::Yes).unwrap().inode, root.inode("dir"));
}

#[test]
fn climbing_is_refused_with_a_reason() {
    let world = World::new();
    world.root.create_dir("dir").unwrap();
    let dir = world.root.dir("dir").unwrap();
    assert_eq!(errno(dir.open("../dir", NOTHING)), Errno::PERM);
    assert_eq!(errno(dir.stat("/etc", Follow::Yes)), Errno::PERM);
    let denials = world.denials();
    assert_eq!(denials.len(), 2);
    assert!(denials.iter().all(|denial| denial.rule == "paths"), "{denials:?}");
    assert!(
        denials[0].asked.contains("../dir") && denials[0].asked.contains("/dir"),
        "{denials:?}"
    );
}

#[test]
fn links_see_the_guests_root_as_the_top() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("a").unwrap();
    root.create_dir("a/b").unwrap();
    root.put("file", b"top");
    for (target, link) in [
        ("/file", "a/b/absolute"),
        ("../../../../file", "a/b/climbing"),
        ("/a/../file", "a/b/both"),
    ] {
        root.symlink(target, link).unwrap();
        assert_eq!(root.get(link).unwrap(), b"top", "{target}");
        let below = root.dir("a/b").unwrap();
        assert_eq!(below.get(link.rsplit_once('/').unwrap().1).unwrap(), b"top", "{target}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let world = World::new();
    let root = &world.root;
    root.put("0", b"end");
    for index in 1..=41 {
        root.symlink(&(index - 1).to_string(), &index.to_string()).unwrap();
    }
    assert_eq!(root.get("40").unwrap(), b"end");
    assert_eq!(errno(root.get("41")), Errno::LOOP);
}

#[test]
fn links_that_spell_out_the_longest_paths_are_followed_for_so_many_steps() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("d").unwrap();
    let padding = "/".repeat(3000);
    for (round_about, name) in [("./", "here"), ("d/../", "up"), ("", "padded")] {
        root.put(&format!("{name}0"), b"end");
        for index in 1..=40 {
            let target = format!("{}{name}{}{padding}", round_about.repeat(200), index - 1);
            symlink(target, world.scratch().join(format!("{name}{index}"))).unwrap();
        }
        world.record.refusals.take_unpaid_names();
        let looked_up = root.stat(&format!("{name}40/"), Follow::Yes);
        let expected = if name == "padded" { Errno::NOTDIR } else { Errno::LOOP };
        assert_eq!(errno(looked_up), expected, "{name}");
        let names = world.record.refusals.take_unpaid_names();
        assert!(names <= 2049, "{name}: {names}");
    }
}

#[test]
fn a_deep_path_with_many_ways_up_holds_few_handles() {
    let world = World::new();
    let root = &world.root;
    let mut here = root.clone();
    for _ in 0..250 {
        here.create_dir("d").unwrap();
        here = here.dir("d").unwrap();
    }
    root.put("end", b"here");
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let path = format!("{}{}end", "d/".repeat(250), "../".repeat(250));
    assert_eq!(root.get(&path).unwrap(), b"here");
    assert!(open() < before + 200, "handles are left open");
    let link = format!("{}{}", "d/".repeat(250), "../".repeat(248));
    root.symlink(&link, "link").unwrap();
    assert_eq!(root.stat("link/.", Follow::Yes).unwrap().inode, root.inode("d/d"));
}

#[test]
fn a_directory_swapped_for_a_link_leads_nowhere() {
    let world = World::with(&[("/h", "shared", Access::ReadWrite)], AMPLE);
    std::fs::write(world.host("name"), "outside").unwrap();
    std::fs::create_dir_all(world.host("shared/real/deep")).unwrap();
    std::fs::write(world.host("shared/real/name"), "inside").unwrap();
    std::fs::write(world.host("shared/real/deep/name"), "inside").unwrap();
    symlink(world.host.path(), world.host("shared/link")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for (from, to) in [("real", "x"), ("link", "real"), ("real", "link"), ("x", "real")] {
                    std::fs::rename(world.host("shared").join(from), world.host("shared").join(to)).unwrap();
                }
            }
        });
        let start = Instant::now();
        let (mut inside, mut refused) = (0, 0);
        while start.elapsed() < Duration::from_millis(400) {
            for path in [
                "h/real/name",
                "h/real/deep/../name",
                "h/real/deep/name",
                "h/real/deep/../../real/name",
            ] {
                match world.root.get(path) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"inside", "{path}");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                let _ = world.root.file("h/real/planted", WRITE);
                let _ = world.root.rename("h/real/planted", &world.root, "h/real/moved");
                let _ = world.root.unlink("h/real/name/");
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(inside > 0 && refused > 0, "{inside} inside, {refused} refused");
    });
    assert!(!world.host("planted").exists() && !world.host("moved").exists());
    assert_eq!(std::fs::read(world.host("name")).unwrap(), b"outside");
}
