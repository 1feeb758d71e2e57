//! Pieces of TOML on one line.

use std::fmt::Write;

/// Characters kept of a key in a key path.
const MAX_KEY: usize = 64;

/// `text` as a TOML string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                write!(quoted, "\\u{:04X}", u32::from(character)).expect("a string takes all");
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// The path of `key` in the table at `path`: `limits.memory`, `env.set."A B"`.
pub(crate) fn member(path: &str, key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut short: String = key.chars().take(MAX_KEY).collect();
    if short.len() < key.len() {
        short.push('…');
    }
    if short.is_empty() || !short.bytes().all(bare) {
        short = quoted(&short);
    }
    if path.is_empty() {
        short
    } else {
        format!("{path}.{short}")
    }
}

/// The path of element `index` of the array at `path`: `mounts[1]`.
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The one of `known` that `word` was probably meant to be.
pub(crate) fn nearest<'known>(word: &str, known: &[&'known str]) -> Option<&'known str> {
    if word.len() > MAX_KEY {
        return None;
    }
    let distance = |known: &&str| strsim::damerau_levenshtein(word, known);
    let best = known.iter().copied().min_by_key(distance)?;
    (distance(&best) <= 2.max(best.len() / 3) && distance(&best) < best.len()).then_some(best)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_quoted_where_they_must_be() {
        assert_eq!(member("", "limits"), "limits");
        assert_eq!(member("env.set", "A B"), "env.set.\"A B\"");
        assert_eq!(member("env.set", ""), "env.set.\"\"");
        assert!(member("", &"k".repeat(1_000)).len() < 100);
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let known = ["memory", "fuel", "time"];
        assert_eq!(nearest("memroy", &known), Some("memory"));
        assert_eq!(nearest("Fuel", &known), Some("fuel"));
        assert_eq!(nearest("sockets", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }

    proptest! {
        #[test]
        fn quoted_text_reads_back_from_one_line(text in any::<String>()) {
            let line = format!("k = {}", quoted(&text));
            prop_assert!(!line.chars().any(char::is_control));
            let table: toml::Table = line.parse().unwrap();
            prop_assert_eq!(table["k"].as_str(), Some(text.as_str()));
        }
    }
}
