use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;

use super::model::{make, plans};
use super::support::{Memory, Scratch};
use crate::Kind;
use crate::tree::capture::capture;
use crate::tree::recapture::{Dirty, recapture};

/// Longer than an index takes changes for recent.
const LATER: Duration = Duration::from_millis(25);

/// What a guest may do, with numbers that choose among the paths which are there.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    Create(usize, u8),
    Rename(usize, usize),
    RenameInto(usize, usize, u8),
    Remove(usize),
    RemoveAll(usize),
    Link(usize, usize, u8),
    Symlink(usize, u8),
    MakeDirectory(usize, u8),
    SetMode(usize, u32),
    SetTime(usize, u64),
    Truncate(usize, u64),
    Later,
}

fn step() -> impl Strategy<Value = Step> {
    let any = proptest::prelude::any::<usize>;
    prop_oneof![
        3 => (any(), 0..=255_u8).prop_map(|(at, byte)| Step::Write(at, byte)),
        3 => (any(), 0..5_u8).prop_map(|(at, name)| Step::Create(at, name)),
        3 => (any(), any()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (any(), any(), 0..5_u8).prop_map(|(from, to, name)| Step::RenameInto(from, to, name)),
        3 => any().prop_map(Step::Remove),
        1 => any().prop_map(Step::RemoveAll),
        2 => (any(), any(), 0..5_u8).prop_map(|(from, to, name)| Step::Link(from, to, name)),
        1 => (any(), 0..5_u8).prop_map(|(at, name)| Step::Symlink(at, name)),
        3 => (any(), 0..5_u8).prop_map(|(at, name)| Step::MakeDirectory(at, name)),
        1 => (any(), 0o700..0o1000_u32).prop_map(|(at, mode)| Step::SetMode(at, mode)),
        1 => (any(), 0..2_000_000_000_u64).prop_map(|(at, time)| Step::SetTime(at, time)),
        1 => (any(), 0..200_000_u64).prop_map(|(at, size)| Step::Truncate(at, size)),
        1 => Just(Step::Later),
    ]
}

/// A directory, and what is known to have changed in it.
struct Watched<'a> {
    top: &'a Path,
    dirty: HashMap<u64, bool>,
}

impl Watched<'_> {
    fn all(&self) -> Vec<PathBuf> {
        let mut found = vec![self.top.to_owned()];
        let mut next = 0;
        while let Some(path) = found.get(next).cloned() {
            next += 1;
            if path.symlink_metadata().unwrap().is_dir() {
                let mut names: Vec<_> = fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .collect();
                names.sort();
                found.extend(names);
            }
        }
        found
    }

    fn choose(&self, number: usize, which: impl Fn(&fs::Metadata) -> bool) -> Option<PathBuf> {
        let mut all = self.all();
        all.retain(|path| which(&path.symlink_metadata().unwrap()));
        (!all.is_empty()).then(|| all.swap_remove(number % all.len()))
    }

    fn directory(&self, number: usize) -> PathBuf {
        self.choose(number, fs::Metadata::is_dir).unwrap()
    }

    fn below(&self, number: usize) -> Option<PathBuf> {
        let at = self.all();
        (at.len() > 1).then(|| at[1 + number % (at.len() - 1)].clone())
    }

    fn names_in(&mut self, directory: &Path) {
        self.dirty.insert(directory.metadata().unwrap().ino(), true);
    }

    fn inode(&mut self, path: &Path) {
        if let Ok(found) = path.symlink_metadata() {
            self.dirty.entry(found.ino()).or_insert(false);
        }
    }

    /// Something whose name goes: its other names are told of it.
    fn lost(&mut self, path: &Path) {
        if path
            .symlink_metadata()
            .is_ok_and(|found| !found.is_dir() && found.nlink() > 1)
        {
            self.inode(path);
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        let over = self.dirty.clone();
        self.lost(to);
        self.names_in(from.parent().unwrap());
        self.names_in(to.parent().unwrap());
        if fs::rename(from, to).is_err() {
            self.dirty = over;
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Write(at, byte) => {
                if let Some(path) = self.choose(*at, fs::Metadata::is_file) {
                    self.inode(&path);
                    fs::File::options()
                        .write(true)
                        .open(path)
                        .unwrap()
                        .write_all_at(&[*byte; 100], 50)
                        .unwrap();
                }
            }
            Step::Truncate(at, size) => {
                if let Some(path) = self.choose(*at, fs::Metadata::is_file) {
                    self.inode(&path);
                    fs::File::options()
                        .write(true)
                        .open(path)
                        .unwrap()
                        .set_len(*size)
                        .unwrap();
                }
            }
            Step::Rename(from, to) => {
                if let (Some(from), Some(to)) = (self.below(*from), self.below(*to)) {
                    self.rename(&from, &to);
                }
            }
            Step::RenameInto(from, to, name) => {
                if let Some(from) = self.below(*from) {
                    let to = self.directory(*to).join(format!("name{name}"));
                    self.rename(&from, &to);
                }
            }
            Step::Remove(at) => {
                if let Some(path) = self.below(*at) {
                    self.remove(&path);
                }
            }
            Step::RemoveAll(at) => {
                if let Some(path) = self.below(*at) {
                    self.remove_all(&path);
                }
            }
            Step::Link(from, to, name) => {
                if let Some(from) = self.choose(*from, fs::Metadata::is_file) {
                    let to = self.directory(*to);
                    if fs::hard_link(&from, to.join(format!("name{name}"))).is_ok() {
                        self.names_in(&to);
                        self.inode(&from);
                    }
                }
            }
            Step::Create(at, name) => self.made(*at, *name, |path| {
                fs::File::create_new(path).and_then(|file| file.write_all_at(&[*name; 10], 0))
            }),
            Step::Symlink(at, name) => self.made(*at, *name, |path| symlink("target", path)),
            Step::MakeDirectory(at, name) => self.made(*at, *name, |path| fs::create_dir(path)),
            Step::SetMode(at, mode) => {
                if let Some(path) = self.choose(*at, |found| !found.is_symlink()) {
                    self.inode(&path);
                    fs::set_permissions(path, PermissionsExt::from_mode(*mode)).unwrap();
                }
            }
            Step::SetTime(at, time) => {
                if let Some(path) = self.choose(*at, |found| !found.is_symlink()) {
                    self.inode(&path);
                    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*time);
                    fs::File::open(path).unwrap().set_modified(time).unwrap();
                }
            }
            Step::Later => std::thread::sleep(LATER),
        }
    }

    fn made(&mut self, at: usize, name: u8, how: impl Fn(&Path) -> std::io::Result<()>) {
        let directory = self.directory(at);
        if how(&directory.join(format!("name{name}"))).is_ok() {
            self.names_in(&directory);
        }
    }

    fn remove(&mut self, path: &Path) {
        let before = self.dirty.clone();
        self.lost(path);
        self.names_in(path.parent().unwrap());
        if fs::remove_file(path).or_else(|_| fs::remove_dir(path)).is_err() {
            self.dirty = before;
        }
    }

    fn remove_all(&mut self, path: &Path) {
        if path.symlink_metadata().unwrap().is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.remove_all(&entry.unwrap().path());
            }
        }
        self.remove(path);
    }

    fn take(&mut self) -> Vec<Dirty> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .into_iter()
            .map(|(inode, entries)| Dirty { inode, entries })
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_recapture_gives_what_a_capture_gives(plans in plans(16), rounds in vec((any::<bool>(), vec(step(), 0..10)), 1..5)) {
        let (scratch, blobs) = (Scratch::new(), Memory::default());
        let plans: Vec<_> = plans.into_iter().map(|mut plan| { plan.meta.mode |= 0o700; plan }).collect();
        make(&plans, &scratch);
        let (first, mut index) = capture(scratch.fd(), &blobs).unwrap();
        let mut base = first.root;
        let top = scratch.path();
        let mut watched = Watched { top: &top, dirty: HashMap::new() };
        for (later, steps) in rounds {
            if later {
                std::thread::sleep(LATER);
            }
            for step in &steps {
                watched.run(step);
            }
            let dirty = watched.take();
            let found = recapture(scratch.fd(), &base, &mut index, &dirty, &blobs).unwrap();
            let (all, whole) = capture(scratch.fd(), &blobs).unwrap();
            prop_assert_eq!(found.root, all.root);
            prop_assert_eq!(index.facts(), whole.facts());
            base = found.root;
        }
    }
}

fn dirty(path: &Path, entries: bool) -> Dirty {
    let inode = path.symlink_metadata().unwrap().ino();
    Dirty { inode, entries }
}

#[test]
fn nothing_is_read_but_what_is_dirty() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for number in 0..400 {
        scratch.write(format!("{}/{number}", number % 20), format!("content {number}"));
    }
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    scratch.write("3/3", "changed");
    blobs.puts.store(0, Ordering::Relaxed);
    let changed = [dirty(&scratch.path().join("3/3"), false)];
    let after = recapture(scratch.fd(), &before.root, &mut index, &changed, &blobs).unwrap();
    assert_eq!(blobs.puts.load(Ordering::Relaxed), 3);
    assert_eq!(after.root, scratch.root(&blobs));
}

#[test]
fn files_of_a_listed_directory_are_read_only_if_they_are_recent() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    for number in 0..100 {
        scratch.write(format!("file{number}"), "old");
        scratch.write(format!("below{number}/file"), "old");
    }
    std::thread::sleep(LATER);
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    scratch.write("new", "new");
    blobs.puts.store(0, Ordering::Relaxed);
    let changed = [dirty(&scratch.path(), true)];
    let after = recapture(scratch.fd(), &before.root, &mut index, &changed, &blobs).unwrap();
    assert_eq!(blobs.puts.load(Ordering::Relaxed), 2);
    assert_eq!(after.root, scratch.root(&blobs));
}

/// File systems like to use the number of an inode again at once.
#[test]
fn a_new_file_which_looks_like_one_that_is_gone_is_read() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("file", "before");
    let path = scratch.path().join("file");
    let time = path.metadata().unwrap().modified().unwrap();
    std::thread::sleep(LATER);
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    std::thread::sleep(LATER);
    fs::remove_file(&path).unwrap();
    scratch.write("file", "after!");
    fs::File::open(&path).unwrap().set_modified(time).unwrap();
    let changed = [dirty(&scratch.path(), true)];
    let after = recapture(scratch.fd(), &before.root, &mut index, &changed, &blobs).unwrap();
    assert_ne!(after.root, before.root);
    assert_eq!(after.root, scratch.root(&blobs));
}

#[test]
fn nothing_dirty_is_the_same_root_again() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("a/b", "content");
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    let after = recapture(scratch.fd(), &before.root, &mut index, &[], &blobs).unwrap();
    assert_eq!(after.root, before.root);
}

#[test]
fn an_inode_which_is_not_where_it_was_is_a_conflict() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("a/file", "content");
    scratch.write("b/file", "content");
    let path = |name: &str| scratch.path().join(name);
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    let known = index.clone();
    let file = dirty(&path("a/file"), false);
    let directory = dirty(&path("a"), false);
    fs::rename(path("a/file"), path("a/other")).unwrap();
    fs::rename(path("b/file"), path("a/file")).unwrap();
    for dirty in [vec![file], vec![file, directory]] {
        let error = recapture(scratch.fd(), &before.root, &mut index, &dirty, &blobs).unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert_eq!(index, known);
    }
}

#[test]
fn a_symlink_in_the_place_of_a_directory_is_not_followed() {
    let (scratch, blobs) = (Scratch::new(), Memory::default());
    scratch.write("a/file", "content");
    let (before, mut index) = capture(scratch.fd(), &blobs).unwrap();
    let file = dirty(&scratch.path().join("a/file"), false);
    fs::rename(scratch.path().join("a"), scratch.outside("a")).unwrap();
    symlink(scratch.outside("a"), scratch.path().join("a")).unwrap();
    let top = Dirty {
        entries: false,
        ..dirty(&scratch.path(), false)
    };
    let error = recapture(scratch.fd(), &before.root, &mut index, &[file, top], &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
}

#[test]
fn the_index_of_another_tree_is_a_conflict() {
    let (one, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    one.write("a", "content");
    let (base, mut index) = capture(one.fd(), &blobs).unwrap();
    let error = recapture(other.fd(), &base.root, &mut index, &[], &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let error = recapture(one.fd(), &other.root(&blobs), &mut index, &[], &blobs).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
}

#[test]
#[ignore = "measures; run it alone, in release, with --nocapture"]
fn measure() {
    for total in [1_000, 10_000, 100_000] {
        measure_one(total);
    }
}

fn measure_one(total: usize) {
    use crate::tree::build::build;
    use crate::tree::patch::patch;

    let (scratch, other, blobs) = (Scratch::new(), Scratch::new(), Memory::default());
    for number in 0..total {
        let content: Vec<u8> = number.to_le_bytes().repeat(1280);
        scratch.write(format!("{}/{number}", number / 100), content);
    }
    std::thread::sleep(LATER);
    let first = time(|| capture(scratch.fd(), &blobs).unwrap());
    let (all, (before, mut index)) = (time(|| capture(scratch.fd(), &blobs).unwrap()), first.1);
    let built = time(|| build(other.fd(), &before.root, &blobs).unwrap());
    let mut base = before.root;
    let (mut again, mut back) = (Vec::new(), Vec::new());
    for round in 0..15_usize {
        let mut changed = Vec::new();
        for number in 0..10 {
            let number = (number * (total / 10) + round * 7) % total;
            let path = scratch.path().join(format!("{}/{number}", number / 100));
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .write_all_at(&[round as u8 + 1; 100], 0)
                .unwrap();
            changed.push(dirty(&path, false));
        }
        let (took, after) = time(|| recapture(scratch.fd(), &base, &mut index, &changed, &blobs).unwrap());
        again.push(took);
        let (took, patched) = time(|| patch(scratch.fd(), &after.root, &base, &blobs).unwrap());
        back.push(took);
        base = recapture(scratch.fd(), &after.root, &mut index, &patched.dirty, &blobs)
            .unwrap()
            .root;
    }
    again.sort();
    back.sort();
    println!(
        "{total} files of 10 KiB: capture {:?}, again {:?}, build {:?}, recapture of 10 {:?} (best {:?}), \
         patch of 10 {:?} (best {:?}), index {} bytes a name",
        first.0,
        all.0,
        built.0,
        again[7],
        again[0],
        back[7],
        back[0],
        index.bytes() / (total + total / 100),
    );
}

fn time<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = what();
    (start.elapsed(), result)
}
