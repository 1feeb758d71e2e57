//! Everything a store does in any order, against a plain model.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::time::Instant;

use palisade_store::{Details, Durability, Recovery, Store};
use palisade_store::{Line, Since};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::image::Image;
use crate::model::{Model, OWNER};
use crate::operation::Site;
use crate::settings::{PACK_BYTES, Where, random, rounds, seed, tell};
use crate::workspace::change;

const STEPS: u64 = 60;

#[test]
fn whatever_is_done_in_any_order_a_store_holds_what_the_model_does() {
    let started = Instant::now();
    let rounds = rounds(4);
    for round in 0..rounds {
        interleave(round);
    }
    tell("model", started, &format!("{rounds} rounds of {STEPS} steps"));
}

fn interleave(round: u64) {
    let mut random = random(seed(), round);
    let folder = tempfile::tempdir().unwrap();
    let site = Site::make(folder.path());
    let mut model = Model::default();
    let mut store = open(&site);
    for step in 0..STEPS {
        let mut position = Where {
            what: format!("round {round}, step {step}"),
        };
        if random.random_bool(0.7) {
            change(&site.work(), &mut random);
        }
        if random.random_bool(0.05) {
            store = open_again(&site, store, &mut random);
        }
        let operation = site.choose(&model, &mut random);
        position.what = format!("{}, {operation:?}", position.what);
        let answer = site.perform_and_look(&store, &operation);
        model.apply(&operation, &answer);
        let chosen = random.random_range(0..3);
        model.check(&store, |number| number % 3 == chosen);
        assert_eq!(store.interrupted(OWNER).unwrap(), None);
    }
    let store = open_again(&site, store, &mut random);
    model.check(&store, |_| true);
}

fn open(site: &Site) -> Store {
    let (store, recovery) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    assert!(recovery.damaged.is_empty() && recovery.lost.is_empty(), "{recovery:?}");
    assert_eq!(recovery.cut, 0);
    store
}

fn open_again(site: &Site, store: Store, random: &mut ChaCha8Rng) -> Store {
    drop(store);
    if random.random_bool(0.5) {
        fs::remove_dir_all(site.catalogue()).unwrap();
        return open(site);
    }
    let (store, recovery) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    assert_eq!(recovery, Recovery::default(), "it was closed in order");
    store
}

#[test]
fn fifty_snapshots_each_of_what_was_restored_from_the_one_before() {
    let mut random = random(seed(), 0);
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with_pack_size(&folder.path().join("store"), PACK_BYTES).unwrap();
    let mut taken = Vec::new();
    for round in 0..50 {
        let _position = Where {
            what: format!("round {round}"),
        };
        let place = folder.path().join(format!("place-{round}"));
        fs::create_dir(&place).unwrap();
        if let Some((id, image)) = taken.last() {
            store.restore(OWNER, *id, File::open(&place).unwrap().as_fd()).unwrap();
            Image::of(&place).assert_is(image, "what was restored");
        }
        change(&place, &mut random);
        let directory = File::open(&place).unwrap();
        let snapshot = store.take(
            &mut Line::new(OWNER),
            directory.as_fd(),
            Since::Unknown,
            &Details::default(),
            Durability::Soon,
        );
        taken.push((snapshot.unwrap().id, Image::of(&place)));
    }
    for (id, image) in taken {
        let place = tempfile::tempdir().unwrap();
        store
            .restore(OWNER, id, File::open(place.path()).unwrap().as_fd())
            .unwrap();
        Image::of(place.path()).assert_is(&image, "what is restored at the end");
    }
}
