//! What snapshots are taken of. Everything is made from seeds, and is the same in every run; only the source is what the
//! machine has.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::Result;
use wasmtime::error::Context;

/// Files of the corpus of many.
pub(super) const MANY: usize = 10_000;
/// How many names a directory has.
const IN_A_DIRECTORY: usize = 100;
/// Bytes of a file among many, at least and less than.
const SMALL: (usize, usize) = (500, 19_500);
/// Bytes of each large file.
const LARGE: usize = 250_000_000;
/// In pieces of which a large file is text and noise in turn.
const PIECE: usize = 1 << 20;
/// How much source is enough.
const SOURCE_BYTES: u64 = 50_000_000;

/// How many files change between two snapshots.
pub(super) const CHANGED: usize = 10;

#[derive(Clone)]
pub(super) struct Corpus {
    pub name: &'static str,
    pub tree: PathBuf,
    pub files: usize,
    bytes: u64,
    /// How many directories above a file there are, where it is one of many.
    depth: u32,
    /// What else has to be said of it.
    what: String,
}

impl Corpus {
    /// Files of 10 kB on average, 100 names to a directory, of text and of noise in turn.
    pub(super) fn many(folder: &Path, files: usize) -> Result<Self> {
        let mut corpus = Self::empty("many", folder, "text and noise, 100 names to a directory")?;
        corpus.depth = (files - 1).ilog(IN_A_DIRECTORY);
        for index in 0..files {
            let path = corpus.path(index);
            if index % IN_A_DIRECTORY == 0 {
                fs::create_dir_all(path.parent().context("it is below the folder")?)?;
            }
            let content = content(0, index, small(index));
            fs::write(path, &content)?;
            corpus.add(content.len() as u64);
        }
        Ok(corpus)
    }

    pub(super) fn large(folder: &Path) -> Result<Self> {
        let mut corpus = Self::empty("large", folder, "text and noise in turn, by MiB")?;
        for number in 0..4 {
            let mut file = File::create(corpus.tree.join(number.to_string()))?;
            let mut left = LARGE;
            while left > 0 {
                let piece = content(1 + number, left.div_ceil(PIECE), left.min(PIECE));
                file.write_all(&piece)?;
                left -= piece.len();
            }
            corpus.add(LARGE as u64);
        }
        Ok(corpus)
    }

    /// A copy of crates which cargo has fetched, in their order; `None` where it has none.
    pub(super) fn source(folder: &Path) -> Result<Option<Self>> {
        let mut corpus = Self::empty("source", folder, "")?;
        let mut crates = crates();
        crates.sort();
        let mut copied = 0;
        for path in crates {
            if corpus.bytes >= SOURCE_BYTES {
                break;
            }
            let name = path.file_name().context("a crate has a name")?;
            let into = corpus.tree.join(name);
            copy(&path, &into, &mut corpus)?;
            copied += 1;
        }
        corpus.what = format!("{copied} crates of the registry of cargo");
        Ok((copied > 0).then_some(corpus))
    }

    fn empty(name: &'static str, folder: &Path, what: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            name,
            tree: folder.to_owned(),
            files: 0,
            bytes: 0,
            depth: 0,
            what: what.to_owned(),
        })
    }

    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    /// The same files elsewhere.
    pub(super) fn again(&self, folder: &Path) -> Result<Self> {
        let mut corpus = Self::empty(self.name, folder, &self.what)?;
        copy(&self.tree, folder, &mut corpus)?;
        corpus.depth = self.depth;
        Ok(corpus)
    }

    /// Where a file is of a corpus of many.
    fn path(&self, index: usize) -> PathBuf {
        let names = (0..=self.depth).rev().map(|level| {
            let number = index / IN_A_DIRECTORY.pow(level) % IN_A_DIRECTORY;
            format!("{number:02}")
        });
        self.tree.join(names.collect::<PathBuf>())
    }

    /// Changes ten files, each far from the next. Which they are and what they get follows from `turn` alone, and how
    /// large they get from nothing at all.
    pub(super) fn change(&self, turn: usize) -> Result<Vec<PathBuf>> {
        let far = self.files / CHANGED;
        let changed = (0..CHANGED).map(|number| {
            let path = self.path(number * far + turn % far);
            fs::write(&path, content(turn as u64 + 100, number, small(number)))?;
            Ok(path)
        });
        changed.collect()
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.bytes as f64 / 1e6;
        write!(
            f,
            "{}: {} files, {megabytes:.1} MB: {}",
            self.name, self.files, self.what
        )
    }
}

/// The folders of crates which cargo has fetched.
fn crates() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folders = |folder: PathBuf| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let registries = home.into_iter().flat_map(|home| folders(home.join("registry/src")));
    registries.flat_map(folders).filter(|path| path.is_dir()).collect()
}

/// Copies what is in a folder, but for links, and counts it.
fn copy(from: &Path, into: &Path, corpus: &mut Corpus) -> Result<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let into = into.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &into, corpus)?;
        } else if kind.is_file() {
            corpus.add(fs::copy(entry.path(), into)?);
        }
    }
    Ok(())
}

/// Bytes of the small file with that number.
fn small(index: usize) -> usize {
    let (least, less_than) = SMALL;
    // As even as it is without order.
    least + index.wrapping_mul(7919) % (less_than - least)
}

/// Noise for every other number, and text for the others.
fn content(seed: u64, number: usize, length: usize) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&number.to_le_bytes());
    let mut noise = hasher.finalize_xof();
    if number % 2 == 1 {
        let mut bytes = vec![0; length];
        noise.fill(&mut bytes);
        return bytes;
    }
    let mut text = Vec::with_capacity(length + WORDS[0].len());
    let mut chosen = [0; 256];
    while text.len() < length {
        noise.fill(&mut chosen);
        for word in chosen {
            text.extend_from_slice(WORDS[usize::from(word) % WORDS.len()].as_bytes());
        }
    }
    text.truncate(length);
    text
}

/// What text consists of; it compresses as source does, to about a quarter.
const WORDS: [&str; 32] = [
    "let ",
    "mut ",
    "fn ",
    "self.",
    "value",
    "    ",
    "return ",
    "match ",
    " => ",
    "Some(",
    "None",
    ");\n",
    "}\n",
    " {\n",
    "index",
    "length",
    "pub(crate) ",
    "impl ",
    "for ",
    "&str",
    "u64",
    "Result<",
    ">",
    ", ",
    "first",
    "second",
    "name",
    "== ",
    "if ",
    "else ",
    "/// ",
    "the ",
];
