//! The JSON schemas which scripts have: a part of draft 2020-12, checked by us.
//!
//! A script comes from a stranger and tells its schemas itself. So they are read into rules which cannot loop, refer to
//! anything, or hold patterns that take for ever; what else a schema says is refused.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::names::{instead_of, quoted};
use super::path::{BadArgument, Path};
use crate::text::shown;

/// How deep schemas may be nested.
const MAX_DEPTH: usize = 32;

/// How many parts a schema may have. A value may have to be compared with each.
const MAX_PARTS: usize = 1_000;

/// The longest text of what belongs somewhere, in bytes.
const MAX_EXPECTED: usize = 200;

/// The only pattern: an integer of any size.
const DIGITS: &str = "^-?[0-9]+$";

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schema {
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Any,
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Base64,
    Digits,
    Enum(Vec<Value>),
    Array(Array),
    Object(Object),
    AnyOf(Vec<Schema>),
}

#[derive(Debug, Clone, PartialEq)]
struct Array {
    first: Vec<Schema>,
    /// What follows; `None`: anything.
    rest: Option<Box<Schema>>,
    min: u64,
    max: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Object {
    properties: IndexMap<String, Schema>,
    required: BTreeSet<String>,
    others: Others,
}

#[derive(Debug, Clone, PartialEq)]
enum Others {
    Any,
    None,
    Of(Box<Schema>),
}

impl Schema {
    /// Reads a schema; an error says what is not taken.
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        let mut reader = Reader { depth: 0, parts: 0 };
        reader.schema(json)
    }

    /// Checks a value, which is at `at`.
    pub(super) fn check(&self, value: &Value, at: &Path<'_>) -> Result<(), BadArgument> {
        let is = |right: bool| match right {
            true => Ok(()),
            false => Err(at.wrong(self.expected(), value)),
        };
        match (&self.rule, value) {
            (Rule::Any, _) => Ok(()),
            (Rule::Null, _) => is(value.is_null()),
            (Rule::Boolean, _) => is(value.is_boolean()),
            (Rule::Integer, Value::Number(number)) => {
                is(number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0))
            }
            (Rule::Number, _) => is(value.is_number()),
            (Rule::String, _) => is(value.is_string()),
            (Rule::Base64, Value::String(text)) => is(STANDARD.decode(text).is_ok()),
            (Rule::Digits, Value::String(text)) => is(is_digits(text)),
            (Rule::Enum(values), _) => is(values.contains(value)),
            (Rule::Array(array), Value::Array(items)) => {
                is((array.min..=array.max).contains(&(items.len() as u64)))?;
                array.check(items, at)
            }
            (Rule::Object(object), Value::Object(members)) => object.check(members, at),
            (Rule::AnyOf(schemas), _) => self.any_of(schemas, value, at),
            _ => is(false),
        }
    }

    /// Where only one of several could be meant, what is wrong is what that one says.
    fn any_of(&self, schemas: &[Self], value: &Value, at: &Path<'_>) -> Result<(), BadArgument> {
        let mut meant = Vec::new();
        for schema in schemas {
            match schema.check(value, at) {
                Ok(()) => return Ok(()),
                Err(error) if schema.is_of_kind(value) => meant.push(error),
                Err(_) => {}
            }
        }
        match meant.pop() {
            Some(error) if meant.is_empty() => Err(error),
            _ => Err(at.wrong(self.expected(), value)),
        }
    }

    fn is_of_kind(&self, value: &Value) -> bool {
        match self.rule {
            Rule::Array(_) => value.is_array(),
            Rule::Object(_) => value.is_object(),
            _ => false,
        }
    }

    /// What belongs where there is something else, or nothing.
    fn expected(&self) -> String {
        match &self.rule {
            Rule::Any => "anything".into(),
            Rule::Null => "null".into(),
            Rule::Boolean => "true or false".into(),
            Rule::Integer => "an integer".into(),
            Rule::Number => "a number".into(),
            Rule::String => "a string".into(),
            Rule::Base64 => "base64 with its padding".into(),
            Rule::Digits => "a string of digits".into(),
            Rule::Enum(values) => {
                let values = values.iter().take(5).map(|value| match value {
                    Value::String(text) => quoted(text),
                    other => other.to_string(),
                });
                values.collect::<Vec<_>>().join(" or ")
            }
            Rule::Array(Array { min, max, .. }) if min == max => format!("an array of {min}"),
            Rule::Array(_) => "an array".into(),
            Rule::Object(_) => "an object".into(),
            Rule::AnyOf(schemas) => {
                let each = schemas.iter().take(5).map(Self::expected);
                shown(&each.collect::<Vec<_>>().join(" or "), MAX_EXPECTED)
            }
        }
    }
}

impl Array {
    fn check(&self, items: &[Value], at: &Path<'_>) -> Result<(), BadArgument> {
        for (index, item) in items.iter().enumerate() {
            let schema = self.first.get(index).or(self.rest.as_deref());
            schema.map_or(Ok(()), |schema| schema.check(item, &at.element(index)))?;
        }
        Ok(())
    }
}

impl Object {
    fn check(&self, members: &Map<String, Value>, at: &Path<'_>) -> Result<(), BadArgument> {
        for (name, value) in members {
            match (self.properties.get(name), &self.others) {
                (Some(schema), _) => schema.check(value, &at.member(name))?,
                (None, Others::Of(schema)) => schema.check(value, &at.member(name))?,
                (None, Others::Any) => {}
                (None, Others::None) => {
                    return Err(at.error(instead_of(name, self.properties.keys()), quoted(name)));
                }
            }
        }
        let missing = self.required.iter().find(|name| !members.contains_key(*name));
        missing.map_or(Ok(()), |name| {
            let expected = self.properties.get(name).map_or("anything".into(), Schema::expected);
            Err(at.member(name).error(expected, "nothing"))
        })
    }
}

fn is_digits(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

struct Reader {
    depth: usize,
    parts: usize,
}

impl Reader {
    fn schema(&mut self, json: &Value) -> Result<Schema, String> {
        let Value::Object(words) = json else {
            return Err("a schema is an object".to_owned());
        };
        self.parts += 1;
        self.depth += 1;
        if self.parts > MAX_PARTS || self.depth > MAX_DEPTH {
            return Err(format!("a schema has at most {MAX_PARTS} parts, {MAX_DEPTH} deep"));
        }
        let known = ["description", "default", "title"];
        let rule = if words.contains_key("anyOf") {
            only(words, &["anyOf"], &known)?;
            Rule::AnyOf(self.schemas(&words["anyOf"])?)
        } else if words.contains_key("enum") {
            only(words, &["enum", "type"], &known)?;
            Rule::Enum(scalars(&words["enum"])?)
        } else {
            self.typed(words, &known)?
        };
        self.depth -= 1;
        Ok(Schema { rule })
    }

    fn typed(&mut self, words: &Map<String, Value>, known: &[&str]) -> Result<Rule, String> {
        let Some(ty) = words.get("type") else {
            only(words, &[], known)?;
            return Ok(Rule::Any);
        };
        let simple = |rule| only(words, &["type"], known).map(|()| rule);
        match ty.as_str().unwrap_or_default() {
            "null" => simple(Rule::Null),
            "boolean" => simple(Rule::Boolean),
            "integer" => simple(Rule::Integer),
            "number" => simple(Rule::Number),
            "string" => {
                only(words, &["type", "pattern", "contentEncoding"], known)?;
                match (
                    words.get("pattern").map(Value::as_str),
                    words.get("contentEncoding").map(Value::as_str),
                ) {
                    (None, None) => Ok(Rule::String),
                    (Some(Some(DIGITS)), None) => Ok(Rule::Digits),
                    (None, Some(Some("base64"))) => Ok(Rule::Base64),
                    _ => Err(format!("of strings only the pattern {DIGITS} and base64 are taken")),
                }
            }
            "array" => {
                only(words, &["type", "items", "prefixItems", "minItems", "maxItems"], known)?;
                Ok(Rule::Array(Array {
                    first: words
                        .get("prefixItems")
                        .map_or(Ok(Vec::new()), |first| self.schemas(first))?,
                    rest: match words.get("items") {
                        Some(Value::Bool(_)) | None => None,
                        Some(items) => Some(Box::new(self.schema(items)?)),
                    },
                    min: count(words, "minItems")?.unwrap_or(0),
                    max: count(words, "maxItems")?.unwrap_or(u64::MAX),
                }))
            }
            "object" => {
                only(
                    words,
                    &["type", "properties", "required", "additionalProperties"],
                    known,
                )?;
                self.object(words).map(Rule::Object)
            }
            other => Err(format!("{} is no type of JSON", quoted(other))),
        }
    }

    fn object(&mut self, words: &Map<String, Value>) -> Result<Object, String> {
        let mut properties = IndexMap::new();
        for (name, schema) in words.get("properties").and_then(Value::as_object).into_iter().flatten() {
            properties.insert(name.clone(), self.schema(schema)?);
        }
        let required = words.get("required").and_then(Value::as_array).into_iter().flatten();
        let required = required.filter_map(|name| name.as_str().map(str::to_owned));
        Ok(Object {
            properties,
            required: required.collect(),
            others: match words.get("additionalProperties") {
                None | Some(Value::Bool(true)) => Others::Any,
                Some(Value::Bool(false)) => Others::None,
                Some(schema) => Others::Of(Box::new(self.schema(schema)?)),
            },
        })
    }

    fn schemas(&mut self, json: &Value) -> Result<Vec<Schema>, String> {
        let schemas = json.as_array().ok_or("a list of schemas is an array")?;
        schemas.iter().map(|schema| self.schema(schema)).collect()
    }
}

/// Refuses what is neither one of `taken` nor of `known`.
fn only(words: &Map<String, Value>, taken: &[&str], known: &[&str]) -> Result<(), String> {
    let stranger = words
        .keys()
        .find(|word| !taken.contains(&word.as_str()) && !known.contains(&word.as_str()));
    stranger.map_or(Ok(()), |word| {
        Err(format!("{} is not taken in a schema here", quoted(word)))
    })
}

fn scalars(json: &Value) -> Result<Vec<Value>, String> {
    let values = json.as_array().ok_or("the values of an `enum` are an array")?;
    match values.iter().find(|value| value.is_array() || value.is_object()) {
        Some(_) => Err("the values of an `enum` are scalars here".to_owned()),
        None => Ok(values.clone()),
    }
}

fn count(words: &Map<String, Value>, word: &str) -> Result<Option<u64>, String> {
    let number = words.get(word).map(Value::as_u64);
    number
        .map(|number| number.ok_or_else(|| format!("`{word}` is a whole number")))
        .transpose()
}
