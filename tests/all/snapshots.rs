//! Snapshots of a sandbox's files, and going back to them, with guests that change them meanwhile.

use std::time::Duration;

use palisade::policy::{Access, LimitsRequest};
use palisade::snapshots::{Details, DifferenceKind, Durability, SNAPSHOTS_MAX, Scope, Snapshot, Way};
use palisade::{Delivery, Ending, Event, FileKind, Kind, Sandbox, State};
use palisade_tests::*;

async fn take(sandbox: &Sandbox) -> Snapshot {
    let snapshots = sandbox.snapshots();
    snapshots.take(Details::default(), Durability::Synced).await.unwrap()
}

async fn back(sandbox: &Sandbox, to: &Snapshot) -> palisade::Result<palisade::snapshots::Rollback> {
    let (scope, details) = (Scope::default(), Details::default());
    sandbox
        .snapshots()
        .roll_back(to.id, scope, details, Durability::Synced)
        .await
}

/// All files with their contents, the directories as such.
fn files(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let workspace = sandbox.workspace();
    let mut found = Vec::new();
    let mut left = vec![String::new()];
    while let Some(folder) = left.pop() {
        let at = if folder.is_empty() { "/" } else { &*folder };
        for entry in workspace.list(at).unwrap() {
            let path = format!("{folder}/{}", entry.name);
            match entry.kind {
                FileKind::Directory => left.push(path.clone()),
                FileKind::Symlink => found.push((path.clone(), workspace.read_link(&path).unwrap().into())),
                _ => found.push((path.clone(), workspace.read(&path, 1 << 24).unwrap())),
            }
        }
    }
    found.sort();
    found
}

async fn a_rollback_undoes_what_a_guest_did(abi: Abi) {
    let sandbox = sandbox(spec());
    script(
        abi,
        &sandbox,
        &[
            "mkdir /src",
            "write /src/main good",
            "write /src/lib good",
            "mkdir /empty",
        ],
    )
    .await;
    let good = files(&sandbox);
    let snapshot = take(&sandbox).await;
    let charged = sandbox.usage();
    script(
        abi,
        &sandbox,
        &[
            "write /src/main broken-and-longer",
            "rm /src/lib",
            "write /new new",
            "rename /src /moved",
            "mkdir /other",
            "write /other/file text",
        ],
    )
    .await;
    let bad = files(&sandbox);
    let done = back(&sandbox, &snapshot).await.unwrap();
    assert_eq!(files(&sandbox), good);
    assert_eq!(done.way, Way::Patched);
    let now = sandbox.usage();
    assert_eq!(
        (now.disk, now.files),
        (charged.disk, charged.files),
        "what came back is charged"
    );
    let undone: Vec<_> = done
        .undone
        .differences
        .iter()
        .map(|one| (&*one.path, one.kind))
        .collect();
    assert!(undone.contains(&(b"src/lib", DifferenceKind::Added)), "{undone:?}");
    assert!(undone.contains(&(b"new", DifferenceKind::Removed)), "{undone:?}");

    script(abi, &sandbox, &["append /src/main more"]).await;
    back(&sandbox, &done.before).await.unwrap();
    assert_eq!(files(&sandbox), bad, "a rollback can be undone");
    assert_eq!(sandbox.state(), State::Ready);
    assert_eq!(sandbox.snapshots().list().await.unwrap().len(), 3);
}

/// What is known of changes is complete, so that each snapshot is as one of everything.
async fn snapshots_in_a_row_have_what_was_there(abi: Abi) {
    let sandbox = sandbox(spec());
    let steps: [&[&str]; 7] = [
        &["mkdir /a", "write /a/one 1", "write /two 2"],
        &["append /a/one more", "link /two /a/two"],
        &["write /a/two both", "settimes /a/one 1 1"],
        &["rename /a /b", "write /b/new new"],
        &["symlink /b/new /to", "rm /two"],
        &["rename /b/new /b/one", "mkdir /a"],
        &["rm /b/two", "write /b/two fresh"],
    ];
    let mut taken = Vec::new();
    for step in steps {
        script(abi, &sandbox, step).await;
        taken.push((take(&sandbox).await, files(&sandbox)));
    }
    for (snapshot, was) in taken.iter().rev().chain(&taken) {
        back(&sandbox, snapshot).await.unwrap();
        assert_eq!(&files(&sandbox), was);
        let usage = sandbox.usage();
        let fresh = take(&sandbox).await;
        assert_eq!((fresh.files, fresh.bytes), (snapshot.files, snapshot.bytes));
        assert_eq!(usage.files, fresh.files);
    }
}

async fn a_rollback_ends_what_runs(abi: Abi) {
    let sandbox = sandbox(spec());
    script(abi, &sandbox, &["write /file good"]).await;
    let snapshot = take(&sandbox).await;
    let process = sandbox.spawn(command(abi, &["spin"])).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    sandbox.workspace().write("/file", b"bad").unwrap();
    back(&sandbox, &snapshot).await.unwrap();
    assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
    assert_eq!(sandbox.workspace().read("/file", 100).unwrap(), b"good");
    script(abi, &sandbox, &["write /file again"]).await;
}

/// Records are written one after the other, and a snapshot has a number of whole ones.
async fn a_snapshot_is_one_moment_while_programs_write(abi: Abi) {
    let sandbox = sandbox(spec());
    let rounds = "write /a 1;write /b 1;write /a 2;write /b 2;".repeat(40);
    let operations: Vec<&str> = rounds.split_terminator(';').collect();
    let args: Vec<&str> = std::iter::once("fs").chain(operations).collect();
    let process = sandbox.spawn(command(abi, &args)).unwrap();
    let mut snapshots = Vec::new();
    while sandbox.state() == State::Running {
        snapshots.push(take(&sandbox).await);
    }
    process.wait().await.unwrap();
    let read = async |snapshot: &Snapshot, path| sandbox.snapshots().read(snapshot.id, path, 10).await;
    for snapshot in &snapshots {
        let a = read(snapshot, "/a").await.unwrap_or_default();
        let b = read(snapshot, "/b").await.unwrap_or_default();
        // `/b` follows `/a`; each is empty for a moment while it is written.
        let possible: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b"1", b""),
            (b"1", b"1"),
            (b"", b"1"),
            (b"2", b"1"),
            (b"2", b""),
            (b"2", b"2"),
            (b"", b"2"),
        ];
        let also: (&[u8], &[u8]) = (b"1", b"2");
        assert!(possible.contains(&(&a, &b)) || also == (&a, &b), "{a:?} {b:?}");
    }
}

both!(
    mounted_directories_are_outside_and_what_changed_there_is_told,
    a_rollback_undoes_what_a_guest_did,
    snapshots_in_a_row_have_what_was_there,
    a_rollback_ends_what_runs,
    a_snapshot_is_one_moment_while_programs_write,
);

#[tokio::test]
async fn paths_go_back_alone_or_are_kept() {
    let sandbox = sandbox(spec());
    let workspace = sandbox.workspace();
    workspace.create_dir_all("/log").unwrap();
    for path in ["/a", "/b", "/log/today"] {
        workspace.write(path, b"1").unwrap();
    }
    let snapshot = take(&sandbox).await;
    for path in ["/a", "/b", "/log/today"] {
        workspace.write(path, b"2").unwrap();
    }
    let back = async |paths: &[&str], keep: &[&str]| {
        let bytes = |paths: &[&str]| paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        let scope = Scope {
            paths: bytes(paths),
            keep: bytes(keep),
        };
        let snapshots = sandbox.snapshots();
        snapshots
            .roll_back(snapshot.id, scope, Details::default(), Durability::Soon)
            .await
    };
    let read = || {
        ["/a", "/b", "/log/today"]
            .map(|path| workspace.read(path, 9).unwrap())
            .concat()
    };
    back(&["a"], &[]).await.unwrap();
    assert_eq!(read(), b"122");
    back(&[], &["log"]).await.unwrap();
    assert_eq!(read(), b"112");
    let process = sandbox.spawn(command(Abi::P1, &["spin"])).unwrap();
    let long = "x".repeat(5000);
    for bad in [&["../a"][..], &["a//b"], &[&long], &["a"; 1001]] {
        assert_eq!(back(bad, &[]).await.unwrap_err().kind(), Kind::InvalidInput);
        assert_eq!(back(&[], bad).await.unwrap_err().kind(), Kind::InvalidInput);
    }
    assert_eq!(
        sandbox.processes(),
        [process.id()],
        "nothing was ended for what cannot be"
    );
    process.kill();
    process.wait().await.unwrap();
    assert_eq!(sandbox.state(), State::Ready);
    workspace.write("/a", b"3").unwrap();
}

async fn mounted_directories_are_outside_and_what_changed_there_is_told(abi: Abi) {
    let folder = tempfile::tempdir().unwrap();
    let mounted = |at: &str| sandbox(spec().mount(folder.path(), at.parse().unwrap(), Access::ReadWrite));
    let inside = mounted("/out");
    script(abi, &inside, &["write /in 1", "write /out/before 1"]).await;
    let snapshot = take(&inside).await;
    assert_eq!(snapshot.files, 1);
    script(abi, &inside, &["write /in 2", "write /out/after 2"]).await;
    let done = back(&inside, &snapshot).await.unwrap();
    assert!(done.outside.contains(&"/out/after".to_owned()), "{:?}", done.outside);
    assert!(!done.outside.contains(&"/out/before".to_owned()), "{:?}", done.outside);
    assert_eq!(inside.workspace().read("/out/after", 9).unwrap(), b"2");
    assert_eq!(inside.workspace().read("/in", 9).unwrap(), b"1");

    let snapshots = mounted("/").snapshots();
    let refused = snapshots.take(Details::default(), Durability::Soon).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Unsupported);
}

#[tokio::test]
async fn a_file_which_is_being_transferred_holds_a_rollback_off() {
    let sandbox = sandbox(spec());
    sandbox.workspace().write("/file", b"1").unwrap();
    let snapshot = take(&sandbox).await;
    let open = sandbox.workspace().open("/file").unwrap();
    assert_eq!(back(&sandbox, &snapshot).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(sandbox.state(), State::Ready);
    drop(open);
    back(&sandbox, &snapshot).await.unwrap();
}

#[tokio::test]
async fn events_tell_of_both_and_limits_hold_after_a_rollback() {
    let sandbox = limited(LimitsRequest {
        disk: Some(palisade::policy::ByteSize::from_bytes(8 << 10)),
        ..LimitsRequest::default()
    });
    let mut events = host().events();
    sandbox.workspace().write("/file", &[1; 6000]).unwrap();
    let full = take(&sandbox).await;
    sandbox.workspace().remove("/file").unwrap();
    let empty = take(&sandbox).await;
    back(&sandbox, &full).await.unwrap();
    assert_eq!(
        sandbox.workspace().write("/more", &[1; 6000]).unwrap_err().kind(),
        Kind::Exhausted
    );
    back(&sandbox, &empty).await.unwrap();
    sandbox.workspace().write("/more", &[1; 6000]).unwrap();
    let mut told = Vec::new();
    while let Some(delivery) = events.try_next() {
        match delivery {
            Delivery::Event(Event::SnapshotTaken { sandbox: id, snapshot }) if id == sandbox.id() => {
                told.push((snapshot, "taken"));
            }
            Delivery::Event(Event::RolledBack { sandbox: id, snapshot }) if id == sandbox.id() => {
                told.push((snapshot, "back"));
            }
            _ => {}
        }
    }
    assert_eq!(
        told,
        [
            (full.id, "taken"),
            (empty.id, "taken"),
            (full.id, "back"),
            (empty.id, "back")
        ]
    );
}

#[tokio::test]
async fn snapshots_go_with_their_sandbox() {
    let sandbox = sandbox(spec());
    let snapshots = sandbox.snapshots();
    let snapshot = take(&sandbox).await;
    snapshots
        .describe(snapshot.id, |details| details.pinned = true)
        .await
        .unwrap();
    let (scope, details) = (Scope::default(), Details::default());
    sandbox.stop().await.unwrap();
    take(&sandbox).await;
    let refused = snapshots.roll_back(snapshot.id, scope, details, Durability::Soon).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict, "it has ended");
    sandbox.destroy().await.unwrap();
    let refused = snapshots.take(Details::default(), Durability::Soon).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert!(snapshots.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn there_are_so_many_snapshots_of_a_sandbox_and_no_more() {
    let sandbox = sandbox(spec());
    let snapshots = sandbox.snapshots();
    let take = async || snapshots.take(Details::default(), Durability::Soon).await;
    let mut last = None;
    for _ in 0..SNAPSHOTS_MAX {
        last = Some(take().await.unwrap());
    }
    assert_eq!(take().await.unwrap_err().kind(), Kind::Exhausted);
    snapshots.delete(last.unwrap().id).await.unwrap();
    take().await.unwrap();
    assert_eq!(take().await.unwrap_err().kind(), Kind::Exhausted);
    sandbox.destroy().await.unwrap();
}
