//! A disk which changes a bit: what is read is right, or an error, or it was told that something is lost.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use palisade_store::{Error, Kind, Recovery, SnapshotId, Store};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::image::Image;
use crate::model::{Model, OWNER};
use crate::operation::Site;
use crate::settings::{PACK_BYTES, Where, random, rounds, seed, tell};
use crate::workspace::change;

/// What is done to the store before it is damaged.
const STEPS: u64 = 60;

/// Of each file in each round.
const FLIPS: usize = 3;

#[derive(Default)]
struct Counts {
    flips: usize,
    refused: usize,
    told: usize,
    errors: usize,
    nothing: usize,
}

/// What a damaged store does not serve as it was.
#[derive(Default)]
struct Losses {
    /// Where it says so itself.
    errors: Vec<Error>,
    /// Where it does not.
    silent: Vec<String>,
}

#[test]
fn a_flipped_bit_is_never_served_and_never_silent() {
    let started = Instant::now();
    let mut counts = Counts::default();
    for round in 0..rounds(2).min(100) {
        let mut random = random(seed(), 3_000 + round);
        let folder = tempfile::tempdir().unwrap();
        let site = Site::make(folder.path());
        let model = fill(&site, &mut random);
        for path in files(&site.store()) {
            let there = path.strip_prefix(site.store()).unwrap();
            let length = fs::metadata(&path).unwrap().len();
            for _ in 0..if length > 0 { FLIPS } else { 0 } {
                let (at, bit) = (random.random_range(0..length), random.random_range(0..8));
                let without_catalogue = there.starts_with("packs") && random.random_bool(0.3);
                let _position = Where {
                    what: format!(
                        "round {round}, bit {bit} of byte {at} of {there:?} of {length} bytes, {without_catalogue}"
                    ),
                };
                let copy = tempfile::tempdir().unwrap();
                copy_tree(&site.store(), &copy.path().join("store"));
                flip(&copy.path().join("store").join(there), at, bit);
                if without_catalogue {
                    fs::remove_dir_all(copy.path().join("store/catalogue")).unwrap();
                }
                look(copy.path(), &model, &mut counts);
                counts.flips += 1;
            }
        }
    }
    let Counts {
        flips,
        refused,
        told,
        errors,
        nothing,
    } = counts;
    let what = format!(
        "{flips} flips, {nothing} without effect, {errors} which made an error, {told} told when the store was opened, \
         {refused} for which it was not opened"
    );
    tell("bit flips", started, &what);
}

fn fill(site: &Site, random: &mut ChaCha8Rng) -> Model {
    let (store, _) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    let mut model = Model::default();
    for _ in 0..STEPS {
        change(&site.work(), random);
        let operation = site.choose(&model, random);
        let answer = site.perform_and_look(&store, &operation);
        model.apply(&operation, &answer);
    }
    model
}

fn look(folder: &Path, model: &Model, counts: &mut Counts) {
    let (store, recovery) = match Store::open_with_pack_size(&folder.join("store"), PACK_BYTES) {
        Ok(opened) => opened,
        Err(error) => {
            assert_eq!(error.kind(), Kind::Corrupt, "{error}");
            counts.refused += 1;
            return;
        }
    };
    let Recovery { cut, damaged, lost, .. } = &recovery;
    let told = *cut > 0 || !damaged.is_empty() || !lost.is_empty();
    let mut losses = Losses::default();
    look_at_snapshots(&store, model, &mut losses);
    look_at_state(&store, model, &mut losses);
    assert!(told || losses.silent.is_empty(), "{:?}", losses.silent);
    for error in &losses.errors {
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
    let scrub = store.scrub().unwrap();
    let found = told || !scrub.damaged.is_empty();
    assert!(
        found || losses.errors.is_empty(),
        "{:?} and nothing is found",
        losses.errors
    );
    counts.told += usize::from(told);
    counts.errors += usize::from(!told && !losses.errors.is_empty());
    counts.nothing += usize::from(!told && losses.errors.is_empty());
}

fn look_at_snapshots(store: &Store, model: &Model, losses: &mut Losses) {
    let listed = match store.snapshots(OWNER) {
        Ok(listed) => listed,
        Err(error) => return losses.errors.push(error),
    };
    for snapshot in &listed {
        let id = snapshot.id.to_string();
        let Some(known) = model.snapshots.get(&id) else {
            losses.silent.push(format!("{id} is back"));
            continue;
        };
        if (&snapshot.description, snapshot.pinned) != (&known.description, known.pinned) {
            losses.silent.push(format!("{id} is described as it was before"));
        }
        look_at_files(store, snapshot.id, &known.image, losses);
    }
    let there = |id: &&String| listed.iter().any(|snapshot| snapshot.id.to_string() == **id);
    let gone = model.order.iter().filter(|id| !there(id));
    losses.silent.extend(gone.map(|id| format!("{id} is gone")));
}

fn look_at_files(store: &Store, id: SnapshotId, image: &Image, losses: &mut Losses) {
    let verified = store.verify(OWNER, id);
    let place = tempfile::tempdir().unwrap();
    let restored = store.restore(OWNER, id, File::open(place.path()).unwrap().as_fd());
    match restored {
        Ok(()) => {
            Image::of(place.path()).assert_is(image, "what is restored is right");
            assert!(verified.unwrap().damaged.is_empty());
        }
        Err(error) => {
            assert!(verified.is_err() || !verified.unwrap().damaged.is_empty(), "{error}");
            losses.errors.push(error);
        }
    }
}

fn look_at_state(store: &Store, model: &Model, losses: &mut Losses) {
    for (key, history) in &model.state {
        let found = match store.state(OWNER, key) {
            Ok(found) => found.map(|entry| String::from_utf8(entry.value).unwrap()),
            Err(error) => {
                losses.errors.push(error);
                continue;
            }
        };
        let newest = history.last().and_then(|value| value.value.clone());
        if found == newest {
            continue;
        }
        assert!(
            found.is_none() || history.iter().any(|value| value.value == found),
            "it never was that"
        );
        losses.silent.push(format!("{key:?} is not the newest"));
    }
}

fn flip(path: &Path, at: u64, bit: u32) {
    let mut bytes = fs::read(path).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn copy_tree(from: &Path, to: &Path) {
    for path in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
}
