//! Snapshots of directories and going back to them: against the plain file system, and against programs which do as
//! much. Those are measured as whole processes, which is how they are used, and each as somebody would set it up who
//! knows it; ours is called by a process which has the store open, and takes part as it is used too. Only for what is
//! done once, a first snapshot and a restore, opening and closing the store is in the time.
//!
//! The others do less in places: none but palisade keeps what was there before a rollback, `git` keeps neither times nor
//! empty directories nor most of the mode, and none but restic and borg is on the disk when it returns.

mod corpus;
mod few;
mod floor;
mod growth;
mod kept;
mod others;
mod rounds;
mod scratch;
mod whole;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wasmtime::Result;

use self::corpus::Corpus;
use self::scratch::Scratch;
use crate::harness::{Measurement, Settings, runtime};

/// What the suite takes beside what all take.
#[derive(Args)]
pub(crate) struct Options {
    /// Takes snapshots of this alone; may be given more than once.
    #[arg(long, value_name = "CORPUS")]
    corpus: Vec<Subject>,
    /// Where files are made for snapshots, and removed again; where this program is when left out. Up to 9 GB
    /// are to be free.
    #[arg(long, value_name = "DIRECTORY")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// 4 files, 1 GB.
    Large,
    /// The source of crates which this machine has, up to 50 MB.
    Source,
    /// 10,000 files, 100 MB.
    Many,
    /// 1,000 to 100,000 files, of which as many change.
    Growth,
}

impl Subject {
    fn name(self) -> String {
        self.to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default()
    }

    /// Bytes which have to be free: what all sides write, and some more.
    fn needs(self) -> u64 {
        match self {
            Self::Many | Self::Source => 3_000_000_000,
            Self::Large => 9_000_000_000,
            Self::Growth => 3_000_000_000,
        }
    }
}

/// Everything which was asked for, and what has to be known of it.
pub(crate) fn run(settings: Settings, options: &Options) -> Result<(Vec<Measurement>, Vec<String>)> {
    let runtime = runtime()?;
    let _entered = runtime.enter();
    let scratch = Scratch::new(options.folder.as_deref())?;
    let (_, mut notes) = others::there(&scratch);
    let mut results = Vec::new();
    for subject in Subject::value_variants() {
        if !options.corpus.is_empty() && !options.corpus.contains(subject) {
            continue;
        }
        if scratch.free()? < subject.needs() {
            scratch.clear()?;
        }
        if scratch.free()? < subject.needs() {
            let (name, gigabytes) = (subject.name(), subject.needs() / 1_000_000_000);
            notes.push(format!(
                "left out: {name}, for which {gigabytes} GB are to be free in the folder"
            ));
            continue;
        }
        let corpus = match subject {
            Subject::Growth => {
                results.extend(growth::run(settings, &scratch)?);
                continue;
            }
            Subject::Many => Some(Corpus::many(&scratch.path().join("many"), corpus::MANY)?),
            Subject::Large => Some(Corpus::large(&scratch.path().join("large"))?),
            Subject::Source => Corpus::source(&scratch.path().join("source"))?,
        };
        let Some(corpus) = corpus else {
            notes.push("left out: source, for there are no crates in the registry of cargo".to_owned());
            continue;
        };
        notes.push(corpus.to_string());
        results.extend(whole::run(settings, &scratch, &corpus)?);
        if *subject == Subject::Many {
            results.extend(few::run(settings, &scratch, &corpus)?);
        }
        scratch.discard(&corpus.tree)?;
    }
    Ok((results, notes))
}
