//! Texts which a guest or a client has a part in.

/// Bytes of a name that is compared with others: comparing takes the product of both lengths.
const MAX_NAME: usize = 64;

/// Names that one is compared with.
const MAX_COMPARED: usize = 1000;

/// At most `most` characters of `text`, with escapes for those which could drive a terminal or forge a line of a log.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        match character.is_control() || is_invisible(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    shown
}

/// The one of `known` which was probably meant by `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_NAME {
        return None;
    }
    let (distance, best) = known
        .filter(|name| name.len() <= MAX_NAME)
        .take(MAX_COMPARED)
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(best.len() / 3) && distance < best.len()).then_some(best)
}

/// Whether it turns the direction of text, or is nowhere to be seen.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_to_be_seen_is_escaped_and_the_rest_is_cut() {
        assert_eq!(shown("a\u{1b}[2J\u{202e}ü", 20), "a\\u{1b}[2J\\u{202e}ü");
        assert_eq!(shown("abc", 3), "abc");
        assert_eq!(shown("abcd", 3), "abc…");
    }
}
