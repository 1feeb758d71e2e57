//! No room: whatever needs some fails as what it is, nothing that was acknowledged is lost, and all goes on afterwards.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use palisade_store::{Error, Kind, Store};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Resource, Rlimit, getuid, setrlimit};

use crate::model::{Model, OWNER};
use crate::operation::{Answer, Operation, Site};
use crate::settings::{PACK_BYTES, Where, random, rounds, seed, tell};
use crate::workspace::change;

const FOLDER: &str = "PALISADE_CRASH_FOLDER";
const KIND: &str = "PALISADE_CRASH_DISK";

/// Operations with room, and without.
const WIDE: u64 = 8;
const TIGHT: u64 = 12;

/// What takes the room.
enum Room {
    /// The longest that a file may be.
    Limit,
    /// Another file in the same small file system.
    Filler(PathBuf),
}

#[test]
fn a_file_which_may_not_get_longer_loses_nothing() {
    let started = Instant::now();
    // Otherwise the kernel ends a process which tries.
    run("limit", &["sh", "-c", r#"trap "" XFSZ; exec "$0" "$@""#], started);
}

#[test]
fn a_full_file_system_loses_nothing() {
    if !getuid().is_root() {
        return println!("SKIPPED: only root can make a small file system");
    }
    let started = Instant::now();
    let mount = r#"mount -t tmpfs -o size=6m none "$PALISADE_CRASH_FOLDER/store" && exec "$0" "$@""#;
    run("tmpfs", &["unshare", "--mount", "sh", "-c", mount], started);
}

fn run(kind: &str, before: &[&str], started: Instant) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("store")).unwrap();
    let done = Command::new(before[0])
        .args(&before[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk::fills_up", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .env(KIND, kind)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", done.status);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let counts = said.lines().find_map(|line| line.strip_prefix("counts: "));
    tell(&format!("full disk ({kind})"), started, counts.expect("it says them"));
}

#[test]
#[ignore = "it is the process whose disk is full"]
fn fills_up() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let site = Site::make(Path::new(&folder));
    let (room, pack_bytes) = match &*std::env::var(KIND).unwrap() {
        "limit" => (Room::Limit, 64 << 20),
        _ => (Room::Filler(site.store().join("filler")), PACK_BYTES),
    };
    let mut model = Model::default();
    let (mut refused, mut done, mut stuck) = (0, 0, 0);
    let rounds = rounds(6);
    for round in 0..rounds {
        let _position = Where {
            what: format!("round {round}"),
        };
        let mut random = random(seed(), 2_000 + round);
        let mut store = open(&site, pack_bytes);
        model.check(&store, |_| true);
        wide(&site, &store, &mut model, &mut random);
        room.take(&site, &mut random);
        let mut last = None;
        for _ in 0..TIGHT {
            let operation = next(&site, &model, &mut random);
            let is_done = tight(&site, &store, &mut model, &operation);
            *if is_done { &mut done } else { &mut refused } += 1;
            if is_stuck(&store) {
                last = (!is_done).then_some(operation);
                break;
            }
        }
        // By then the catalogue is written.
        std::thread::sleep(Duration::from_millis(100));
        if !is_stuck(&store) {
            // What was acknowledged can be read all the time.
            model.check(&store, |_| true);
        }
        room.give_back();
        if is_stuck(&store) {
            stuck += 1;
            drop(store);
            store = open(&site, pack_bytes);
            resolve(&store, &mut model, last.as_ref());
        }
        wide(&site, &store, &mut model, &mut random);
        model.check(&store, |_| true);
    }
    println!(
        "\ncounts: {rounds} times full, {done} operations done all the same, {refused} refused, {stuck} times the catalogue \
         was of no use before the store was opened again"
    );
    assert!(refused > 0);
}

fn open(site: &Site, pack_bytes: u64) -> Store {
    let (store, recovery) = Store::open_with_pack_size(&site.store(), pack_bytes).unwrap();
    assert!(recovery.damaged.is_empty() && recovery.lost.is_empty(), "{recovery:?}");
    store
}

/// Once a write of sled has failed it does nothing any more, not even read, before it is opened again.
fn is_stuck(store: &Store) -> bool {
    let read = store.snapshots(OWNER).and_then(|all| {
        let verified = all.iter().map(|snapshot| store.verify(OWNER, snapshot.id).map(drop));
        verified.collect::<Result<(), Error>>()
    });
    match read {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Exhausted, "{error}");
            assert!(error.to_string().contains("catalogue"), "{error}");
            true
        }
    }
}

/// Finds out whether an operation was done after which nothing could be asked any more.
fn resolve(store: &Store, model: &mut Model, last: Option<&Operation>) {
    let Some(operation) = last else {
        return;
    };
    if let Some(answer) = model.resolve(operation, store) {
        model.apply(operation, &answer);
    }
    if let (Operation::RollBack { after, .. }, Some(_)) = (operation, store.interrupted(OWNER).unwrap()) {
        model.going_back.clone_from(after);
    }
}

/// There is room for everything, after the disk was full too.
fn wide(site: &Site, store: &Store, model: &mut Model, random: &mut ChaCha8Rng) {
    for _ in 0..WIDE {
        let operation = next(site, model, random);
        let answer = site.perform_and_look(store, &operation);
        if let (Operation::Resume, Some(after)) = (&operation, &model.going_back) {
            site.image().assert_is(after, "after it was resumed");
        }
        model.apply(&operation, &answer);
        assert_eq!(store.interrupted(OWNER).unwrap(), None);
    }
}

fn next(site: &Site, model: &Model, random: &mut ChaCha8Rng) -> Operation {
    if model.going_back.is_some() {
        return Operation::Resume;
    }
    change(&site.work(), random);
    site.choose(model, random)
}

/// Whether it was done.
fn tight(site: &Site, store: &Store, model: &mut Model, operation: &Operation) -> bool {
    let error = match site.perform(store, operation) {
        Ok(answer) => {
            model.apply(operation, &answer);
            return true;
        }
        Err(error) => error,
    };
    if is_stuck(store) {
        return false;
    }
    let _position = Where {
        what: format!("{error}, for {operation:?}"),
    };
    match (error.kind(), operation) {
        (Kind::Exhausted, Operation::RollBack { to, before, after, .. }) => match store.interrupted(OWNER).unwrap() {
            Some(going) => {
                assert_eq!(going.to_string(), *to);
                let answer = model.resolve(operation, store).expect("it was begun");
                model.apply(operation, &answer);
                model.going_back.clone_from(after);
            }
            None => site.image().assert_is(before, "a rollback which was not begun"),
        },
        (Kind::Exhausted, Operation::Collect) => model.apply(operation, &Answer::Done),
        (Kind::Exhausted, _) => {}
        (kind, _) => model.apply(operation, &Answer::Refused(format!("{kind:?}"))),
    }
    assert_eq!(model.differs(store), None, "after {error} for {operation:?}");
    false
}

impl Room {
    /// Leaves little of it.
    fn take(&self, site: &Site, random: &mut ChaCha8Rng) {
        let left = random.random_range(0..60 << 10);
        match self {
            Self::Limit => {
                let lengths = fs::read_dir(site.store().join("packs")).unwrap();
                let longest = lengths.map(|entry| entry.unwrap().metadata().unwrap().len()).max();
                // Files in the directory are shorter.
                let most = longest.unwrap_or(0).max(700 << 10) + left;
                set_limit(Some(most));
            }
            Self::Filler(path) => {
                let mut filler = File::create(path).unwrap();
                while filler.write_all(&[0; 4096]).is_ok() {}
                let length = filler.metadata().unwrap().len();
                filler.set_len(length.saturating_sub(left)).unwrap();
            }
        }
    }

    fn give_back(&self) {
        match self {
            Self::Limit => set_limit(None),
            Self::Filler(path) => fs::remove_file(path).unwrap(),
        }
    }
}

fn set_limit(current: Option<u64>) {
    setrlimit(Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}
