//! Replaces text in files.

use crate::{read, save};

/// Replaces each `old`, of which there must be `expected`, and returns how many there were.
pub fn edit(path: &str, old: &str, new: &str, expected: u32) -> Result<u32, String> {
    if old.is_empty() {
        return Err("the text to be replaced is empty".to_owned());
    }
    let text = read::text(path)?;
    let found = text.matches(old).count();
    if found != expected as usize {
        let hint = match found {
            0 => "it must be given exactly, white space too",
            _ => "give more of what is around it, or the count",
        };
        return Err(format!(
            "the text occurs {found} times in {path}, not {expected}: {hint}"
        ));
    }
    save::replace(path, &text.replace(old, new))?;
    Ok(expected)
}
