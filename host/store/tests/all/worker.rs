//! The process which is killed: this binary, told to run the one test which is none.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use palisade_store::Store;

use crate::journal::{Journal, Line};
use crate::operation::{Operation, Site};
use crate::settings::{PACK_BYTES, random};
use crate::workspace::change;

const FOLDER: &str = "PALISADE_CRASH_FOLDER";
const STEPS: &str = "PALISADE_CRASH_STEPS";
const WORKER_SEED: &str = "PALISADE_CRASH_WORKER_SEED";

/// What becomes a worker in `folder`, behind `before` which runs it.
pub(crate) fn command(folder: &Path, before: &[&str], seed: u64, steps: u64) -> Command {
    let this = std::env::current_exe().unwrap();
    let words = before.iter().map(Into::into).chain([this.into_os_string()]);
    let words: Vec<std::ffi::OsString> = words.collect();
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .args(["--exact", "worker::works", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(STEPS, steps.to_string())
        .env(WORKER_SEED, seed.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("errors")).unwrap());
    command
}

/// What a worker said before it ended, for messages.
pub(crate) fn errors(folder: &Path) -> String {
    fs::read_to_string(folder.join("errors")).unwrap()
}

#[test]
#[ignore = "it is the process which other tests kill"]
fn works() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse().unwrap();
    let (seed, steps) = (number(WORKER_SEED), number(STEPS));
    let site = Site::make(Path::new(&folder));
    let (mut journal, mut model) = Journal::open(&site.folder);
    let mut random = random(seed, 0);
    let (store, _) = Store::open_with_pack_size(&site.store(), PACK_BYTES).unwrap();
    for _ in 0..steps {
        let operation = match model.going_back {
            Some(_) => Operation::Resume,
            None => {
                change(&site.work(), &mut random);
                site.choose(&model, &mut random)
            }
        };
        journal.write(&Line::Begin(operation.clone()));
        let answer = site.perform_and_look(&store, &operation);
        journal.write(&Line::Done(answer.clone()));
        model.apply(&operation, &answer);
    }
}
