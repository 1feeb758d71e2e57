//! Reads parts of files.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use crate::failed;
use crate::files::Lines;

const MAX_LINES: u32 = 2_000;
const MAX_BYTES: u64 = 256 << 10;

/// The largest file which is held in memory whole.
const MAX_TEXT_BYTES: u64 = 16 << 20;

/// The lines from `first` on, at most `count`. The last is cut where all are too long.
pub fn lines(path: &str, first: u32, count: u32) -> Result<Lines, String> {
    let cannot_read = failed("read", path);
    let mut file = BufReader::new(File::open(path).map_err(&cannot_read)?);
    let first = first.max(1);
    for _ in 1..first {
        file.skip_until(b'\n').map_err(&cannot_read)?;
    }
    let mut text = Vec::new();
    let mut taken = 0;
    while taken < count.min(MAX_LINES) {
        let room = MAX_BYTES - text.len() as u64;
        let length = file
            .by_ref()
            .take(room)
            .read_until(b'\n', &mut text)
            .map_err(&cannot_read)?;
        if length == 0 {
            break;
        }
        taken += 1;
    }
    let more = !file.fill_buf().map_err(&cannot_read)?.is_empty();
    Ok(Lines {
        text: into_text(text, path, more)?,
        first,
        count: taken,
        more,
    })
}

/// A part of a file.
pub fn bytes(path: &str, offset: u64, length: u32) -> Result<Vec<u8>, String> {
    let cannot_read = failed("read", path);
    let mut file = File::open(path).map_err(&cannot_read)?;
    file.seek(SeekFrom::Start(offset)).map_err(&cannot_read)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.min(length.into()))
        .read_to_end(&mut bytes)
        .map_err(&cannot_read)?;
    Ok(bytes)
}

/// The whole of a file.
pub fn text(path: &str) -> Result<String, String> {
    let cannot_read = failed("read", path);
    let length = fs::metadata(path).map_err(&cannot_read)?.len();
    if length > MAX_TEXT_BYTES {
        return Err(format!("{path} is {length} bytes long, the most is {MAX_TEXT_BYTES}"));
    }
    into_text(fs::read(path).map_err(&cannot_read)?, path, false)
}

/// `is_cut`: the bytes may end within a character, which is left out then.
fn into_text(bytes: Vec<u8>, path: &str, is_cut: bool) -> Result<String, String> {
    String::from_utf8(bytes).or_else(|error| {
        let utf8 = error.utf8_error();
        if !is_cut || utf8.error_len().is_some() {
            return Err(format!("{path} is not UTF-8 text: use read-bytes"));
        }
        let mut bytes = error.into_bytes();
        bytes.truncate(utf8.valid_up_to());
        String::from_utf8(bytes).map_err(failed("read", path))
    })
}
