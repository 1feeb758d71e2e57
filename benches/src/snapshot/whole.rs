//! Everything there is: the first snapshot, restoring it, and the room it takes.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use palisade_store::Durability;
use wasmtime::Result;

use super::corpus::Corpus;
use super::floor::{taken, walk};
use super::kept::Kept;
use super::others::{self, Other};
use super::rounds::{Side, compare};
use super::scratch::Scratch;
use crate::harness::{Measurement, Settings, micros};

const FIRST_GOAL: f64 = 1.0 / 3.0;
const RESTORE_GOAL: f64 = 1.0;
const SIZE_GOAL: f64 = 1.05;

pub(super) fn run(settings: Settings, scratch: &Scratch, corpus: &Corpus) -> Result<Vec<Measurement>> {
    let store = scratch.path().join("store");
    scratch.discard(&store)?;
    let ours = RefCell::new(Kept::new(&store, &corpus.tree)?);
    let mut others = others::all(scratch, |_| Ok(corpus.tree.clone()))?;
    let mut results = first(settings, scratch, corpus, &ours, &mut others)?;
    results.extend(size(corpus, &ours, &others)?);
    results.extend(restore(settings, scratch, corpus, &ours, &mut others)?);
    Ok(results)
}

type Others<'a> = Vec<Box<dyn Other + 'a>>;

/// Ours is on the disk, and closed.
fn first(
    settings: Settings,
    scratch: &Scratch,
    corpus: &Corpus,
    ours: &RefCell<Kept>,
    others: &mut Others<'_>,
) -> Result<Vec<Measurement>> {
    let what = format!("{}: first snapshot", corpus.name);
    let side = Side::new("", None, || {
        let ours = &mut ours.borrow_mut();
        ours.reset()?;
        scratch.settle()?;
        milliseconds(|| {
            ours.open()?;
            ours.take_all(Durability::Synced)?;
            ours.close();
            Ok(())
        })
    });
    let mut sides = vec![Side::new("floor: read and blake3", None, || {
        milliseconds(|| read(&corpus.tree))
    })];
    sides.extend(others.iter_mut().map(|other| {
        Side::new(other.name().to_owned(), goal(&**other, FIRST_GOAL), || {
            other.reset()?;
            scratch.settle()?;
            Ok(other.save()? / 1000.0)
        })
    }));
    compare(settings, (&what, "ms"), side, sides)
}

fn restore(
    settings: Settings,
    scratch: &Scratch,
    corpus: &Corpus,
    ours: &RefCell<Kept>,
    others: &mut Others<'_>,
) -> Result<Vec<Measurement>> {
    let what = format!("{}: full restore", corpus.name);
    let into = &scratch.path().join("restored");
    let side = Side::new("", None, || {
        let ours = &mut ours.borrow_mut();
        empty(scratch, into)?;
        milliseconds(|| {
            ours.open()?;
            ours.restore(into)?;
            ours.close();
            Ok(())
        })
    });
    let sides = others.iter_mut().map(|other| {
        Side::new(other.name().to_owned(), goal(&**other, RESTORE_GOAL), || {
            empty(scratch, into)?;
            Ok(other.restore(into)? / 1000.0)
        })
    });
    let results = compare(settings, (&what, "ms"), side, sides.collect())?;
    scratch.discard(into)?;
    Ok(results)
}

/// Megabytes on the disk after the first snapshot.
fn size(corpus: &Corpus, ours: &RefCell<Kept>, others: &Others<'_>) -> Result<Vec<Measurement>> {
    let megabytes = |folder: &Path| wasmtime::error::Ok(taken(folder)? as f64 / 1e6);
    let ours = megabytes(ours.borrow().folder())?;
    let sizes = others.iter().map(|other| {
        let name = format!("{}: size of the store, {}", corpus.name, other.name());
        let pair = (ours, megabytes(other.store())?);
        Ok(Measurement::from_pairs(name, "MB", goal(&**other, SIZE_GOAL), &[pair]))
    });
    sizes.collect()
}

/// Goals are set against restic alone.
fn goal(other: &dyn Other, goal: f64) -> Option<f64> {
    other.name().starts_with("restic").then_some(goal)
}

fn empty(scratch: &Scratch, folder: &Path) -> Result<()> {
    scratch.discard(folder)?;
    std::fs::create_dir(folder)?;
    scratch.settle()
}

fn read(tree: &Path) -> Result<()> {
    walk(tree, &mut |file| super::floor::read(&[file.to_owned()]))
}

fn milliseconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(micros(start.elapsed()) / 1000.0)
}
