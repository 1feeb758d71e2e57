use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    line: RefCell<Line>,
}

const OWNER: &str = "box";

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("work/box")).unwrap();
        let (store, _) = Store::open(&folder.path().join("store")).unwrap();
        let line = RefCell::new(Line::new(OWNER));
        Self { folder, store, line }
    }

    fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work/box")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn take(&self, details: &Details) -> Result<Snapshot> {
        let directory = File::open(self.work()).unwrap();
        let line = &mut self.line.borrow_mut();
        self.store
            .take(line, directory.as_fd(), Since::Unknown, details, Durability::Synced)
    }

    fn plain(&self) -> Snapshot {
        self.take(&Details::default()).unwrap()
    }

    fn roll_back(&self, to: SnapshotId, scope: &Scope) -> Result<RolledBack> {
        let directory = File::open(self.work()).unwrap();
        let line = &mut self.line.borrow_mut();
        let details = Details::default();
        self.store.roll_back(
            line,
            directory.as_fd(),
            Since::Unknown,
            to,
            scope,
            &details,
            Durability::Synced,
        )
    }

    fn files(&self) -> BTreeMap<String, String> {
        files(&self.work())
    }
}

fn files(top: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            let kind = entry.file_type().unwrap();
            let content = if kind.is_dir() {
                left.push(path);
                "directory".to_owned()
            } else if kind.is_symlink() {
                fs::read_link(path).unwrap().to_str().unwrap().to_owned()
            } else {
                fs::read_to_string(path).unwrap()
            };
            found.insert(name, content);
        }
    }
    found
}

fn named(name: &str) -> Details {
    Details {
        name: Some(name.to_owned()),
        ..Details::default()
    }
}

fn paths(paths: &[&str]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| path.as_bytes().to_vec()).collect()
}

#[test]
fn a_snapshot_is_listed_named_found_and_deleted() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    fixture.write("a/one", "1");
    let first = fixture.take(&named("first")).unwrap();
    fixture.write("a/one", "2");
    fixture.write("two", "2");
    let second = fixture.plain();
    assert_eq!((first.files, first.bytes, first.parent), (2, 1, None));
    assert_eq!(second.parent, Some(first.id));
    let Changes {
        added,
        changed,
        removed,
        ..
    } = second.changes;
    assert_eq!((added, changed, removed), (1, 2, 0), "the top directory changed too");
    let listed = store.snapshots(OWNER).unwrap();
    assert_eq!(listed, [first.clone(), second.clone()]);
    assert_eq!(listed[0].names, ["first"]);
    assert!(store.snapshots("other").unwrap().is_empty());

    let digits = second.id.to_string();
    for text in ["first", &first.id.to_string()] {
        assert_eq!(store.find_snapshot(OWNER, text).unwrap(), first.id);
    }
    assert_eq!(store.find_snapshot(OWNER, &digits[..8]).unwrap(), second.id);
    for text in ["", "second", &digits[..3], "zzzzzzzz"] {
        assert_eq!(
            store.find_snapshot(OWNER, text).unwrap_err().kind(),
            Kind::NotFound,
            "{text}"
        );
    }
    assert_eq!(fixture.take(&named("first")).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(
        fixture.take(&named("no spaces")).unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!(store.snapshots(OWNER).unwrap().len(), 2, "a refused one leaves nothing");

    store.set_name(OWNER, "last-stable", first.id).unwrap();
    store.set_name(OWNER, "last-stable", second.id).unwrap();
    assert_eq!(store.find_snapshot(OWNER, "last-stable").unwrap(), second.id);
    store.remove_name(OWNER, "last-stable").unwrap();
    assert_eq!(
        store.remove_name(OWNER, "last-stable").unwrap_err().kind(),
        Kind::NotFound
    );

    let described = store
        .describe(OWNER, first.id, |details| details.pinned = true)
        .unwrap();
    assert_eq!((described.id, described.pinned), (first.id, true));
    assert_eq!(store.delete(OWNER, first.id).unwrap_err().kind(), Kind::Conflict);
    store
        .describe(OWNER, first.id, |details| details.pinned = false)
        .unwrap();
    store.delete(OWNER, first.id).unwrap();
    assert_eq!(store.delete(OWNER, first.id).unwrap_err().kind(), Kind::NotFound);
    assert!(store.names(OWNER).unwrap().is_empty(), "its name went with it");
}

#[test]
fn everything_outlives_the_process() {
    let fixture = Fixture::new();
    fixture.write("file", "content");
    let taken = fixture.take(&named("kept")).unwrap();
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    fs::remove_dir_all(folder.path().join("store/catalogue")).unwrap();
    let (store, _) = Store::open(&folder.path().join("store")).unwrap();
    assert_eq!(store.snapshots(OWNER).unwrap(), std::slice::from_ref(&taken));
    let restored = tempfile::tempdir().unwrap();
    let directory = File::open(restored.path()).unwrap();
    store.restore(OWNER, taken.id, directory.as_fd()).unwrap();
    assert_eq!(fs::read_to_string(restored.path().join("file")).unwrap(), "content");
    assert_eq!(
        store.restore(OWNER, taken.id, directory.as_fd()).unwrap_err().kind(),
        Kind::Conflict
    );
}

#[test]
fn a_rollback_brings_everything_back_and_can_be_undone() {
    let fixture = Fixture::new();
    fixture.write("src/main", "good");
    fixture.write("empty/.keep", "");
    symlink("src/main", fixture.work().join("link")).unwrap();
    let good = fixture.files();
    let snapshot = fixture.plain();
    fixture.write("src/main", "bad");
    fixture.write("new/file", "new");
    fs::remove_dir_all(fixture.work().join("empty")).unwrap();
    fs::remove_file(fixture.work().join("link")).unwrap();
    let bad = fixture.files();

    let done = fixture.roll_back(snapshot.id, &Scope::default()).unwrap();
    assert_eq!(done.way, Way::Patched);
    assert_eq!(fixture.files(), good);
    assert_eq!(fixture.plain().parent, Some(snapshot.id));
    fixture.roll_back(done.before.id, &Scope::default()).unwrap();
    assert_eq!(fixture.files(), bad);
}

/// What changed is told, and nothing else is looked at.
#[test]
fn a_snapshot_of_known_changes_is_as_one_of_everything() {
    let fixture = Fixture::new();
    for number in 0..50 {
        fixture.write(&format!("{}/{number}", number / 10), number.to_string());
    }
    let directory = File::open(fixture.work()).unwrap();
    let mut line = Line::new(OWNER);
    let inode = |path: &str| fs::symlink_metadata(fixture.work().join(path)).unwrap().ino();
    let dirty = |path: &str, entries| Dirty {
        inode: inode(path),
        entries,
    };
    let take = |line: &mut Line, since| {
        let (details, durability) = (Details::default(), Durability::Soon);
        fixture
            .store
            .take(line, directory.as_fd(), since, &details, durability)
            .unwrap()
    };
    let first = take(&mut line, Since::Unknown);
    assert!(line.is_known());
    std::thread::sleep(std::time::Duration::from_millis(50));
    fixture.write("3/33", "changed");
    fixture.write("4/new", "new");
    let known = Since::Known(vec![dirty("3/33", false), dirty("4", true)]);
    let second = take(&mut line, known);
    let root = |id| fixture.store.record(OWNER, id).unwrap().fixed.root;
    assert_eq!(
        (second.changes.added, second.changes.changed),
        (1, 2),
        "a file, and the directory of the new one"
    );
    let scope = Scope::default();
    let details = Details::default();
    let back = |line: &mut Line, to| {
        let since = Since::Known(vec![]);
        fixture
            .store
            .roll_back(line, directory.as_fd(), since, to, &scope, &details, Durability::Soon)
    };
    assert_eq!(back(&mut line, first.id).unwrap().way, Way::Patched);
    assert_eq!(root(take(&mut line, Since::Known(vec![])).id), root(first.id));
    assert_eq!(root(fixture.plain().id), root(first.id));
    // The one that is remembered is gone, and with it what it needs.
    let stands = take(&mut line, Since::Known(vec![]));
    fixture.store.delete(OWNER, stands.id).unwrap();
    assert_eq!(root(take(&mut line, Since::Known(vec![])).id), root(first.id));
}

#[test]
fn files_with_several_names_come_back_as_such() {
    let fixture = Fixture::new();
    fixture.write("one", "shared");
    fs::hard_link(fixture.work().join("one"), fixture.work().join("two")).unwrap();
    let snapshot = fixture.plain();
    fs::remove_file(fixture.work().join("two")).unwrap();
    fixture.write("one", "alone");
    let done = fixture.roll_back(snapshot.id, &Scope::default()).unwrap();
    assert_eq!(done.way, Way::Rebuilt);
    fixture.write("one", "both");
    assert_eq!(fixture.files()["two"], "both");
}

#[test]
fn a_rollback_of_paths_leaves_the_others() {
    let fixture = Fixture::new();
    fixture.write("src/a", "1");
    fixture.write("src/b", "1");
    fixture.write("log/today", "1");
    let snapshot = fixture.plain();
    for path in ["src/a", "src/b", "log/today", "src/new"] {
        fixture.write(path, "2");
    }
    let only = |paths| Scope { paths, keep: vec![] };
    fixture.roll_back(snapshot.id, &only(paths(&["src/a"]))).unwrap();
    let values = |fixture: &Fixture| -> String {
        let files = fixture.files();
        let of = |path: &str| files.get(path).cloned().unwrap_or("-".to_owned());
        ["src/a", "src/b", "log/today", "src/new"].map(of).concat()
    };
    assert_eq!(values(&fixture), "1222");
    assert_ne!(
        fixture.plain().parent,
        Some(snapshot.id),
        "it is not what the snapshot was"
    );
    let scope = Scope {
        paths: vec![],
        keep: paths(&["log"]),
    };
    fixture.roll_back(snapshot.id, &scope).unwrap();
    assert_eq!(values(&fixture), "112-");
    let refused = fixture.roll_back(snapshot.id, &only(paths(&["../x"]))).unwrap_err();
    assert_eq!(refused.kind(), Kind::InvalidInput);
    assert_eq!(fixture.store.interrupted(OWNER).unwrap(), None);
}

#[test]
fn an_interrupted_rollback_is_done_when_it_is_resumed() {
    let fixture = Fixture::new();
    fixture.write("file", "good");
    let snapshot = fixture.plain();
    fixture.write("file", "bad");
    // What a rollback says before it touches anything.
    let directory = File::open(fixture.work()).unwrap();
    let target = fixture.store.record(OWNER, snapshot.id).unwrap().fixed.root;
    let intend = |_: &tree::Root| {
        let target = snapshot.id;
        let root = fixture.store.record(OWNER, target).unwrap().fixed.root;
        Ok(Some(head::GoingBack { target, root }))
    };
    let details = Details::default();
    fixture
        .store
        .take_and(
            &mut Line::new(OWNER),
            directory.as_fd(),
            Since::Unknown,
            &details,
            Durability::Synced,
            intend,
        )
        .unwrap();
    fs::write(fixture.work().join("half"), "done").unwrap();
    let Fixture { folder, store, .. } = fixture;
    drop(store);
    let (store, _) = Store::open(&folder.path().join("store")).unwrap();
    assert_eq!(store.interrupted(OWNER).unwrap(), Some(snapshot.id));
    let mut line = Line::new(OWNER);
    let refused = store.take(&mut line, directory.as_fd(), Since::Unknown, &details, Durability::Soon);
    assert_eq!(
        refused.unwrap_err().kind(),
        Kind::Conflict,
        "nobody takes a snapshot of what is half done"
    );
    store.resume(&mut line, directory.as_fd(), Durability::Synced).unwrap();
    assert_eq!(
        files(&folder.path().join("work")).len(),
        2,
        "the directory and its file"
    );
    assert_eq!(fs::read_to_string(folder.path().join("work/box/file")).unwrap(), "good");
    assert_eq!(store.head(OWNER).unwrap().snapshot, Some(snapshot.id));
    assert_eq!(store.record(OWNER, snapshot.id).unwrap().fixed.root, target);
    let again = store.resume(&mut line, directory.as_fd(), Durability::Synced);
    assert_eq!(again.unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_collection_removes_what_only_deleted_snapshots_need() {
    let fixture = Fixture::new();
    let noise = |seed: u64| -> Vec<u8> {
        let mut bytes = vec![0; 3_000_000];
        blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    };
    fixture.write("shared", noise(0));
    fixture.write("big", noise(1));
    let first = fixture.plain();
    fixture.write("big", noise(2));
    let second = fixture.plain();
    fixture.store.delete(OWNER, first.id).unwrap();
    fixture.write("other", "x");
    let done = fixture.store.collect().unwrap();
    assert_eq!(done.packs, 0, "less than half of the pack is of no use");
    fs::remove_file(fixture.work().join("big")).unwrap();
    let third = fixture.plain();
    fixture.store.delete(OWNER, second.id).unwrap();
    let done = fixture.store.collect().unwrap();
    assert!(done.freed > 5_900_000, "{done:?}");
    let verified = fixture.store.verify(OWNER, third.id).unwrap();
    assert!(
        verified.damaged.is_empty() && verified.bytes > 3_000_000,
        "{verified:?}"
    );
}

#[test]
fn a_damaged_blob_is_found_and_named_and_stored_again() {
    let fixture = Fixture::new();
    fixture.write("good", "some good content which nobody touches");
    let good = fixture.plain();
    fixture.write("dir/bad", "content which a failing disk is going to change");
    let bad = fixture.plain();
    let pack = fixture.folder.path().join("store/packs/0000000000000001.pack");
    let mut bytes = fs::read(&pack).unwrap();
    let found = bytes.windows(9).position(|window| window == b"a failing").unwrap();
    bytes[found] ^= 1;
    fs::write(&pack, bytes).unwrap();

    let verified = fixture.store.verify(OWNER, bad.id).unwrap();
    assert_eq!(verified.damaged, [b"dir/bad".to_vec()]);
    assert!(fixture.store.verify(OWNER, good.id).unwrap().damaged.is_empty());
    let scrub = fixture.store.scrub().unwrap();
    assert_eq!(scrub.snapshots, [(OWNER.to_owned(), bad.id)]);
    assert_eq!(scrub.damaged.len(), 1);
    fixture.plain();
    assert!(
        fixture.store.verify(OWNER, bad.id).unwrap().damaged.is_empty(),
        "it came in again"
    );
}

#[test]
fn a_damaged_commit_is_found_and_named_and_all_goes_on_without_it() {
    let fixture = Fixture::new();
    fixture.write("good", "good");
    let good = fixture.take(&named("good")).unwrap();
    fixture.write("bad", "bad");
    let bad = fixture.take(&named("distinguished")).unwrap();
    let pack = fixture.folder.path().join("store/packs/0000000000000001.pack");
    let mut bytes = fs::read(&pack).unwrap();
    let found = bytes
        .windows(13)
        .rposition(|window| window == b"distinguished")
        .unwrap();
    bytes[found] ^= 1;
    fs::write(&pack, bytes).unwrap();

    let store = &fixture.store;
    assert_eq!(store.snapshots(OWNER).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(fixture.take(&Details::default()).unwrap_err().kind(), Kind::Corrupt);
    let scrub = store.scrub().unwrap();
    assert_eq!(scrub.snapshots, [(OWNER.to_owned(), bad.id)]);
    assert_eq!(store.snapshots(OWNER).unwrap(), std::slice::from_ref(&good));
    assert_eq!(fixture.plain().parent, Some(good.id));
    store.collect().unwrap();
}

#[test]
fn state_has_versions() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let put = |value: &str, expected| store.put_state(OWNER, "count", value.as_bytes(), expected, Durability::Soon);
    let first = put("1", Expected::Absent).unwrap();
    let second = put("2", Expected::Exactly(first)).unwrap();
    assert_eq!(put("3", Expected::Exactly(first)).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(store.state(OWNER, "count").unwrap().unwrap().version, second);
    store
        .remove_state(OWNER, "count", Expected::Any, Durability::Soon)
        .unwrap();
    assert_eq!(store.state(OWNER, "count").unwrap(), None);
    store.restore_state(OWNER, "count", first, Durability::Soon).unwrap();
    assert_eq!(store.state(OWNER, "count").unwrap().unwrap().value, b"1");
    assert_eq!(store.state_history(OWNER, "count").unwrap().len(), 4);
    let keys = store.state_keys(OWNER, "co").unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].0, "count");
    assert_eq!(store.state("other", "count").unwrap(), None);
    let long = vec![0; STATE_VALUE_MAX + 1];
    let refused = store.put_state(OWNER, "count", &long, Expected::Any, Durability::Soon);
    assert_eq!(refused.unwrap_err().kind(), Kind::InvalidInput);
    for key in ["", &"k".repeat(STATE_KEY_MAX + 1)] {
        assert_eq!(store.state(OWNER, key).unwrap_err().kind(), Kind::InvalidInput);
    }
    for owner in ["", "a/b", "a\0b", &"x".repeat(65)] {
        assert_eq!(store.state(owner, "count").unwrap_err().kind(), Kind::InvalidInput);
    }
}

#[test]
fn a_comparison_tells_what_differs_as_far_as_is_asked() {
    let fixture = Fixture::new();
    fixture.write("dir/same", "same");
    fixture.write("dir/edited", "one");
    fixture.write("gone", "gone");
    let before = fixture.plain();
    fixture.write("dir/edited", "three");
    fs::remove_file(fixture.work().join("gone")).unwrap();
    fixture.write("new/deep", "new");
    let after = fixture.plain();
    let compare = |limit| fixture.store.compare(OWNER, Some(before.id), after.id, limit).unwrap();
    let all = compare(100);
    let found: Vec<_> = all
        .differences
        .iter()
        .map(|difference| (std::str::from_utf8(&difference.path).unwrap(), difference.kind))
        .collect();
    let wanted = [
        ("", DifferenceKind::Metadata),
        ("dir/edited", DifferenceKind::Content),
        ("gone", DifferenceKind::Removed),
        ("new", DifferenceKind::Added),
        ("new/deep", DifferenceKind::Added),
    ];
    assert_eq!(found, wanted);
    let edited = &all.differences[1];
    let sizes = [&edited.before, &edited.after].map(|item| item.as_ref().unwrap().size);
    assert_eq!(sizes, [3, 5]);
    assert_eq!((all.truncated, compare(2).truncated), (Truncated::No, Truncated::Yes));
    assert_eq!(compare(2).differences, all.differences[..2]);
    let from_nothing = fixture.store.compare(OWNER, None, before.id, 100).unwrap();
    assert_eq!(from_nothing.differences.len(), 4);

    let read = |path: &str, limit| fixture.store.read(OWNER, before.id, path.as_bytes(), limit);
    assert_eq!(read("dir/edited", 100).unwrap(), b"one");
    assert_eq!(read("dir/edited", 2).unwrap(), b"on");
    for path in ["new/deep", "dir", "", "dir/edited/x", "/dir/edited"] {
        assert_eq!(read(path, 100).unwrap_err().kind(), Kind::NotFound, "{path}");
    }
}

#[test]
fn a_large_file_is_read_from_its_start() {
    let fixture = Fixture::new();
    let content: Vec<u8> = (0..500_000_u32).map(|i| (i / 1000) as u8).collect();
    fixture.write("large", &content);
    let taken = fixture.plain();
    for limit in [0, 1, 131_072, 131_073, 400_000, 500_000, 1_000_000] {
        let read = fixture.store.read(OWNER, taken.id, b"large", limit).unwrap();
        assert!(read == content[..limit.min(content.len())], "{limit}");
    }
}

#[test]
fn retention_keeps_what_it_says_and_nothing_else() {
    let fixture = Fixture::new();
    let details = |number: usize| Details {
        name: (number == 1).then(|| "named".to_owned()),
        labels: [("kind".to_owned(), format!("{}", number % 4))].into(),
        pinned: number == 2,
        ..Details::default()
    };
    let taken: Vec<_> = (0..8)
        .map(|number| fixture.take(&details(number)).unwrap().id)
        .collect();
    let retention = Retention {
        last: 2,
        within: std::time::Duration::ZERO,
        labels: vec![("kind".to_owned(), "3".to_owned())],
    };
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
    let deleted = fixture.store.expire(OWNER, &retention, later).unwrap();
    assert_eq!(deleted, [taken[0], taken[4], taken[5]]);
    let young = Retention {
        within: std::time::Duration::from_secs(1000),
        ..Retention::default()
    };
    assert!(fixture.store.expire(OWNER, &young, later).unwrap().is_empty());
    let deleted = fixture.store.expire(OWNER, &Retention::default(), later).unwrap();
    assert_eq!(
        deleted,
        [taken[3], taken[6]],
        "not the one at which the directory stands"
    );
}

#[test]
fn an_owner_is_known_again_and_forgotten() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.put_record(OWNER, b"spec", Durability::Soon).unwrap();
    store.put_record("other", b"more", Durability::Soon).unwrap();
    store
        .put_state(OWNER, "key", b"1", Expected::Any, Durability::Soon)
        .unwrap();
    store
        .put_state("other", "key", b"1", Expected::Any, Durability::Soon)
        .unwrap();
    fixture.take(&named("plain")).unwrap();
    fixture
        .take(&Details {
            pinned: true,
            ..Details::default()
        })
        .unwrap();
    assert_eq!(
        store.owners().unwrap().into_iter().collect::<Vec<_>>(),
        [OWNER, "other"]
    );
    let records = [
        (OWNER.to_owned(), b"spec".to_vec()),
        ("other".to_owned(), b"more".to_vec()),
    ];
    assert_eq!(store.records().unwrap(), records);
    store.forget(OWNER, Durability::Synced).unwrap();
    assert_eq!(store.records().unwrap(), records[1..]);
    assert_eq!(store.state(OWNER, "key").unwrap(), None);
    assert!(store.state("other", "key").unwrap().is_some());
    assert!(store.snapshots(OWNER).unwrap().is_empty() && store.names(OWNER).unwrap().is_empty());
    assert_eq!(store.head(OWNER).unwrap().snapshot, None);
    assert_eq!(store.owners().unwrap().into_iter().collect::<Vec<_>>(), ["other"]);
}

/// Where the directory stands, and what a rollback intends, are as safe from a collection as snapshots.
#[test]
fn a_collection_keeps_where_the_directory_stands() {
    let fixture = Fixture::new();
    let mut noise = vec![0; 2_000_000];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fixture.write("big", &noise);
    let first = fixture.plain();
    fs::remove_file(fixture.work().join("big")).unwrap();
    let second = fixture.plain();
    fixture.store.delete(OWNER, first.id).unwrap();
    assert_eq!(fixture.store.collect().unwrap().packs, 1);
    assert_eq!(fixture.plain().parent, Some(second.id));
}

/// What was captured is in no snapshot then, so that a collection may take it.
#[test]
fn what_was_captured_for_nothing_is_not_relied_upon() {
    let fixture = Fixture::new();
    let noise = |seed: u64| -> Vec<u8> {
        let mut bytes = vec![0; 60_000];
        blake3::Hasher::new()
            .update(&seed.to_le_bytes())
            .finalize_xof()
            .fill(&mut bytes);
        bytes
    };
    fixture.write("first", "1");
    let directory = File::open(fixture.work()).unwrap();
    let mut line = Line::new(OWNER);
    let (details, soon) = (Details::default(), Durability::Soon);
    let first = fixture
        .store
        .take(&mut line, directory.as_fd(), Since::Unknown, &details, soon)
        .unwrap();
    for number in 0..40 {
        fixture.write(&format!("big/{number}"), noise(number));
    }
    let inode = fs::metadata(fixture.work()).unwrap().ino();
    let since = Since::Known(vec![Dirty { inode, entries: true }]);
    let scope = Scope {
        paths: paths(&["../x"]),
        keep: vec![],
    };
    let refused = fixture
        .store
        .roll_back(&mut line, directory.as_fd(), since, first.id, &scope, &details, soon);
    assert_eq!(refused.unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(fixture.store.collect().unwrap().packs, 1);
    let nothing = Since::Known(vec![]);
    let taken = fixture
        .store
        .take(&mut line, directory.as_fd(), nothing, &details, soon)
        .unwrap();
    let verified = fixture.store.verify(OWNER, taken.id).unwrap();
    assert!(
        verified.damaged.is_empty() && verified.bytes > 2_000_000,
        "{verified:?}"
    );
}
