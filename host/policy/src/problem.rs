use std::fmt;

use serde::{Deserialize, Serialize};

/// Something wrong in what a person or a program wrote: a policy file, or a request.
///
/// It displays as one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where it is as a path of keys, `limits.memory` or `mounts[1].host`; empty when it is the whole text.
    pub key: String,
    /// What is wrong, and where that is clear, what would be right.
    pub message: String,
    /// Where it is in the text; `None` when there is no text or the place is not known.
    pub position: Option<Position>,
}

/// A place in a text. Both numbers start at 1, and columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the line.
    pub line: usize,
    /// Number of the character in the line.
    pub column: usize,
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl Position {
    /// The place of byte `offset` in `text`, or of its end.
    pub(crate) fn of(offset: usize, text: &str) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let starts_character = |byte: &&u8| (**byte & 0xC0) != 0x80;
        Self {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: before[line_start..].iter().filter(starts_character).count() + 1,
        }
    }
}

/// Problems kept of one text or request; more are only counted.
const MAX_PROBLEMS: usize = 100;
/// Characters kept of one message.
const MAX_MESSAGE: usize = 500;

/// Collects problems, and bounds what a hostile text can make of them.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    more: usize,
}

impl Problems {
    /// Notes a problem whose place in the text is not known yet.
    pub(crate) fn report(&mut self, key: impl Into<String>, message: impl fmt::Display) {
        self.add(key.into(), message, || None);
    }

    /// Notes a problem; `position` is only asked for when the problem is kept.
    pub(crate) fn add(&mut self, key: String, message: impl fmt::Display, position: impl FnOnce() -> Option<Position>) {
        if self.list.len() == MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        let message = one_line(&message.to_string());
        self.list.push(Problem {
            key,
            message,
            position: position(),
        });
    }

    /// Whether there is a problem with what is at `key`, or with something it is part of.
    pub(crate) fn covers(&self, key: &str) -> bool {
        let part_of = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        self.list
            .iter()
            .any(|known| key.strip_prefix(known.key.as_str()).is_some_and(part_of))
    }

    pub(crate) fn drain(self) -> (Vec<Problem>, usize) {
        (self.list, self.more)
    }

    pub(crate) fn add_uncounted(&mut self, more: usize) {
        self.more += more;
    }

    /// `value` if there are no problems, else all of them in the order of the text.
    pub(crate) fn or<T>(mut self, value: T) -> Result<T, Vec<Problem>> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|problem| problem.position);
        if self.more > 0 {
            let message = format!("there are {} more problems", self.more);
            self.list.push(Problem {
                key: String::new(),
                message,
                position: None,
            });
        }
        Err(self.list)
    }
}

/// The text without control characters, and no longer than a message may be.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(MAX_MESSAGE) {
        match character.is_control() {
            true => line.extend(character.escape_default()),
            false => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_with_its_place() {
        let mut problems = Problems::default();
        problems.add("limits.memory".into(), "no\nsuch size", || {
            Some(Position::of(6, "a = 1\né = 2"))
        });
        let list = problems.or(()).unwrap_err();
        assert_eq!(list[0].to_string(), "line 2, column 1: limits.memory: no\\nsuch size");
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(Position::of(3, "éa b"), Position { line: 1, column: 3 });
        assert_eq!(Position::of(99, "ab"), Position { line: 1, column: 3 });
    }

    #[test]
    fn a_flood_of_problems_is_counted_and_not_kept() {
        let mut problems = Problems::default();
        (0..1_000).for_each(|n| problems.report(n.to_string(), "wrong"));
        let list = problems.or(()).unwrap_err();
        assert_eq!(list.len(), MAX_PROBLEMS + 1);
        assert_eq!(list[MAX_PROBLEMS].to_string(), "there are 900 more problems");
    }

    #[test]
    fn a_problem_covers_its_parts_and_not_its_neighbours() {
        let mut problems = Problems::default();
        problems.report("mounts[1]", "wrong");
        assert!(problems.covers("mounts[1]") && problems.covers("mounts[1].host"));
        assert!(!problems.covers("mounts[10]") && !problems.covers("mounts"));
    }
}
