//! A folder as it is on a disk: what was synced, and what may be there or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::trace::{Event, Trace, What};

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What a power cut takes of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    All,
    /// Any pages, halves of pages, lengths of files, and last names.
    Some,
}

/// Which names of files are on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// As ext4 has it: in the order in which they were made, all up to a sync of anything.
    Ordered,
    /// As POSIX promises: each directory has its own order, and is on the disk once that directory was synced.
    ByDirectory,
}

#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// Which the paths begin with.
    top: PathBuf,
    files: Vec<File>,
    /// As processes see them.
    seen: BTreeMap<PathBuf, Node>,
    synced: BTreeMap<PathBuf, Node>,
    pending: Vec<(NameChange, usize)>,
    names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Clone, Debug, Default)]
struct File {
    synced: Vec<u8>,
    /// With when it was done.
    pending: Vec<(Change, usize)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Disk {
    /// All that is in a folder, which is synced.
    pub(super) fn read(top: &Path) -> Self {
        let mut disk = Self {
            top: top.to_owned(),
            files: Vec::new(),
            seen: BTreeMap::new(),
            synced: BTreeMap::new(),
            pending: Vec::new(),
            names: Names::Ordered,
        };
        let mut left = Vec::from_iter(top.exists().then(|| top.to_owned()));
        while let Some(path) = left.pop() {
            let node = if path.is_dir() {
                left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                Node::Directory
            } else {
                disk.files.push(File {
                    synced: fs::read(&path).unwrap(),
                    pending: Vec::new(),
                });
                Node::File(disk.files.len() - 1)
            };
            disk.synced.insert(path, node);
        }
        disk.seen.clone_from(&disk.synced);
        disk
    }

    /// Does all that was begun before a point of the trace; what was synced is what a sync was done with by then.
    pub(super) fn replay(&mut self, trace: &Trace, at: usize, names: Names) {
        self.names = names;
        for event in trace.events.iter().filter(|event| event.begun < at) {
            self.step(event, at);
        }
    }

    fn step(&mut self, event: &Event, at: usize) {
        match &event.what {
            What::Told => {}
            What::MakeFile(path) if self.seen.contains_key(path) => {}
            What::MakeFile(path) => {
                self.files.push(File::default());
                let node = Node::File(self.files.len() - 1);
                self.rename(NameChange::Add(path.clone(), node), event.ended);
            }
            What::MakeDirectory(path) => self.rename(NameChange::Add(path.clone(), Node::Directory), event.ended),
            What::Rename(from, to) => {
                assert_eq!(
                    from.parent(),
                    to.parent(),
                    "a move to another directory is not known here"
                );
                self.rename(NameChange::Rename(from.clone(), to.clone()), event.ended);
            }
            What::Remove(path) => self.rename(NameChange::Remove(path.clone()), event.ended),
            What::Write(path, offset, bytes) => {
                let offset = usize::try_from(*offset).unwrap();
                self.change(path, Change::Write(offset, bytes.clone()), event.ended);
            }
            What::Cut(path, length) => self.change(path, Change::Cut(usize::try_from(*length).unwrap()), event.ended),
            What::Sync(path) if event.ended < at => self.sync(path, event.begun),
            What::Sync(_) => {}
        }
    }

    fn rename(&mut self, change: NameChange, ended: usize) {
        change.apply(&mut self.seen);
        self.pending.push((change, ended));
    }

    fn change(&mut self, path: &Path, change: Change, ended: usize) {
        match self.seen.get(path) {
            Some(Node::File(file)) => self.files[*file].pending.push((change, ended)),
            other => panic!("{path:?} is written to, and is {other:?}"),
        }
    }

    fn sync(&mut self, path: &Path, begun: usize) {
        let node = self.seen.get(path).copied();
        if let Some(Node::File(file)) = node {
            self.files[file].sync(begun);
        }
        for (change, ended) in std::mem::take(&mut self.pending) {
            let of_this = match self.names {
                Names::Ordered => true,
                Names::ByDirectory => change.path().parent() == Some(path),
            };
            match of_this && ended < begun {
                true => change.apply(&mut self.synced),
                false => self.pending.push((change, ended)),
            }
        }
    }

    /// Writes what is there after a power cut now.
    pub(super) fn write_cut(&self, to: &Path, loss: Loss, random: &mut ChaCha8Rng) {
        let mut names = self.synced.clone();
        for change in self.kept(loss, random) {
            change.apply(&mut names);
        }
        let mut made = BTreeSet::new();
        for (path, node) in names {
            let there = path.strip_prefix(&self.top).unwrap();
            let above = path.parent().filter(|above| above.starts_with(&self.top));
            if above.is_some_and(|above| !made.contains(above)) {
                continue;
            }
            match node {
                Node::Directory => {
                    fs::create_dir(to.join(there)).unwrap();
                    made.insert(path);
                }
                Node::File(file) => fs::write(to.join(there), self.files[file].after_cut(loss, random)).unwrap(),
            }
        }
    }

    /// The changes of names which reached the disk without a sync.
    fn kept(&self, loss: Loss, random: &mut ChaCha8Rng) -> Vec<&NameChange> {
        let all = self.pending.iter().map(|(change, _)| change);
        match loss {
            Loss::Nothing => all.collect(),
            Loss::All => vec![],
            Loss::Some => {
                // The first so many of all, and of each directory: whichever is less.
                let most = random.random_range(0..=self.pending.len());
                let mut lost: BTreeSet<&Path> = BTreeSet::new();
                let mut kept = Vec::new();
                for change in all.take(most) {
                    let directory = change.path().parent().expect("it is in one");
                    if self.names == Names::ByDirectory && random.random_bool(0.2) {
                        lost.insert(directory);
                    }
                    kept.extend((!lost.contains(directory)).then_some(change));
                }
                kept
            }
        }
    }
}

impl NameChange {
    /// The name which is there afterwards, or not any more.
    fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(_, path) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Add(path, node) => _ = names.insert(path.clone(), *node),
            Self::Remove(path) => _ = names.remove(path),
            Self::Rename(from, to) => {
                let moved = names.remove(from);
                names.extend(moved.map(|node| (to.clone(), node)));
            }
        }
    }
}

impl File {
    fn sync(&mut self, begun: usize) {
        for (change, ended) in std::mem::take(&mut self.pending) {
            match ended < begun {
                true => change.apply(&mut self.synced),
                false => self.pending.push((change, ended)),
            }
        }
    }

    /// What it may be after a power cut.
    fn after_cut(&self, loss: Loss, random: &mut ChaCha8Rng) -> Vec<u8> {
        let all = self.pending.len();
        let up_to = match loss {
            Loss::Nothing => all,
            Loss::All => 0,
            Loss::Some => random.random_range(0..=all),
        };
        let lasting = self.version(up_to);
        if loss != Loss::Some || self.pending.is_empty() {
            return lasting;
        }
        // The length is that of one time, and each page is of any time; but what was cut off does not come back.
        let mut bytes = vec![0; lasting.len()];
        for (number, page) in bytes.chunks_mut(PAGE).enumerate() {
            let written = self.versions_of(number, up_to);
            let one = &written[random.random_range(0..written.len())];
            let other = &written[random.random_range(0..written.len())];
            let torn = if random.random_bool(0.3) {
                SECTOR * random.random_range(1..8)
            } else {
                PAGE
            };
            for (at, byte) in page.iter_mut().enumerate() {
                *byte = if at < torn { one[at] } else { other[at] };
            }
        }
        bytes
    }

    /// The content after so many of the changes which wait.
    fn version(&self, count: usize) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.pending[..count]
            .iter()
            .for_each(|(change, _)| change.apply(&mut bytes));
        bytes
    }

    /// All that a page was, after no change which waits or after any, with the cuts among the first `up_to`.
    fn versions_of(&self, number: usize, up_to: usize) -> Vec<[u8; PAGE]> {
        let start = number * PAGE;
        let touched = |change: &Change| match change {
            Change::Write(at, bytes) => *at < start + PAGE && start < at + bytes.len(),
            Change::Cut(length) => *length < start + PAGE,
        };
        let mut versions = vec![page_of(&self.synced, start)];
        for (index, (change, _)) in self
            .pending
            .iter()
            .enumerate()
            .filter(|(_, (change, _))| touched(change))
        {
            let mut page = *versions.last().expect("there is the first");
            match change {
                Change::Write(at, bytes) => {
                    let (from, to) = (start.max(*at), (start + PAGE).min(at + bytes.len()));
                    page[from - start..to - start].copy_from_slice(&bytes[from - at..to - at]);
                }
                Change::Cut(length) => page[length.saturating_sub(start)..].fill(0),
            }
            if matches!(change, Change::Cut(_)) && index < up_to {
                versions.clear();
            }
            versions.push(page);
        }
        versions
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let end = at + written.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*at..end].copy_from_slice(written);
            }
            Self::Cut(length) => bytes.resize(*length, 0),
        }
    }
}

fn page_of(bytes: &[u8], start: usize) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    let there = bytes.get(start..).unwrap_or_default();
    let length = there.len().min(PAGE);
    page[..length].copy_from_slice(&there[..length]);
    page
}
