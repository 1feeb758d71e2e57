//! Names in messages: cut, escaped, and the one that was probably meant.

use crate::text::nearest;

/// Bytes of a name that are kept in a path.
const MAX_NAME: usize = 64;

/// Bytes that a cut text has at most between its quotes.
const MAX_QUOTED: usize = 56;

/// `text` in quotes on one line, cut where it is long.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        let escaped = character.escape_debug();
        if quoted.len() + escaped.len() > MAX_QUOTED {
            quoted.push('…');
            break;
        }
        quoted.extend(escaped);
    }
    quoted.push('"');
    quoted
}

/// `name` as a step of a JSON path.
pub(crate) fn member(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(bare) {
        format!(".{name}")
    } else {
        format!("[{}]", quoted(name))
    }
}

/// What to write for `word`, which is none of `known`.
pub(crate) fn instead_of<'a>(word: &str, known: impl ExactSizeIterator<Item = &'a String> + Clone) -> String {
    if let Some(nearest) = nearest(word, known.clone().map(String::as_str)) {
        return format!("a known name, such as {}", quoted(nearest));
    }
    let (count, shown) = (known.len(), 5);
    let listed: Vec<_> = known.take(shown).map(|name| quoted(name)).collect();
    match count {
        0 => "no name".into(),
        _ if count <= shown => format!("one of {}", listed.join(", ")),
        _ => format!("one of {} and {} more", listed.join(", "), count - shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_a_stranger_is_not() {
        let known = ["colour".to_owned(), "size".to_owned()];
        assert_eq!(instead_of("color", known.iter()), r#"a known name, such as "colour""#);
        assert_eq!(instead_of("weight", known.iter()), r#"one of "colour", "size""#);
        assert_eq!(instead_of("weight", [].iter()), "no name");
    }

    #[test]
    fn hostile_names_are_cut_and_escaped() {
        assert_eq!(member("a-b"), ".a-b");
        assert_eq!(member("a\u{202e}\n\"b"), r#"["a\u{202e}\n\"b"]"#);
        assert_eq!(member(""), r#"[""]"#);
        for text in ["x".repeat(1000), "\u{202e}".repeat(1000), "\n".repeat(1000)] {
            assert!(quoted(&text).len() <= 62, "{}", quoted(&text));
        }
    }
}
