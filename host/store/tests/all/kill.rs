//! A process which is killed at any time loses nothing that it was acknowledged, and leaves no directory half rolled back.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use palisade_store::Store;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::journal::{self, Journal};
use crate::model::{Model, OWNER};
use crate::operation::{Answer, Operation, Site};
use crate::settings::{PACK_BYTES, Where, random, rounds, seed, tell};
use crate::worker;

/// More than a worker does before it is killed.
const STEPS: u64 = 1_000_000;

#[derive(Default)]
struct Counts {
    operations: usize,
    pending: usize,
    done: usize,
    resumed: usize,
    rebuilt: usize,
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let started = Instant::now();
    let rounds = rounds(10);
    let folder = tempfile::tempdir().unwrap();
    let site = Site::make(folder.path());
    let mut model = Model::default();
    let mut counts = Counts::default();
    for round in 0..rounds {
        let _position = Where {
            what: format!("round {round} of kills"),
        };
        let mut random = random(seed(), round);
        Journal::make(&site.folder, &model);
        let ended = kill(&site, &mut random);
        assert_eq!(ended.signal(), Some(9), "{ended}: {}", worker::errors(&site.folder));
        model = look(&site, model, &mut random, &mut counts);
    }
    let Counts {
        operations,
        pending,
        done,
        resumed,
        rebuilt,
    } = counts;
    let what = format!(
        "{rounds} kills, {operations} operations acknowledged, {pending} interrupted of which {done} were done, \
         {resumed} rollbacks found half done, {rebuilt} catalogues removed"
    );
    tell("kill -9", started, &what);
}

fn kill(site: &Site, random: &mut ChaCha8Rng) -> ExitStatus {
    let mut worker = worker::command(&site.folder, &[], random.random(), STEPS)
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_micros(random.random_range(2_000..500_000)));
    worker.kill().unwrap();
    worker.wait().unwrap()
}

/// Opens what a worker left, and gives what the model is by now.
fn look(site: &Site, mut model: Model, random: &mut ChaCha8Rng, counts: &mut Counts) -> Model {
    let lines = journal::read(&site.folder);
    counts.operations += lines.len() / 2;
    let pending = journal::follow(&mut model, &lines);
    let mut store = open(site);
    let answer = pending.as_ref().and_then(|pending| model.resolve(pending, &store));
    if let (Some(pending), Some(answer)) = (&pending, &answer) {
        model.apply(pending, answer);
        counts.done += 1;
    }
    counts.pending += usize::from(pending.is_some());
    model.check(&store, |_| true);
    if random.random_bool(0.3) {
        drop(store);
        fs::remove_dir_all(site.catalogue()).unwrap();
        store = open(site);
        model.check(&store, |_| true);
        counts.rebuilt += 1;
    }
    look_at_directory(site, &store, &mut model, pending.as_ref(), answer.as_ref());
    if model.going_back.is_some() {
        counts.resumed += 1;
        // Otherwise the next worker does it, and may be killed while it does.
        if random.random() {
            let answer = site.perform_and_look(&store, &Operation::Resume);
            let after = model.going_back.clone().expect("it is interrupted");
            site.image().assert_is(&after, "after it was resumed");
            model.apply(&Operation::Resume, &answer);
            assert_eq!(store.interrupted(OWNER).unwrap(), None);
        }
    }
    model
}

/// A directory is as it was, or as it was to be, or it is told that it is on its way.
fn look_at_directory(
    site: &Site,
    store: &Store,
    model: &mut Model,
    pending: Option<&Operation>,
    answer: Option<&Answer>,
) {
    let interrupted = store.interrupted(OWNER).unwrap().map(|id| id.to_string());
    match (pending, answer) {
        (Some(Operation::RollBack { to, after, .. }), Some(_)) if interrupted.is_some() => {
            assert_eq!(interrupted.as_ref(), Some(to));
            model.going_back.clone_from(after);
        }
        (Some(Operation::RollBack { after, .. }), Some(_)) => {
            let after = after.as_ref().expect("nothing was in the way");
            site.image()
                .assert_is(after, "after a rollback which was not told to be interrupted");
        }
        (Some(Operation::RollBack { before, .. }), None) => {
            assert_eq!(interrupted, None);
            site.image().assert_is(before, "after a rollback which was not begun");
        }
        (Some(Operation::Take { image, .. }), _) => {
            assert_eq!(interrupted, None);
            site.image().assert_is(image, "a snapshot changes nothing");
        }
        _ => assert_eq!(interrupted.is_some(), model.going_back.is_some()),
    }
}

fn open(site: &Site) -> Store {
    let (store, recovery) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    assert!(recovery.damaged.is_empty() && recovery.lost.is_empty(), "{recovery:?}");
    store
}
