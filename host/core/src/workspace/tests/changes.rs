//! Whatever differs between two looks at the real tree is in the set of changes.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use palisade_policy::Access;
use proptest::prelude::*;

use super::super::*;
use super::support::{AMPLE, READ, WRITE, World};

type Id = (u64, u64);

/// All that a snapshot would keep of one file, directory or link.
#[derive(Debug, PartialEq)]
struct Seen {
    content: Vec<u8>,
    metadata: (u64, u32, i64, i64, u64),
    entries: BTreeMap<String, Id>,
}

fn look(path: &Path, seen: &mut HashMap<Id, Seen>) -> Id {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let id = (meta.dev(), meta.ino());
    let mut entries = BTreeMap::new();
    let mut content = Vec::new();
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            entries.insert(entry.file_name().into_string().unwrap(), look(&entry.path(), seen));
        }
    } else if meta.is_file() {
        content = std::fs::read(path).unwrap();
    } else {
        content = std::fs::read_link(path).unwrap().into_os_string().into_encoded_bytes();
    }
    let size = if meta.is_dir() { 0 } else { meta.size() };
    let metadata = (size, meta.mode(), meta.mtime(), meta.mtime_nsec(), meta.nlink());
    seen.insert(
        id,
        Seen {
            content,
            metadata,
            entries,
        },
    );
    id
}

fn look_at_all(world: &World) -> HashMap<Id, Seen> {
    let mut seen = HashMap::new();
    for top in ["scratch", "h"] {
        if world.host(top).exists() {
            look(&world.host(top), &mut seen);
        }
    }
    seen
}

fn check_covered(before: &HashMap<Id, Seen>, after: &HashMap<Id, Seen>, changes: &[ChangedInode]) {
    let changes: HashMap<Id, &ChangedInode> = changes
        .iter()
        .map(|change| ((change.device, change.inode), change))
        .collect();
    for (id, now) in after {
        let nothing = Seen {
            content: Vec::new(),
            metadata: (0, 0, 0, 0, 0),
            entries: BTreeMap::new(),
        };
        let then = before.get(id).unwrap_or(&nothing);
        let change = changes.get(id);
        // The number of what is gone may come back for something of another kind.
        let is_directory = now.metadata.1 & 0o170_000 == 0o040_000;
        if !is_directory && then.content != now.content {
            assert!(
                change.is_some_and(|change| change.content),
                "content of {id:?}: {then:?} {now:?}"
            );
        }
        if then.metadata != now.metadata {
            assert!(
                change.is_some_and(|change| change.metadata),
                "metadata of {id:?}: {then:?} {now:?}"
            );
        }
        if is_directory && then.entries != now.entries {
            assert!(
                change.is_some_and(|change| change.entries),
                "entries of {id:?}: {then:?} {now:?}"
            );
        }
    }
    for change in changes.values() {
        assert!(
            after.contains_key(&(change.device, change.inode)),
            "what is gone is left out: {change:?}"
        );
    }
}

#[derive(Clone, Debug)]
enum Op {
    Open(u8, String),
    Write(u8, u16),
    Append(u8),
    SetSize(u8, u8),
    SetTimes(String, u32),
    HandleTimes(u8, u32),
    CreateDir(String),
    RemoveDir(String),
    Unlink(String),
    Rename(String, String),
    Link(String, String),
    Symlink(String, String),
    HostWrite(String),
    HostRemove(String),
    Close(u8),
    Take,
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let base = prop_oneof![4 => Just(""), 1 => Just("h/")];
    (base, prop::collection::vec(name, 1..4)).prop_map(|(base, names)| format!("{base}{}", names.join("/")))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4_u8, path()).prop_map(|(handle, path)| Op::Open(handle, path)),
        3 => (0..4_u8, 0..500_u16).prop_map(|(handle, offset)| Op::Write(handle, offset)),
        1 => (0..4_u8).prop_map(Op::Append),
        1 => (0..4_u8, any::<u8>()).prop_map(|(handle, size)| Op::SetSize(handle, size)),
        1 => (path(), any::<u32>()).prop_map(|(path, time)| Op::SetTimes(path, time)),
        1 => (0..4_u8, any::<u32>()).prop_map(|(handle, time)| Op::HandleTimes(handle, time)),
        3 => path().prop_map(Op::CreateDir),
        1 => path().prop_map(Op::RemoveDir),
        1 => path().prop_map(Op::Unlink),
        4 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        2 => (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        1 => (path(), path()).prop_map(|(target, path)| Op::Symlink(target, path)),
        1 => path().prop_map(Op::HostWrite),
        1 => path().prop_map(Op::HostRemove),
        1 => (0..4_u8).prop_map(Op::Close),
        1 => Just(Op::Take),
    ]
}

fn apply(world: &World, handles: &mut [Option<File>], op: &Op) {
    let root = &world.root;
    let at = |time: u32| NewTime::At(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(time.into()));
    let handle = |index: u8| handles[usize::from(index)].clone();
    match op {
        Op::Open(index, path) => handles[usize::from(*index)] = root.file_if_one(path),
        Op::Close(index) => handles[usize::from(*index)] = None,
        Op::Write(index, offset) => ignore(handle(*index).map(|file| file.write_at(b"bytes", (*offset).into()))),
        Op::Append(index) => ignore(handle(*index).map(|file| file.append(b"more"))),
        Op::SetSize(index, size) => ignore(handle(*index).map(|file| file.set_size((*size).into()))),
        Op::HandleTimes(index, time) => ignore(handle(*index).map(|file| file.set_times(NewTime::Keep, at(*time)))),
        Op::SetTimes(path, time) => ignore(root.set_times(path, Follow::No, NewTime::Keep, at(*time))),
        Op::CreateDir(path) => ignore(root.create_dir(path)),
        Op::RemoveDir(path) => ignore(root.remove_dir(path)),
        Op::Unlink(path) => ignore(root.unlink(path)),
        Op::Rename(from, to) => ignore(root.rename(from, root, to)),
        Op::Link(from, to) => ignore(root.hard_link(from, Follow::No, root, to)),
        Op::Symlink(target, path) => ignore(root.symlink(target, path)),
        Op::HostWrite(path) => ignore(world.workspace.write(&format!("/{path}"), b"from the host")),
        Op::HostRemove(path) => ignore(world.workspace.remove(&format!("/{path}"))),
        Op::Take => {}
    }
}

/// An operation may fail; what it then leaves is looked at.
fn ignore<T>(_: T) {}

impl Directory {
    fn file_if_one(&self, path: &str) -> Option<File> {
        match self.open(path, WRITE) {
            Ok(Opened::File(file)) => Some(file),
            _ => None,
        }
    }
}

fn charged(world: &World) -> (u64, u64) {
    (world.budgets.disk.used(), world.budgets.files.used())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_difference_is_covered(ops in prop::collection::vec(op(), 1..80)) {
        let world = World::with(&[("/h", "h", Access::ReadWrite)], AMPLE);
        let mut handles = [const { None }; 4];
        let mut before = look_at_all(&world);
        for op in ops.iter().chain([&Op::Take]) {
            apply(&world, &mut handles, op);
            if matches!(op, Op::Take) {
                let after = look_at_all(&world);
                check_covered(&before, &after, &world.workspace.take_changes());
                prop_assert!(world.workspace.changes().is_empty());
                before = after;
            }
        }
        drop(handles);
        let tree = look_at_all(&world);
        let bytes: u64 = tree.values().map(|seen| seen.content.len() as u64).sum();
        let links: u64 = tree.values().filter(|seen| seen.metadata.1 & 0o170_000 == 0o120_000).map(|seen| seen.content.len() as u64).sum();
        let names: usize = tree.values().map(|seen| seen.entries.len()).sum();
        prop_assert_eq!(charged(&world), (bytes - links, names as u64));
    }
}

#[test]
fn a_change_says_where_and_what() {
    let world = World::with(&[("/h", "h", Access::ReadWrite)], AMPLE);
    world.root.put("h/file", b"text");
    let changes = world.workspace.changes();
    let file = changes
        .iter()
        .find(|change| change.path.as_deref() == Some("/h/file"))
        .unwrap();
    assert!(
        file.content && file.metadata && !file.entries && file.mount == "/h",
        "{file:?}"
    );
    let directory = changes
        .iter()
        .find(|change| change.path.as_deref() == Some("/h"))
        .unwrap();
    assert!(directory.entries && !directory.content, "{directory:?}");
    assert_eq!(changes.len(), 2);
    assert_eq!(world.workspace.take_changes().len(), 2);
    world.root.get("h/file").unwrap();
    world.root.file("h/file", READ).unwrap();
    assert!(world.workspace.changes().is_empty(), "reading changes nothing");
}

#[test]
fn files_that_come_and_go_leave_no_more_than_their_directory() {
    let world = World::new();
    for index in 0..300 {
        world.root.put(&format!("{index}"), b"x");
        world.root.unlink(&format!("{index}")).unwrap();
    }
    assert_eq!(world.workspace.take_changes().len(), 1);
}

#[test]
fn a_write_in_every_epoch_is_in_every_set() {
    let world = World::new();
    let file = world.root.file("file", WRITE).unwrap();
    for _ in 0..3 {
        file.append(b"x").unwrap();
        file.append(b"x").unwrap();
        assert!(world.workspace.take_changes().iter().any(|change| change.content));
    }
}

#[test]
fn times_are_told_of_what_has_the_name_when_they_change() {
    let world = World::new();
    for name in ["file", "other"] {
        world.root.put(name, b"");
    }
    world.workspace.take_changes();
    world.record.refusals.take_unpaid_names();
    let names = world.workspace.shared.write_names();
    let root = world.root.clone();
    let times = (NewTime::Keep, NewTime::At(UNIX_EPOCH));
    let setting = std::thread::spawn(move || root.set_times("file", Follow::No, times.0, times.1));
    while world.record.refusals.take_unpaid_names() == 0 {
        std::thread::yield_now();
    }
    // By now, or soon, it has looked the name up and waits for the lock.
    std::thread::sleep(Duration::from_millis(50));
    std::fs::rename(world.scratch().join("other"), world.scratch().join("file")).unwrap();
    drop(names);
    setting.join().unwrap().unwrap();
    let changes = world.workspace.take_changes();
    let inodes: Vec<_> = changes.iter().map(|change| change.inode).collect();
    assert_eq!(inodes, [world.root.inode("file")]);
    assert_eq!(world.root.stat("file", Follow::No).unwrap().modified, UNIX_EPOCH);
}
