//! The lines printed, and read back by a check: `digest  path`.

use std::fmt;

/// One file of a list.
#[derive(Debug, PartialEq)]
pub struct Line {
    pub digest: String,
    pub path: String,
}

/// A path with a line break or a backslash is escaped, and its line marked with a backslash, as coreutils do.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { digest, path } = self;
        if path.contains(['\n', '\\']) {
            write!(f, "\\{digest}  {}", path.replace('\\', "\\\\").replace('\n', "\\n"))
        } else {
            write!(f, "{digest}  {path}")
        }
    }
}

/// Reads a list.
pub fn parse(text: &str) -> Result<Vec<Line>, String> {
    text.lines().filter(|line| !line.is_empty()).map(parse_line).collect()
}

fn parse_line(line: &str) -> Result<Line, String> {
    let (is_escaped, rest) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
    let (digest, path) = rest
        .split_once("  ")
        .ok_or_else(|| format!("not a line of checksums: {line:?}"))?;
    let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        return Err(format!("not a digest: {digest:?}"));
    }
    let path = if is_escaped { unescape(path) } else { path.to_owned() };
    Ok(Line {
        digest: digest.to_ascii_lowercase(),
        path,
    })
}

fn unescape(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(
                characters
                    .next()
                    .map(|escaped| if escaped == 'n' { '\n' } else { escaped }),
            ),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_the_list() {
        for path in ["a", "a b", "  a", "a\nb", r"a\b", r"a\nb", "\\"] {
            let line = Line {
                digest: "0".repeat(64),
                path: path.into(),
            };
            assert_eq!(parse(&line.to_string()), Ok(vec![line]), "{path:?}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["hello", "hello  world", "00  short"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
