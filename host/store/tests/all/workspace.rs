//! A directory in which somebody works: random changes of all kinds.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const NAMES: [&str; 6] = ["a", "b", "c", "a-b", "a.b", ".link1"];
const MODES: [u32; 6] = [0o644, 0o600, 0o755, 0o700, 0o4711, 0o1777];

/// Up to this many names; then some are removed.
const MANY: usize = 50;

/// Makes a few random changes. Those which cannot be made in this directory are left out.
pub(crate) fn change(top: &Path, random: &mut ChaCha8Rng) {
    if paths(top).len() > MANY {
        let path = any(top, random);
        let _there_already_gone = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    for _ in 0..random.random_range(1..8) {
        let _cannot_be_made = one(top, random);
    }
}

fn one(top: &Path, random: &mut ChaCha8Rng) -> std::io::Result<()> {
    let (old, new) = (any(top, random), place(top, random));
    match random.random_range(0..17) {
        0..4 => {
            fs::create_dir_all(new.parent().unwrap())?;
            fs::write(new, content(random))
        }
        4..6 => OpenOptions::new()
            .write(true)
            .open(old)?
            .write_all_at(&content(random), random.random_range(0..100_000)),
        6 => OpenOptions::new()
            .write(true)
            .open(old)?
            .set_len(random.random_range(0..300_000)),
        7..9 => fs::rename(old, new),
        9 => fs::hard_link(old, new),
        10 => symlink(NAMES[random.random_range(0..NAMES.len())], new),
        11 => fs::create_dir_all(new),
        12 => fs::remove_dir_all(old),
        13 => fs::remove_file(old),
        14 if old.symlink_metadata()?.is_dir() => fs::set_permissions(
            old,
            PermissionsExt::from_mode([0o755, 0o700, 0o1777][random.random_range(0..3)]),
        ),
        14 | 15 if old.symlink_metadata()?.is_file() => {
            let mode = MODES[random.random_range(0..MODES.len())];
            fs::set_permissions(old, PermissionsExt::from_mode(mode))
        }
        _ => {
            let time = Duration::new(
                random.random_range(0..3_000_000_000),
                random.random_range(0..1_000_000_000),
            );
            fs::File::open(old)?.set_modified(SystemTime::UNIX_EPOCH + time)
        }
    }
}

/// Something that is there.
fn any(top: &Path, random: &mut ChaCha8Rng) -> PathBuf {
    let mut paths = paths(top);
    paths.sort();
    match paths.is_empty() {
        true => top.join(NAMES[0]),
        false => paths.swap_remove(random.random_range(0..paths.len())),
    }
}

fn paths(top: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![top.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            left.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
            found.push(entry.path());
        }
    }
    found
}

/// Where something may be.
fn place(top: &Path, random: &mut ChaCha8Rng) -> PathBuf {
    let mut path = top.to_owned();
    for _ in 0..random.random_range(1..4) {
        path.push(NAMES[random.random_range(0..NAMES.len())]);
    }
    path
}

fn content(random: &mut ChaCha8Rng) -> Vec<u8> {
    let length = match random.random_range(0..12) {
        0..6 => random.random_range(0..3000),
        6..9 => random.random_range(3000..20_000),
        9 => 4096,
        10 => random.random_range(60_000..70_000),
        _ => random.random_range(100_000..400_000),
    };
    let noisy = random.random_bool(0.5);
    let byte = random.random();
    let mut bytes = vec![byte; length];
    if noisy {
        random.fill(&mut bytes[..]);
    }
    bytes
}
