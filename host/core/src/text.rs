//! Texts which a guest has a part in.

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
