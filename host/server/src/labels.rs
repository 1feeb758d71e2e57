//! Labels: what the makers of sandboxes write on them, to find them again.

use std::collections::BTreeMap;

use palisade::Kind;

use crate::error::Failure;

/// Labels of one sandbox.
const MOST: usize = 64;
/// Bytes of a name.
const MAX_NAME: usize = 63;
/// Bytes of a value.
const MAX_VALUE: usize = 255;

/// Bytes of all names and values of one sandbox together.
const MAX_BYTES: usize = 4096;

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// Checks labels before they are kept.
///
/// # Errors
/// [`Kind::InvalidInput`], with the first which is wrong.
pub(crate) fn check(labels: &Labels) -> Result<(), Failure> {
    if labels.len() > MOST {
        let message = format!("labels: there are {}, and a sandbox has at most {MOST}", labels.len());
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES {
        let message = format!("labels: they have {bytes} bytes together, and may have {MAX_BYTES}");
        return Err(Failure::of(Kind::InvalidInput, message));
    }
    for (name, value) in labels {
        if !is_name(name) {
            let message = format!(
                "labels: {name:?} is no name: one has 1 to {MAX_NAME} characters of a-z, A-Z, 0-9, `-`, `_`, `.` and `/`"
            );
            return Err(Failure::of(Kind::InvalidInput, message));
        }
        if value.len() > MAX_VALUE || value.chars().any(is_hidden) {
            let message = format!("labels.{name}: a value has at most {MAX_VALUE} bytes and no control characters");
            return Err(Failure::of(Kind::InvalidInput, message));
        }
    }
    Ok(())
}

/// Control characters, and the marks of direction, which would have a text show as another.
fn is_hidden(character: char) -> bool {
    let turns =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns
}

fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(known)
}

/// `labels` with `changes` made: a value is put in place, `None` removes one.
pub(crate) fn changed(labels: &Labels, changes: BTreeMap<String, Option<String>>) -> Labels {
    let mut labels = labels.clone();
    for (name, value) in changes {
        match value {
            Some(value) => drop(labels.insert(name, value)),
            None => drop(labels.remove(&name)),
        }
    }
    labels
}

/// Whether `labels` have what is asked for: a name, or `NAME=VALUE`.
pub(crate) fn have(labels: &Labels, asked: &str) -> bool {
    match asked.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|known| known == value),
        None => labels.contains_key(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn names_and_values_have_bounds() {
        check(&labels(&[("team/a.b_c-D", "any text, é too"), ("x", "")])).unwrap();
        let many: Labels = (0..=MOST).map(|number| (number.to_string(), String::new())).collect();
        for bad in [
            labels(&[("", "")]),
            labels(&[("a b", "")]),
            labels(&[("é", "")]),
            labels(&[(&"a".repeat(MAX_NAME + 1), "")]),
            labels(&[("a", &"x".repeat(MAX_VALUE + 1))]),
            labels(&[("a", "line\nline")]),
            labels(&[("a", "turned \u{202e}")]),
            (0..20)
                .map(|number| (number.to_string(), "x".repeat(MAX_VALUE)))
                .collect(),
            many,
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_change_sets_and_removes_and_a_filter_finds() {
        let before = labels(&[("a", "1"), ("b", "2")]);
        let changes = BTreeMap::from([("a".into(), None), ("c".into(), Some("x=y".into()))]);
        let after = changed(&before, changes);
        assert_eq!(after, labels(&[("b", "2"), ("c", "x=y")]));
        assert!(have(&after, "b") && have(&after, "b=2") && have(&after, "c=x=y"));
        assert!(!have(&after, "a") && !have(&after, "b=3") && !have(&after, "c=x"));
    }
}
