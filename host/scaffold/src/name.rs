//! Names which a tool can have in the registry and in every language.

use std::fmt;

/// As of the registry of tools.
const MAX: usize = 64;

/// What cannot be the name of a tool: the keywords of Rust, its own crates, those which come with a new one, and the
/// interpreter of Python.
const TAKEN: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override palisade_guest palisade_guest_macros priv \
    proc_macro pub python ref return self static std struct super test trait true try type typeof unsafe unsized use \
    virtual where while yield";

/// The name of a new tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name: 1 to 64 characters of a-z, 0-9, `-` and `_`, the first a letter, and no word of Rust's own.
    ///
    /// # Errors
    /// What is wrong with it, and what would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !is_plain(text) {
            let rule = format!("it has 1 to {MAX} characters of a-z, 0-9, - and _, and begins with a letter");
            return Err(refusal(text, &rule));
        }
        if is_taken(text) {
            return Err(refusal(
                text,
                "Rust, or what a tool is built or run with, has that name",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As an identifier, which has no `-`.
    pub(crate) fn identifier(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=MAX).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(is_allowed)
}

fn is_taken(text: &str) -> bool {
    let identifier = text.replace('-', "_");
    TAKEN.split(' ').any(|taken| taken == identifier)
}

fn refusal(text: &str, rule: &str) -> String {
    let shown: String = text.chars().take(MAX).collect();
    format!(
        "{shown:?} is not a name for a new tool: {rule}; {:?} would do",
        nearest(text)
    )
}

/// A name that would do, as near as can be.
fn nearest(text: &str) -> String {
    let plain = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9' | '_') => kept,
        _ => '-',
    };
    let plain: String = text.chars().map(plain).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if name.is_empty() {
        return "my-tool".into();
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        name.insert_str(0, "tool-");
    }
    if is_taken(&name) {
        name.push_str("-tool");
    }
    name.truncate(MAX);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tools_are_names_of_crates() {
        for name in ["a", "slugs", "word-count", "word_count", "x9", &"a".repeat(64)] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_refusal_says_what_would_do() {
        for (name, would_do) in [
            ("", "my-tool"),
            ("---", "my-tool"),
            ("My Tool", "my-tool"),
            ("9lives", "tool-9lives"),
            ("_x", "tool-_x"),
            ("-x", "x"),
            ("../x", "x"),
            ("größe", "gr-e"),
            ("fn", "fn-tool"),
            ("proc-macro", "proc-macro-tool"),
            ("palisade-guest", "palisade-guest-tool"),
            (&"A".repeat(99), &"a".repeat(64)),
        ] {
            let refusal = Name::parse(name).unwrap_err();
            assert!(refusal.ends_with(&format!("; {would_do:?} would do")), "{refusal}");
            assert_eq!(Name::parse(would_do).unwrap().as_str(), would_do);
        }
    }
}
