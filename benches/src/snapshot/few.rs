//! Ten files which changed, of all that there are: a snapshot of them, and going back. The workspace knows which they are, and
//! says it; others find out, and are told where they can be.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::path::PathBuf;

use palisade_store::Durability;
use wasmtime::Result;

use super::corpus::Corpus;
use super::floor::{self, Wait};
use super::kept::{Kept, written};
use super::others::{self, Other};
use super::rounds::{Side, compare, tell};
use super::scratch::Scratch;
use crate::harness::{Measurement, Settings, pairs, time_middle_of};

/// Snapshots, of which each measurement of ours is the median.
pub(super) const REPETITIONS: u32 = 20;

/// Against git, when nothing waits for the disk and when ours does.
const GIT_GOAL: f64 = 1.0 / 60.0;
const GIT_DURABLE_GOAL: f64 = 1.0 / 25.0;
/// Against restic and borg.
const BACKUP_GOAL: f64 = 1.0 / 500.0;
/// Against writing and syncing the same bytes once.
const SYNC_GOAL: f64 = 3.0;

/// A directory, and turns of changing it.
pub(super) struct Changing {
    corpus: Corpus,
    turn: Cell<usize>,
}

impl Changing {
    pub(super) fn new(corpus: Corpus) -> Self {
        let turn = Cell::new(0);
        Self { corpus, turn }
    }

    /// Changes ten files.
    pub(super) fn change(&self) -> Result<Vec<PathBuf>> {
        self.turn.set(self.turn.get() + 1);
        self.corpus.change(self.turn.get())
    }
}

/// Our side, with its directory.
pub(super) struct Ours {
    pub kept: Kept,
    pub changing: Changing,
}

impl Ours {
    /// Takes the first snapshot.
    pub(super) fn new(scratch: &Scratch, corpus: Corpus, store: &str) -> Result<Self> {
        let mut kept = Kept::new(&scratch.path().join(store), &corpus.tree)?;
        kept.open()?;
        kept.take_all(Durability::Synced)?;
        let changing = Changing::new(corpus);
        Ok(Self { kept, changing })
    }

    /// Microseconds of a snapshot of ten changed files.
    pub(super) fn take(&mut self, durability: Durability) -> Result<f64> {
        self.kept.settle()?;
        let (kept, changing) = (&mut self.kept, &self.changing);
        let changed = || written(&changing.change()?);
        time_middle_of(REPETITIONS, changed, |changed| kept.take_changed(changed, durability))
    }

    /// Microseconds of a rollback of ten changed files.
    fn roll_back(&mut self, durability: Durability) -> Result<f64> {
        self.kept.settle()?;
        let (kept, changing) = (&mut self.kept, &self.changing);
        let changed = || written(&changing.change()?);
        time_middle_of(REPETITIONS, changed, |changed| kept.roll_back(changed, durability))
    }

    /// Microseconds of a snapshot for which nobody knows what changed.
    fn take_all(&mut self) -> Result<f64> {
        self.kept.settle()?;
        let (kept, changing) = (&mut self.kept, &self.changing);
        let changed = || changing.change();
        time_middle_of(1, changed, |_| kept.take_all(Durability::Soon))
    }
}

pub(super) fn run(settings: Settings, scratch: &Scratch, corpus: &Corpus) -> Result<Vec<Measurement>> {
    let mut trees = Vec::new();
    let mut others = others::all(scratch, |name| {
        let copy = corpus.again(&scratch.path().join(format!("{name}-tree")))?;
        trees.push(Changing::new(copy.clone()));
        Ok(copy.tree)
    })?;
    for other in &mut others {
        other.reset()?;
        other.save()?;
    }
    let ours = RefCell::new(Ours::new(scratch, corpus.clone(), "few-store")?);
    scratch.settle()?;
    let mut results = floors(settings, scratch, &ours)?;
    results.extend(unknown(settings, &ours)?);
    let mut sides: Vec<_> = others.iter_mut().zip(&trees).collect();
    results.extend(snapshots(settings, &ours, &mut sides)?);
    results.extend(rollbacks(settings, &ours, &mut sides)?);
    Ok(results)
}

/// What the file system takes for the same bytes.
fn floors(settings: Settings, scratch: &Scratch, ours: &RefCell<Ours>) -> Result<Vec<Measurement>> {
    let plain = &Plain::new(scratch, &ours.borrow().changing)?;
    let log = RefCell::new(File::create_new(scratch.path().join("plain/log"))?);
    let measure = |name: &str, goal: Option<f64>, ours: &dyn Fn() -> Result<f64>, floor: &dyn Fn() -> Result<()>| {
        let name = format!("many: {name}");
        let floor = || time_middle_of(REPETITIONS, || Ok(()), |()| floor());
        let measured = pairs(settings, ours, floor)?;
        let measured = Measurement::from_pairs(name, "µs", goal, &measured);
        tell(&measured);
        wasmtime::error::Ok(measured)
    };
    let take = |durability| move || ours.borrow_mut().take(durability);
    let back = |durability| move || ours.borrow_mut().roll_back(durability);
    let append = || floor::append(&mut log.borrow_mut(), &plain.contents);
    let overwrite = |wait| move || floor::overwrite(&plain.files, &plain.contents, wait);
    Ok(vec![
        measure(
            "10 changed, not durable, floor: read and blake3",
            None,
            &take(Durability::Soon),
            &|| floor::read(&plain.files),
        )?,
        measure(
            "10 changed, durable, floor: write and sync once",
            Some(SYNC_GOAL),
            &take(Durability::Synced),
            &append,
        )?,
        measure(
            "rollback of 10, not durable, floor: write",
            None,
            &back(Durability::Soon),
            &overwrite(Wait::ForNothing),
        )?,
        measure(
            "rollback of 10, durable, floor: write and sync each",
            None,
            &back(Durability::Synced),
            &overwrite(Wait::ForDisk),
        )?,
    ])
}

/// Nothing is known, so everything is looked at.
fn unknown(settings: Settings, ours: &RefCell<Ours>) -> Result<Vec<Measurement>> {
    let tree = ours.borrow().changing.corpus.tree.clone();
    let floor = |each: &dyn Fn(&std::path::Path) -> Result<()>| {
        time_middle_of(
            1,
            || Ok(()),
            |()| floor::walk(&tree, &mut |file: &std::path::Path| each(file)),
        )
    };
    compare(
        settings,
        ("many: 10 changed, nothing known", "µs"),
        Side::new("", None, || ours.borrow_mut().take_all()),
        vec![
            Side::new("floor: walk and stat", None, || floor(&|_| Ok(()))),
            Side::new("floor: walk, read and blake3", None, || {
                floor(&|file| floor::read(&[file.to_owned()]))
            }),
        ],
    )
}

type Sides<'a, 'b> = Vec<(&'a mut Box<dyn Other + 'b>, &'a Changing)>;

fn snapshots(settings: Settings, ours: &RefCell<Ours>, others: &mut Sides<'_, '_>) -> Result<Vec<Measurement>> {
    let mut results = Vec::new();
    for (what, durability) in [
        ("many: 10 changed, not durable", Durability::Soon),
        ("many: 10 changed, durable", Durability::Synced),
    ] {
        let taken = others.iter_mut().filter_map(|(other, tree)| {
            let goal = goal(other.name(), durability);
            // Goals for what is durable are against git alone.
            let compared = durability == Durability::Soon || goal.is_some();
            compared.then(|| {
                Side::new(other.name().to_owned(), goal, || {
                    tree.change()?;
                    other.save()
                })
            })
        });
        let side = Side::new("", None, || ours.borrow_mut().take(durability));
        results.extend(compare(settings, (what, "µs"), side, taken.collect())?);
    }
    Ok(results)
}

fn rollbacks(settings: Settings, ours: &RefCell<Ours>, others: &mut Sides<'_, '_>) -> Result<Vec<Measurement>> {
    let side = Side::new("", None, || ours.borrow_mut().roll_back(Durability::Soon));
    let went_back = others.iter_mut().map(|(other, tree)| {
        Side::new(other.name().to_owned(), None, || {
            let changed = tree.change()?;
            other.go_back(&changed)
        })
    });
    compare(
        settings,
        ("many: rollback of 10, not durable", "µs"),
        side,
        went_back.collect(),
    )
}

fn goal(name: &str, durability: Durability) -> Option<f64> {
    let program = name.split_whitespace().next()?;
    match (program, durability) {
        ("git", Durability::Soon) => Some(GIT_GOAL),
        ("git", Durability::Synced) => Some(GIT_DURABLE_GOAL),
        ("restic" | "borg", Durability::Soon) => Some(BACKUP_GOAL),
        _ => None,
    }
}

/// Ten files by themselves, and what is in them.
struct Plain {
    files: Vec<PathBuf>,
    contents: Vec<Vec<u8>>,
}

impl Plain {
    fn new(scratch: &Scratch, like: &Changing) -> Result<Self> {
        let (mut files, mut contents) = (Vec::new(), Vec::new());
        for (number, path) in like.change()?.into_iter().enumerate() {
            let folder = scratch.path().join(format!("plain/{number}"));
            fs::create_dir_all(&folder)?;
            let content = fs::read(path)?;
            fs::write(folder.join("file"), &content)?;
            files.push(folder.join("file"));
            contents.push(content);
        }
        Ok(Self { files, contents })
    }
}
