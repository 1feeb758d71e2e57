//! Searches the lines of files.

use std::fs::{self, DirEntry};

use regex::bytes::{Regex, RegexBuilder};

use crate::files::{Hit, Matches};
use crate::walk::{self, Step};

const MAX_FILE_BYTES: u64 = 16 << 20;
const MAX_HIT_BYTES: usize = 500;

/// The most names of files which were left out.
const MAX_SKIPPED: usize = 100;

/// The memory a compiled pattern may take.
const MAX_REGEX_BYTES: usize = 4 << 20;

pub fn compile(pattern: &str, ignore_case: bool) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(ignore_case).size_limit(MAX_REGEX_BYTES);
    builder.build().map_err(|error| error.to_string())
}

/// The first `limit` lines below `folder` which match.
pub fn search(regex: &Regex, folder: &str, glob: Option<&str>, limit: usize) -> Result<Matches, String> {
    let mut found = Matches {
        hits: Vec::new(),
        more: false,
        skipped: Vec::new(),
    };
    let finished = walk::visit(folder, glob, |path, entry| {
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Step::On;
        }
        let Some(bytes) = read(path, entry) else {
            if found.skipped.len() < MAX_SKIPPED {
                found.skipped.push(path.to_owned());
            }
            return Step::On;
        };
        for hit in hits(regex, path, &bytes) {
            if found.hits.len() == limit {
                return Step::Stop;
            }
            found.hits.push(hit);
        }
        Step::On
    })?;
    found.more = !finished;
    Ok(found)
}

/// The bytes of a text.
fn read(path: &str, entry: &DirEntry) -> Option<Vec<u8>> {
    let length = entry.metadata().ok()?.len();
    let bytes = (length <= MAX_FILE_BYTES).then(|| fs::read(path).ok())??;
    (!bytes.contains(&0)).then_some(bytes)
}

fn hits<'a>(regex: &'a Regex, path: &'a str, bytes: &'a [u8]) -> impl Iterator<Item = Hit> + 'a {
    let lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
    let lines = lines.map(|(number, line)| (number, without_end(line)));
    lines.filter(|(_, line)| regex.is_match(line)).map(|(line, text)| Hit {
        path: path.to_owned(),
        line,
        text: cut(text),
    })
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn cut(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_HIT_BYTES)]);
    text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
}
