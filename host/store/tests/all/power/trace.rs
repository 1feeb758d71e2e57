//! What a worker did to its store, call by call, as strace wrote it down.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::journal::{self, Line};
use crate::operation::Site;
use crate::worker;

/// Every call which changes or syncs files; those with a question mark are not on all machines.
const CALLS: &str = "trace=openat,?open,?creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,\
                     fallocate,?rename,renameat,renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,?link,linkat,?symlink,\
                     symlinkat,lseek,copy_file_range,sendfile,syncfs,sync,sync_file_range";

/// Something that was done, from one line of the trace to another: other threads did things meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub begun: usize,
    pub ended: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Unless it is there.
    MakeFile(PathBuf),
    MakeDirectory(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Cut(PathBuf, u64),
    Sync(PathBuf),
    /// A line of the journal.
    Told,
}

pub(super) struct Trace {
    pub events: Vec<Event>,
    lines: Vec<Line>,
    /// Of the text.
    length: usize,
}

/// A call with its arguments as text.
struct Call<'a> {
    name: &'a str,
    arguments: Vec<String>,
    result: i64,
    /// The file which it made or opened.
    opened: Option<PathBuf>,
}

struct Reader {
    store: PathBuf,
    journal: PathBuf,
    /// Where the next write to a descriptor goes.
    positions: HashMap<i64, u64>,
}

impl Trace {
    /// Has a worker do `steps`, and then close its store.
    pub(super) fn record(site: &Site, seed: u64, steps: u64) -> Self {
        let output = site.folder.join("trace");
        let mut strace = vec!["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", CALLS, "-o"];
        strace.push(output.to_str().unwrap());
        let ended = worker::command(&site.folder, &strace, seed, steps).status();
        let ended = ended.expect("strace has to be installed: `apt-get install strace`, or as your system has it");
        assert!(ended.success(), "{ended}: {}", worker::errors(&site.folder));
        let text = fs::read_to_string(&output).unwrap();
        fs::remove_file(output).unwrap();
        let mut reader = Reader {
            store: site.store(),
            journal: journal::path(&site.folder),
            positions: HashMap::new(),
        };
        let events = events(&text, &mut reader);
        let lines = journal::read(&site.folder);
        let told = events.iter().filter(|event| matches!(event.what, What::Told)).count();
        assert_eq!(told, lines.len(), "the journal is in the trace");
        Self {
            events,
            lines,
            length: text.lines().count(),
        }
    }

    /// Anywhere, but mostly when something was done to the store, and often just before a sync was done.
    pub(super) fn some_point(&self, random: &mut ChaCha8Rng) -> usize {
        let which: fn(&Event) -> bool = match random.random_range(0..8) {
            0 => return random.random_range(0..=self.length),
            1..3 => |_| true,
            3..5 => Event::is_rare,
            _ => |event| matches!(event.what, What::Sync(_)),
        };
        let chosen: Vec<_> = self.events.iter().filter(|event| which(event)).collect();
        let event = chosen[random.random_range(0..chosen.len())];
        match event.what {
            What::Sync(_) => event.ended,
            _ => random.random_range(event.begun..=event.ended + 2),
        }
    }

    /// The lines of the journal which its writer had begun to write before a point.
    pub(super) fn acknowledged(&self, at: usize) -> Vec<Line> {
        let told = self.events.iter().filter(|event| matches!(event.what, What::Told));
        let count = told.filter(|event| event.begun < at).count();
        self.lines[..count].to_vec()
    }
}

impl Event {
    fn is_rare(&self) -> bool {
        match &self.what {
            What::MakeFile(_) | What::MakeDirectory(_) | What::Rename(..) | What::Remove(_) | What::Cut(..) => true,
            What::Write(path, ..) | What::Sync(path) => path.extension().is_none_or(|extension| extension != "pack"),
            What::Told => false,
        }
    }
}

/// All calls that matter, in the order in which they returned.
fn events(text: &str, reader: &mut Reader) -> Vec<Event> {
    let mut events = Vec::new();
    let mut begun: HashMap<&str, (usize, &str)> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let (process, line) = line.split_once(' ').expect("a line begins with a number");
        let line = line.trim_start();
        if let Some(start) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(process, (number, start));
            continue;
        }
        let (first, call) = match line.strip_prefix("<... ") {
            Some(rest) => {
                let (first, start) = begun.remove(process).expect("what is resumed was begun");
                let (_, end) = rest.split_once(" resumed>").expect("it says resumed");
                (first, format!("{start}{end}"))
            }
            None => (number, line.to_owned()),
        };
        let Some(call) = parse(&call).filter(|call| call.result >= 0) else {
            continue;
        };
        events.extend(reader.read(&call).into_iter().map(|what| Event {
            begun: first,
            ended: number,
            what,
        }));
    }
    events
}

/// `None` for a signal, an exit, and a call that never returned.
fn parse(line: &str) -> Option<Call<'_>> {
    let (name, rest) = line.split_once('(')?;
    // What is in quotes and in angle brackets is hexadecimal, so that this is the end of the arguments.
    let end = rest
        .match_indices(')')
        .find(|(at, _)| rest[at + 1..].trim_start().starts_with("= "))?
        .0;
    let result = rest[end + 1..].trim_start().strip_prefix("= ")?;
    let digits = result.split([' ', '<']).next()?;
    Some(Call {
        name,
        arguments: rest[..end].split(", ").map(str::to_owned).collect(),
        result: digits.parse().ok()?,
        opened: path_in(result),
    })
}

impl Reader {
    fn read(&mut self, call: &Call<'_>) -> Vec<What> {
        let arguments = &call.arguments;
        let first = arguments.first().and_then(|argument| path_in(argument));
        let number = |index: usize| -> u64 { arguments[index].parse().unwrap() };
        let done = match call.name {
            "openat" | "open" | "creat" => {
                self.positions.insert(call.result, 0);
                let Some(path) = call.opened.clone() else {
                    return vec![];
                };
                let has = |flag: &str| call.name == "creat" || arguments.iter().any(|argument| argument.contains(flag));
                let made = has("O_CREAT").then(|| What::MakeFile(path.clone()));
                made.into_iter()
                    .chain(has("O_TRUNC").then_some(What::Cut(path, 0)))
                    .collect()
            }
            // It says itself that what it wrote may not be there after a power cut.
            "sync_file_range" => vec![],
            "lseek" => {
                self.positions
                    .insert(descriptor(&arguments[0]), call.result.cast_unsigned());
                vec![]
            }
            "write" if first.as_ref() == Some(&self.journal) => return vec![What::Told],
            "write" => {
                let position = self.positions.entry(descriptor(&arguments[0])).or_default();
                let at = *position;
                *position += call.result.cast_unsigned();
                let bytes = |path| What::Write(path, at, written(&arguments[1], call.result));
                first
                    .filter(|path| self.is_in_store(path))
                    .map(bytes)
                    .into_iter()
                    .collect()
            }
            "pwrite64" => {
                let bytes = |path| What::Write(path, number(3), written(&arguments[1], call.result));
                first
                    .filter(|path| self.is_in_store(path))
                    .map(bytes)
                    .into_iter()
                    .collect()
            }
            "ftruncate" => first.map(|path| What::Cut(path, number(1))).into_iter().collect(),
            "fsync" | "fdatasync" => first.map(What::Sync).into_iter().collect(),
            "mkdir" | "mkdirat" => vec![What::MakeDirectory(named(arguments, 0))],
            "unlink" | "rmdir" | "unlinkat" => vec![What::Remove(named(arguments, 0))],
            "rename" | "renameat" | "renameat2" => {
                let second = if call.name == "rename" { 1 } else { 2 };
                vec![What::Rename(named(arguments, 0), named(arguments, second))]
            }
            _ => {
                let all = arguments
                    .iter()
                    .filter_map(|argument| path_in(argument).or_else(|| quoted(argument)));
                for path in all {
                    assert!(!self.is_in_store(&path), "{} to {path:?} is not known here", call.name);
                }
                vec![]
            }
        };
        done.into_iter().filter(|what| self.matters(what)).collect()
    }

    fn matters(&self, what: &What) -> bool {
        match what {
            What::MakeFile(path)
            | What::MakeDirectory(path)
            | What::Rename(path, _)
            | What::Remove(path)
            | What::Write(path, ..)
            | What::Cut(path, _) => self.is_in_store(path),
            What::Sync(path) => self.is_in_store(path) || Some(&**path) == self.store.parent(),
            What::Told => true,
        }
    }

    fn is_in_store(&self, path: &Path) -> bool {
        path.starts_with(&self.store)
    }
}

/// The path which is an argument, or two: a directory and a name.
fn named(arguments: &[String], first: usize) -> PathBuf {
    match quoted(&arguments[first]) {
        Some(path) => path,
        None => {
            let directory = path_in(&arguments[first]).expect("a directory");
            directory.join(quoted(&arguments[first + 1]).expect("a name"))
        }
    }
}

fn descriptor(argument: &str) -> i64 {
    let digits = argument.split('<').next().expect("there is a first part");
    digits.parse().unwrap()
}

/// What a descriptor stands for: `5<\x2f\x61>`. Not if it was removed, since nothing can come of that any more.
fn path_in(argument: &str) -> Option<PathBuf> {
    let (_, rest) = argument.split_once('<')?;
    let (path, rest) = rest.split_once('>')?;
    (!rest.contains("deleted")).then(|| PathBuf::from(OsString::from_vec(unescaped(path))))
}

fn quoted(argument: &str) -> Option<PathBuf> {
    let inner = argument.strip_prefix('"')?.strip_suffix('"')?;
    Some(PathBuf::from(OsString::from_vec(unescaped(inner))))
}

fn written(argument: &str, length: i64) -> Vec<u8> {
    let inner = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut bytes = unescaped(inner.expect("what is written is whole"));
    bytes.truncate(usize::try_from(length).unwrap());
    assert_eq!(bytes.len() as i64, length);
    bytes
}

fn unescaped(text: &str) -> Vec<u8> {
    let byte = |code: &str| u8::from_str_radix(code, 16).expect("two hexadecimal digits");
    text.split("\\x").skip(1).map(byte).collect()
}
