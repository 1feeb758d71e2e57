//! Pipes, sockets, odd times, very many names, and very many syncs.

use std::os::unix::net::UnixListener;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use palisade_policy::Access;

use super::super::*;
use super::support::{AMPLE, DIRECTORY, NEW, NOTHING, READ, WRITE, World, errno};

#[test]
fn pipes_and_sockets_are_seen_and_not_opened() {
    let world = World::with(&[("/h", "h", Access::ReadWrite)], AMPLE);
    let _socket = UnixListener::bind(world.host("h/socket")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, world.host("h/pipe"), rustix::fs::Mode::RWXU).unwrap();
    let directory = world.root.dir("h").unwrap();
    for name in ["pipe", "socket"] {
        for how in [
            READ,
            WRITE,
            NOTHING,
            OpenHow {
                truncate: true,
                ..WRITE
            },
        ] {
            assert_eq!(errno(directory.open(name, how)), Errno::OPNOTSUPP, "{name}");
        }
        assert!(directory.open(name, DIRECTORY).is_err());
        assert_eq!(directory.stat(name, Follow::No).unwrap().kind, Kind::Other);
    }
    let listing = directory.list().unwrap();
    assert!((2..4).all(|index| listing.get(index).unwrap().kind == Kind::Other));
    directory.unlink("pipe").unwrap();
}

#[test]
fn odd_times_are_kept() {
    let world = World::new();
    let root = &world.root;
    root.put("file", b"");
    root.symlink("file", "link").unwrap();
    let file = root.file("file", READ).unwrap();
    for time in [
        UNIX_EPOCH,
        UNIX_EPOCH - Duration::from_nanos(1),
        UNIX_EPOCH - Duration::new(86_400, 999_999_999),
    ] {
        file.set_times(NewTime::At(time), NewTime::Keep).unwrap();
        root.set_times("file", Follow::Yes, NewTime::Keep, NewTime::At(time))
            .unwrap();
        let stat = file.stat().unwrap();
        assert_eq!((stat.accessed, stat.modified), (time, time));
        root.own_set_times(NewTime::At(time), NewTime::At(time)).unwrap();
        assert_eq!(root.stat(".", Follow::No).unwrap().modified, time);
    }
    let before = file.stat().unwrap().modified;
    root.set_times("link", Follow::No, NewTime::Now, NewTime::Now).unwrap();
    assert_eq!(file.stat().unwrap().modified, before, "the link's own times were set");
    root.set_times("link", Follow::Yes, NewTime::Now, NewTime::Now).unwrap();
    assert!(file.stat().unwrap().modified > before);
    let far = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 62));
    for time in far
        .into_iter()
        .chain(SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1 << 62)))
    {
        let _ = file.set_times(NewTime::At(time), NewTime::At(time));
        file.stat().unwrap();
    }
}

#[test]
fn twenty_thousand_names_are_listed() {
    let world = World::with(&[("/h", "h", Access::ReadWrite)], AMPLE);
    for index in 0..20_000 {
        std::fs::write(world.host(&format!("h/{index:05}")), "").unwrap();
    }
    let directory = world.root.dir("h").unwrap();
    let listing = directory.list().unwrap();
    assert!(directory.list_in_slices().now_or_never().is_none());
    world.root.unlink("h/00000").unwrap();
    assert_eq!(listing.len(), 20_002);
    let mut names: Vec<_> = (2..listing.len())
        .map(|index| listing.get(index).unwrap().name)
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), names[0]), (20_000, "00000"));
}

#[test]
fn a_listing_waits_for_no_change_of_names() {
    let world = World::new();
    world.root.put("file", b"");
    let root = world.root.clone();
    let (sender, listed) = channel();
    let _names = world.workspace.shared.write_names();
    std::thread::spawn(move || sender.send(root.names()));
    assert_eq!(listed.recv_timeout(Duration::from_secs(30)).unwrap(), ["file"]);
}

#[test]
fn names_that_are_no_text_are_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::with(&[("/h", "h", Access::ReadWrite)], AMPLE);
    std::fs::write(world.host("h").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(b"\xff"), world.host("h/link")).unwrap();
    assert_eq!(world.root.dir("h").unwrap().names(), ["link"]);
    assert_eq!(errno(world.root.read_link("h/link")), Errno::ILSEQ);
    assert_eq!(errno(world.root.open("h/link", READ)), Errno::ILSEQ);
}

#[tokio::test]
async fn files_and_directories_are_synced() {
    let world = World::new();
    world.root.sync().await.unwrap();
    let file = world.root.file("file", WRITE).unwrap();
    file.sync(Sync::Data).await.unwrap();
    file.sync(Sync::All).await.unwrap();
    world.root.sync().await.unwrap();
}

#[test]
fn syncs_which_are_begun_and_left_run_a_few_at_one_time() {
    let world = World::new();
    let file = world.root.file("file", NEW).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (release, held) = channel::<()>();
    runtime.spawn_blocking(move || held.recv());
    runtime.block_on(async {
        for _ in 0..100 {
            assert!(file.sync(Sync::All).now_or_never().is_none());
            assert!(world.root.sync().now_or_never().is_none());
        }
        assert_eq!(world.workspace.running(), 4);
        drop(release);
        file.sync(Sync::Data).await.unwrap();
        world.root.sync().await.unwrap();
    });
}
