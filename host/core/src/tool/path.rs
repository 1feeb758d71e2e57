//! Where in the arguments something is wrong, and what.

use serde_json::Value;

use super::names::{member, quoted};

/// An argument which is not of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub(crate) struct BadArgument {
    /// Where: `$.a[3].b`.
    pub path: String,
    /// What belongs there: `an integer from 0 to 255`.
    pub expected: String,
    /// What is there, cut and escaped.
    pub found: String,
}

/// A place in the arguments, on the stack of those who walk there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a>(Option<(&'a Path<'a>, Step<'a>)>);

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    Element(usize),
}

impl<'a> Path<'a> {
    pub(crate) const ROOT: Self = Self(None);

    pub(crate) fn member(&'a self, name: &'a str) -> Self {
        Self(Some((self, Step::Member(name))))
    }

    pub(crate) fn element(&'a self, index: usize) -> Self {
        Self(Some((self, Step::Element(index))))
    }

    /// `found` is here where `expected` belongs.
    pub(crate) fn wrong(&self, expected: impl Into<String>, found: &Value) -> BadArgument {
        self.error(expected, describe(found))
    }

    pub(crate) fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> BadArgument {
        BadArgument {
            path: self.text(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn text(&self) -> String {
        match self.0 {
            None => "$".into(),
            Some((before, Step::Member(name))) => before.text() + &member(name),
            Some((before, Step::Element(index))) => format!("{}[{index}]", before.text()),
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(members) => match members.keys().next() {
            Some(name) if members.len() == 1 => format!("an object of {}", quoted(name)),
            _ => format!("an object of {} members", members.len()),
        },
    }
}
