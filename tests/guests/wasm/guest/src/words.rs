//! Splits a line of a script into words.

/// Words are parted by blanks. One in double quotes may hold blanks, and `\n \t \0 \" \\`.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while let Some(first) = characters.next() {
        match first {
            ' ' | '\t' => {}
            '"' => words.push(quoted(&mut characters)?),
            _ => {
                let mut word = String::from(first);
                while let Some(next) = characters.next_if(|next| !matches!(next, ' ' | '\t')) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    Ok(words)
}

fn quoted(characters: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut word = String::new();
    while let Some(next) = characters.next() {
        match next {
            '"' => return Ok(word),
            '\\' => match characters.next() {
                Some('n') => word.push('\n'),
                Some('t') => word.push('\t'),
                Some('0') => word.push('\0'),
                Some(other) => word.push(other),
                None => break,
            },
            _ => word.push(next),
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_what_blanks_part() {
        assert_eq!(
            split(r#" write  /a "two words\n" "" x"#).unwrap(),
            ["write", "/a", "two words\n", "", "x"]
        );
        assert!(split(r#"write "open"#).is_err());
    }
}
