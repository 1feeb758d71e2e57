//! The power goes: what was not synced is lost, in part or as a whole, in any order. What was synced is there.
//!
//! A worker runs under strace, which writes down what it does to its store, and when it acknowledged what. Up to any
//! point of that, the store is made again as a disk may hold it after a power cut.

mod disk;
mod trace;

use std::fs;
use std::path::Path;
use std::time::Instant;

use palisade_store::Store;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use self::disk::{Disk, Loss, Names};
use self::trace::Trace;
use crate::journal::{Journal, Line};
use crate::model::{Model, OWNER};
use crate::operation::{Answer, Operation, Site};
use crate::settings::{PACK_BYTES, Where, power_cuts, random, seed, tell};

/// What a worker does in one go.
const STEPS: u64 = 60;

/// Cuts of one go of a worker; the next begins with what the last one left.
const CUTS: u64 = 10;

/// Goes, one after another, on one store.
const GOES: u64 = 6;

#[derive(Default)]
struct Counts {
    operations: usize,
    undone: usize,
    interrupted: usize,
    torn: usize,
    rebuilt: usize,
}

#[test]
fn a_power_cut_undoes_nothing_that_was_synced() {
    let cuts = power_cuts();
    if cuts == 0 {
        return println!("SKIPPED: power cuts are made by `cargo xtask crash --power-cuts N`, with strace");
    }
    let started = Instant::now();
    let mut counts = Counts::default();
    for go in 0..cuts.div_ceil(CUTS * GOES) {
        let left = cuts - go * CUTS * GOES;
        let mut folder = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        for next in 0..left.div_ceil(CUTS).min(GOES) {
            let go = go * GOES + next;
            let cuts = (left - next * CUTS).min(CUTS);
            (folder, model) = work_and_cut(folder.path(), model, (go, cuts), &mut counts);
        }
    }
    let Counts {
        operations,
        undone,
        interrupted,
        torn,
        rebuilt,
    } = counts;
    let what = format!(
        "{cuts} cuts, {operations} operations before them of which {undone} were undone that were not synced, {interrupted} \
         rollbacks found half done, {torn} torn ends cut off, {rebuilt} catalogues made anew by themselves"
    );
    tell("power cuts", started, &what);
}

/// Has a worker go on with a store, cuts the power at several points of that, and gives what the last of them left.
fn work_and_cut(
    folder: &Path,
    model: Model,
    (go, cuts): (u64, u64),
    counts: &mut Counts,
) -> (tempfile::TempDir, Model) {
    let site = Site::make(folder);
    let before = Disk::read(&site.store());
    let mut random = random(seed(), 1_000 + go);
    Journal::make(folder, &model);
    let trace = Trace::record(&site, random.random(), STEPS);
    let mut left = None;
    for cut in 0..cuts {
        let _position = Where {
            what: format!("cut {cut} of go {go}"),
        };
        let folder = tempfile::tempdir().unwrap();
        let site = Site::make(folder.path());
        let at = trace.some_point(&mut random);
        let loss = [Loss::Nothing, Loss::All, Loss::Some, Loss::Some][random.random_range(0..4)];
        let mut disk = before.clone();
        disk.replay(
            &trace,
            at,
            [Names::Ordered, Names::ByDirectory][random.random_range(0..2)],
        );
        disk.write_cut(&site.store(), loss, &mut random);
        let lines = trace.acknowledged(at);
        let model = look(&site, model.clone(), &lines, &mut random, counts);
        left = Some((folder, model));
    }
    left.expect("there is a cut")
}

/// Opens what a power cut left, and gives what the model is by now.
fn look(site: &Site, model: Model, lines: &[Line], random: &mut ChaCha8Rng, counts: &mut Counts) -> Model {
    let mut operations = pairs(lines);
    counts.operations += operations.len();
    let store = open(site, counts);
    let synced = operations.iter().rposition(|(operation, answer)| match answer {
        None | Some(Answer::Refused(_)) => false,
        Some(_) => operation.is_synced(),
    });
    let least = synced.map_or(0, |last| last + 1);
    resolve_last(&model, &mut operations, &store);
    let (done, mut model) = last_fitting(&model, &operations, least, &store);
    counts.undone += operations.len() - done;
    model.check(&store, |_| true);
    if let Some(to) = store.interrupted(OWNER).unwrap() {
        counts.interrupted += 1;
        let last = operations[..done]
            .iter()
            .rposition(|(_, answer)| matches!(answer, Some(Answer::Taken { .. })));
        let after = match last.map(|last| (last, &operations[last].0)) {
            Some((last, Operation::RollBack { to: said, after, .. })) if *said == to.to_string() => {
                assert!(last + 1 >= least, "a rollback was acknowledged and is interrupted");
                after.clone().expect("nothing was in the way")
            }
            _ if model.going_back.is_some() => model.going_back.clone().expect("it is"),
            _ => panic!("a rollback to {to} is interrupted which was not begun"),
        };
        site.perform_and_look(&store, &Operation::Resume);
        site.image().assert_is(&after, "after a rollback was resumed");
        assert_eq!(store.interrupted(OWNER).unwrap(), None);
    }
    model.going_back = None;
    drop(store);
    if random.random_bool(0.3) {
        fs::remove_dir_all(site.catalogue()).unwrap();
    }
    let store = open(site, &mut Counts::default());
    model.check(&store, |_| false);
    model
}

fn open(site: &Site, counts: &mut Counts) -> Store {
    let had_catalogue = site.catalogue().exists();
    let (store, recovery) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    assert!(recovery.damaged.is_empty() && recovery.lost.is_empty(), "{recovery:?}");
    counts.torn += usize::from(recovery.cut > 0);
    counts.rebuilt += usize::from(had_catalogue && recovery.rebuilt);
    store
}

fn pairs(lines: &[Line]) -> Vec<(Operation, Option<Answer>)> {
    let mut pairs: Vec<(Operation, Option<Answer>)> = Vec::new();
    for line in lines {
        match line {
            Line::Begin(operation) => pairs.push((operation.clone(), None)),
            Line::Done(answer) => pairs.last_mut().expect("it was begun").1 = Some(answer.clone()),
        }
    }
    pairs
}

/// Finds out whether the last operation was done which was not acknowledged.
fn resolve_last(model: &Model, operations: &mut Vec<(Operation, Option<Answer>)>, store: &Store) {
    if let Some((operation, None)) = operations.last() {
        let operation = operation.clone();
        operations.pop();
        let all = applied(model, operations);
        let answer = all.resolve(&operation, store);
        operations.extend(answer.map(|answer| (operation, Some(answer))));
    }
}

fn applied(model: &Model, operations: &[(Operation, Option<Answer>)]) -> Model {
    let mut model = model.clone();
    for (operation, answer) in operations {
        model.apply(operation, answer.as_ref().expect("it was acknowledged"));
    }
    model
}

/// How many operations a store holds: of those after `least` some of the last may be undone, but none in between.
fn last_fitting(
    model: &Model,
    operations: &[(Operation, Option<Answer>)],
    least: usize,
    store: &Store,
) -> (usize, Model) {
    let mut differences = Vec::new();
    for count in (least..=operations.len()).rev() {
        let model = applied(model, &operations[..count]);
        match model.differs(store) {
            None => return (count, model),
            Some(difference) => differences.push(format!("after {count}: {difference}")),
        }
    }
    let of = operations.len();
    panic!(
        "of {of} operations, {least} synced, the store holds no beginning:\n{}",
        differences.join("\n")
    );
}
