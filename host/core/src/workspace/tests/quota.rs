//! What is charged is what is there, at every edge.

use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, Limits, NEW, READ, WRITE, World, errno};
use crate::limits::Limit;

const DISK_100: Limits = Limits { disk: 100, ..AMPLE };

fn used(world: &World) -> (u64, u64) {
    (world.budgets.disk.used(), world.budgets.files.used())
}

#[test]
fn a_write_takes_what_fits_and_then_fails() {
    let world = World::limited(DISK_100);
    let file = world.root.file("file", NEW).unwrap();
    assert_eq!(file.write_at(&[1; 90], 0), Ok(90));
    assert_eq!(file.write_at(&[1; 20], 90), Ok(10));
    assert_eq!(world.last_limit(), Some(Limit::Disk));
    assert_eq!(errno(file.write_at(&[1], 100)), Errno::DQUOT);
    assert_eq!(errno(file.append(&[1])), Errno::DQUOT);
    assert_eq!(file.write_at(&[2; 50], 50), Ok(50), "what is there may be written over");
    assert_eq!(file.write_at(&[2; 60], 60), Ok(40));
    assert_eq!(used(&world), (100, 1));
}

#[test]
fn a_gap_is_paid_for() {
    let world = World::limited(DISK_100);
    let file = world.root.file("file", NEW).unwrap();
    assert_eq!(errno(file.write_at(&[1; 10], 100)), Errno::DQUOT);
    assert_eq!(errno(file.write_at(&[1; 10], u64::MAX >> 1)), Errno::FBIG);
    assert_eq!(errno(file.set_size(101)), Errno::DQUOT);
    assert_eq!(errno(file.allocate(1, 100)), Errno::DQUOT);
    assert_eq!(used(&world), (0, 1));
    assert_eq!(file.write_at(&[1; 10], 95), Ok(5));
    assert_eq!(used(&world), (100, 1));
    file.set_size(30).unwrap();
    file.allocate(0, 60).unwrap();
    assert_eq!(used(&world), (60, 1));
}

#[test]
fn several_handles_to_one_file_pay_once() {
    let world = World::limited(DISK_100);
    let root = &world.root;
    let first = root.file("file", NEW).unwrap();
    root.hard_link("file", Follow::No, root, "other").unwrap();
    let second = root.file("other", WRITE).unwrap();
    assert_eq!(first.write_at(&[1; 40], 0), Ok(40));
    assert_eq!(second.write_at(&[2; 40], 0), Ok(40));
    assert_eq!(second.append(&[2; 20]), Ok((20, 60)));
    assert_eq!(first.append(&[1; 20]), Ok((20, 80)));
    assert_eq!(used(&world), (80, 2));
    root.unlink("file").unwrap();
    assert_eq!(used(&world), (80, 1));
    root.unlink("other").unwrap();
    assert_eq!(used(&world), (80, 0), "open handles hold the bytes");
    assert_eq!(first.append(&[1; 30]), Ok((20, 100)));
    first.set_size(50).unwrap();
    drop(second);
    assert_eq!(used(&world), (50, 0));
    drop(first);
    assert_eq!(used(&world), (0, 0));
}

#[test]
fn what_is_replaced_or_truncated_is_given_back() {
    let world = World::limited(DISK_100);
    let root = &world.root;
    root.put("a", &[1; 40]);
    root.put("b", &[1; 50]);
    let held = root.file("b", READ).unwrap();
    root.rename("a", root, "b").unwrap();
    assert_eq!(used(&world), (90, 1));
    drop(held);
    assert_eq!(used(&world), (40, 1));
    root.put("b", &[1; 10]);
    assert_eq!(used(&world), (10, 1));
    root.hard_link("b", Follow::No, root, "c").unwrap();
    root.rename("b", root, "c").unwrap();
    assert_eq!(used(&world), (10, 2), "two names of one file: nothing happens");
}

#[test]
fn names_are_counted() {
    let world = World::limited(Limits { files: 4, ..AMPLE });
    let root = &world.root;
    root.create_dir("dir").unwrap();
    root.put("file", b"");
    root.symlink("x", "link").unwrap();
    root.hard_link("file", Follow::No, root, "dir/again").unwrap();
    assert_eq!(errno(root.create_dir("d")), Errno::DQUOT);
    assert_eq!(errno(root.open("f", NEW)), Errno::DQUOT);
    assert_eq!(errno(root.symlink("x", "l")), Errno::DQUOT);
    assert_eq!(errno(root.hard_link("file", Follow::No, root, "h")), Errno::DQUOT);
    assert_eq!(world.last_limit(), Some(Limit::Files));
    assert_eq!(errno(root.create_dir("dir")), Errno::EXIST);
    assert_eq!(used(&world).1, 4);
    root.rename("link", root, "dir/again").unwrap();
    assert_eq!(used(&world).1, 3);
    root.unlink("dir/again").unwrap();
    root.remove_dir("dir").unwrap();
    root.unlink("file").unwrap();
    assert_eq!(used(&world), (0, 0));
}

#[test]
fn deleting_what_was_there_before_buys_no_room() {
    let world = World::with(&[("/h", "h", Access::ReadWrite)], DISK_100);
    std::fs::write(world.host("h/big"), [0; 1000]).unwrap();
    std::fs::write(world.host("h/small"), [0; 10]).unwrap();
    let root = &world.root;
    root.put("mine", &[1; 30]);
    root.unlink("h/big").unwrap();
    root.file("h/small", WRITE).unwrap().set_size(0).unwrap();
    assert_eq!(used(&world), (30, 1));
    let file = root.file("h/small", WRITE).unwrap();
    assert_eq!(file.write_at(&[1; 100], 0), Ok(70), "growth is charged");
    root.unlink("h/small").unwrap();
    drop(file);
    assert_eq!(used(&world), (30, 1));
}

#[test]
fn handles_are_counted_while_a_clone_of_them_lives() {
    let world = World::limited(Limits { handles: 2, ..AMPLE });
    let root = &world.root;
    let file = root.file("file", NEW).unwrap();
    let copy = file.clone();
    let directory = root.dir(".").unwrap();
    assert_eq!(errno(root.open("file", READ)), Errno::MFILE);
    assert_eq!(errno(root.open(".", READ)), Errno::MFILE);
    assert_eq!(errno(root.open("new", NEW)), Errno::MFILE);
    assert_eq!(world.last_limit(), Some(Limit::Handles));
    assert_eq!(errno(root.stat("new", Follow::No)), Errno::NOENT);
    drop(file);
    assert_eq!(errno(root.open("file", READ)), Errno::MFILE);
    drop((copy, directory));
    assert_eq!(world.budgets.handles.used(), 0);
    assert_eq!(world.workspace.read("/file", 10).unwrap(), b"");
}

#[test]
fn a_listing_is_charged_while_it_lives() {
    let world = World::limited(Limits { memory: 4096, ..AMPLE });
    let root = &world.root;
    for index in 0..10 {
        root.put(&format!("{index}"), b"");
    }
    let listing = root.list().unwrap();
    assert!(world.budgets.memory.used() > 0);
    drop(listing);
    assert_eq!(world.budgets.memory.used(), 0);
    for index in 10..200 {
        root.put(&format!("{index}"), b"");
    }
    world.record.refusals.take_unpaid_names();
    assert_eq!(errno(root.list()), Errno::NOMEM);
    assert_eq!(world.last_limit(), Some(Limit::Memory));
    assert_eq!(world.budgets.memory.used(), 0);
    let names = world.record.refusals.take_unpaid_names();
    assert!(
        (50..200).contains(&names),
        "{names} are paid for though the listing failed"
    );
}

#[test]
fn a_scratch_from_an_earlier_life_is_counted() {
    let world = World::new();
    let root = &world.root;
    root.create_dir("dir").unwrap();
    root.put("dir/file", &[1; 30]);
    root.hard_link("dir/file", Follow::No, root, "again").unwrap();
    root.symlink("x", "link").unwrap();
    root.put("other", &[1; 5]);
    let earlier = used(&world);
    assert_eq!(earlier, (35, 5));
    let World {
        host, workspace, root, ..
    } = world;
    drop((workspace, root));
    let world = World::over(
        host,
        &[],
        Limits {
            disk: 10,
            files: 2,
            ..AMPLE
        },
        Workspace::reopen,
    );
    assert_eq!(used(&world), earlier, "even more than the limits allow now");
    assert_eq!(errno(world.root.open("new", NEW)), Errno::DQUOT);
    world.workspace.remove("/dir").unwrap();
    world.workspace.remove("/again").unwrap();
    assert_eq!(used(&world), (5, 2));
    let fresh = World::over(tempfile::tempdir().unwrap(), &[], AMPLE, Workspace::reopen);
    assert_eq!(used(&fresh), (0, 0));
}

#[test]
fn many_writers_charge_what_is_there() {
    let world = World::limited(Limits { disk: 50_000, ..AMPLE });
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let root = world.root.clone();
            scope.spawn(move || {
                for round in 0..200_u32 {
                    let Ok(file) = root.file("shared", WRITE) else {
                        continue;
                    };
                    let _ = file.append(&[thread; 100]);
                    if round % 7 == 0 {
                        let _ = file.set_size(u64::from(round));
                    }
                    if round % 5 == 0 {
                        let _ = root.unlink("shared");
                    }
                    if round % 11 == 0 {
                        let _ = root.rename("shared", &root, "other");
                    }
                }
            });
        }
    });
    let sizes: u64 = std::fs::read_dir(world.scratch())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(world.budgets.disk.used(), sizes);
    assert_eq!(world.budgets.handles.used(), 0);
}
