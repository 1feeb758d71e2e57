//! The JSON schemas which scripts have: a part of draft 2020-12, checked by us.
//!
//! A script comes from a stranger and tells its schemas itself. So they are read into rules which cannot loop, refer to
//! anything, or hold patterns that take for ever; what else a schema says is refused.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

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

/// Comparisons that are made for one call: some hundredths of a second.
const MAX_STEPS: u64 = 2_000_000;

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Schema {
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
pub(super) struct Array {
    first: Vec<Schema>,
    others: Others,
    min: u64,
    max: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object {
    properties: IndexMap<String, Schema>,
    required: BTreeSet<String>,
    others: Others,
}

/// What there may be beside what is named.
#[derive(Debug, Clone, PartialEq)]
enum Others {
    None,
    Of(Box<Schema>),
}

impl Schema {
    /// Reads a schema; an error says what is not taken.
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        Reader { depth: 0, parts: 0 }.schema(json)
    }

    /// Checks the arguments of a call.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), BadArgument> {
        let mut checker = Checker { left: MAX_STEPS };
        if checker.matches(self, arguments) {
            return Ok(());
        }
        match checker.left {
            0 => {
                let expected = format!("arguments which are checked in {MAX_STEPS} steps");
                Err(Path::ROOT.error(expected, "more"))
            }
            _ => Err(checker.explain(self, arguments, &Path::ROOT)),
        }
    }

    fn is_of_kind(&self, value: &Value) -> bool {
        match self {
            Self::Array(_) => value.is_array(),
            Self::Object(_) => value.is_object(),
            _ => false,
        }
    }

    /// What belongs where there is something else, or nothing.
    fn expected(&self) -> String {
        match self {
            Self::Any => "anything".into(),
            Self::Null => "null".into(),
            Self::Boolean => "true or false".into(),
            Self::Integer => "an integer".into(),
            Self::Number => "a number".into(),
            Self::String => "a string".into(),
            Self::Base64 => "base64 with its padding".into(),
            Self::Digits => "a string of digits".into(),
            Self::Enum(values) => {
                let values = values.iter().take(5).map(|value| match value {
                    Value::String(text) => quoted(text),
                    other => other.to_string(),
                });
                values.collect::<Vec<_>>().join(" or ")
            }
            Self::Array(Array { min, max, .. }) if min == max => format!("an array of {min}"),
            Self::Array(_) => "an array".into(),
            Self::Object(_) => "an object".into(),
            Self::AnyOf(schemas) => {
                let each = schemas.iter().take(5).map(Self::expected);
                shown(&each.collect::<Vec<_>>().join(" or "), MAX_EXPECTED)
            }
        }
    }
}

/// Compares values with schemas, as long as there are steps left; then nothing matches any more.
struct Checker {
    left: u64,
}

impl Checker {
    fn matches(&mut self, schema: &Schema, value: &Value) -> bool {
        if !self.step(1) {
            return false;
        }
        match (schema, value) {
            (Schema::Any, _) => true,
            (Schema::Null, _) => value.is_null(),
            (Schema::Boolean, _) => value.is_boolean(),
            (Schema::Integer, Value::Number(number)) => is_whole(number),
            (Schema::Number, _) => value.is_number(),
            (Schema::String, _) => value.is_string(),
            (Schema::Base64, Value::String(text)) => self.step(text.len() as u64 / 8) && STANDARD.decode(text).is_ok(),
            (Schema::Digits, Value::String(text)) => self.step(text.len() as u64 / 8) && is_digits(text),
            (Schema::Enum(values), _) => self.step(values.len() as u64) && values.contains(value),
            (Schema::Array(array), Value::Array(items)) => {
                array.takes(items.len()) && items.iter().enumerate().all(|(at, item)| self.item(array, at, item))
            }
            (Schema::Object(object), Value::Object(members)) => {
                let all = |checker: &mut Self| members.iter().all(|(name, value)| checker.member(object, name, value));
                self.step(object.required.len() as u64) && object.missing(members).is_none() && all(self)
            }
            (Schema::AnyOf(schemas), _) => schemas.iter().any(|schema| self.matches(schema, value)),
            _ => false,
        }
    }

    fn item(&mut self, array: &Array, at: usize, item: &Value) -> bool {
        array.schema(at).is_some_and(|schema| self.matches(schema, item))
    }

    fn member(&mut self, object: &Object, name: &str, value: &Value) -> bool {
        object.schema(name).is_some_and(|schema| self.matches(schema, value))
    }

    /// What is wrong with a value which does not match.
    fn explain(&mut self, schema: &Schema, value: &Value, at: &Path<'_>) -> BadArgument {
        match (schema, value) {
            (Schema::Array(array), Value::Array(items)) if array.takes(items.len()) => {
                let wrong = items
                    .iter()
                    .enumerate()
                    .find(|(index, item)| !self.item(array, *index, item));
                match wrong.and_then(|(index, item)| Some((index, item, array.schema(index)?))) {
                    Some((index, item, schema)) => self.explain(schema, item, &at.element(index)),
                    None => at.wrong(schema.expected(), value),
                }
            }
            (Schema::Object(object), Value::Object(members)) => {
                let wrong = members.iter().find(|(name, value)| !self.member(object, name, value));
                match (
                    wrong.map(|(name, value)| (name, value, object.schema(name))),
                    object.missing(members),
                ) {
                    (Some((name, value, Some(schema))), _) => self.explain(schema, value, &at.member(name)),
                    (Some((name, _, None)), _) => at.error(instead_of(name, object.properties.keys()), quoted(name)),
                    (None, Some((name, schema))) => at.member(name).error(schema.expected(), "nothing"),
                    (None, None) => at.wrong(schema.expected(), value),
                }
            }
            // Where only one of several could be meant, what is wrong is what that one says.
            (Schema::AnyOf(schemas), _) => {
                let mut meant = schemas.iter().filter(|schema| schema.is_of_kind(value));
                match (meant.next(), meant.next()) {
                    (Some(schema), None) => self.explain(schema, value, at),
                    _ => at.wrong(schema.expected(), value),
                }
            }
            _ => at.wrong(schema.expected(), value),
        }
    }

    fn step(&mut self, steps: u64) -> bool {
        self.left = self.left.saturating_sub(steps);
        self.left > 0
    }
}

impl Array {
    fn takes(&self, length: usize) -> bool {
        (self.min..=self.max).contains(&(length as u64))
    }

    fn schema(&self, index: usize) -> Option<&Schema> {
        self.first.get(index).or(self.others.schema())
    }
}

impl Object {
    fn schema(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(self.others.schema())
    }

    /// A required member which is not there.
    fn missing(&self, members: &Map<String, Value>) -> Option<(&str, &Schema)> {
        let name = self.required.iter().find(|name| !members.contains_key(*name))?;
        Some((name, self.schema(name).unwrap_or(&Schema::Any)))
    }
}

impl Others {
    fn schema(&self) -> Option<&Schema> {
        match self {
            Self::None => None,
            Self::Of(schema) => Some(schema),
        }
    }
}

/// Whether a number is an integer for sure: beyond 2^53 a fraction may have been rounded away.
fn is_whole(number: &Number) -> bool {
    let exact = 9_007_199_254_740_991.0;
    number.is_i64()
        || number.is_u64()
        || number
            .as_f64()
            .is_some_and(|value| value.fract() == 0.0 && value.abs() <= exact)
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
        self.depth += 1;
        self.count(1)?;
        if self.depth > MAX_DEPTH {
            return Err(format!("a schema is at most {MAX_DEPTH} deep"));
        }
        self.known(words)?;
        let schema = if let Some(any) = words.get("anyOf") {
            only(words, &["anyOf"])?;
            Schema::AnyOf(self.schemas(any, "anyOf")?)
        } else if let Some(values) = words.get("enum") {
            only(words, &["enum", "type"])?;
            let values = self.scalars(values)?;
            let typed = words
                .get("type")
                .map(|ty| self.typed(&Map::from_iter([("type".to_owned(), ty.clone())])));
            if let Some(typed) = typed.transpose()? {
                let mut checker = Checker { left: MAX_STEPS };
                if !values.iter().all(|value| checker.matches(&typed, value)) {
                    return Err("`enum` has values which are not of its `type`".to_owned());
                }
            }
            Schema::Enum(values)
        } else {
            self.typed(words)?
        };
        self.depth -= 1;
        Ok(schema)
    }

    /// What is for people and not for us.
    fn known(&mut self, words: &Map<String, Value>) -> Result<(), String> {
        for word in ["description", "title"] {
            if words.get(word).is_some_and(|text| !text.is_string()) {
                return Err(format!("`{word}` is a string"));
            }
        }
        words.get("default").map_or(Ok(()), |value| self.count(nodes(value)))
    }

    fn typed(&mut self, words: &Map<String, Value>) -> Result<Schema, String> {
        let Some(ty) = words.get("type") else {
            only(words, &[])?;
            return Ok(Schema::Any);
        };
        let simple = |schema| only(words, &["type"]).map(|()| schema);
        match ty.as_str().ok_or("`type` is one string here")? {
            "null" => simple(Schema::Null),
            "boolean" => simple(Schema::Boolean),
            "integer" => simple(Schema::Integer),
            "number" => simple(Schema::Number),
            "string" => {
                only(words, &["type", "pattern", "contentEncoding"])?;
                let word = |word: &str| words.get(word).map(|value| value.as_str().unwrap_or_default());
                match (word("pattern"), word("contentEncoding")) {
                    (None, None) => Ok(Schema::String),
                    (Some(DIGITS), None) => Ok(Schema::Digits),
                    (None, Some("base64")) => Ok(Schema::Base64),
                    _ => Err(format!("of strings only the pattern {DIGITS} and base64 are taken")),
                }
            }
            "array" => {
                only(words, &["type", "items", "prefixItems", "minItems", "maxItems"])?;
                let first = words.get("prefixItems");
                Ok(Schema::Array(Array {
                    first: first.map_or(Ok(Vec::new()), |first| self.schemas(first, "prefixItems"))?,
                    others: self.others(words.get("items"))?,
                    min: length(words, "minItems")?.unwrap_or(0),
                    max: length(words, "maxItems")?.unwrap_or(u64::MAX),
                }))
            }
            "object" => {
                only(words, &["type", "properties", "required", "additionalProperties"])?;
                self.object(words).map(Schema::Object)
            }
            other => Err(format!("{} is no type of JSON", quoted(other))),
        }
    }

    fn object(&mut self, words: &Map<String, Value>) -> Result<Object, String> {
        let mut properties = IndexMap::new();
        if let Some(all) = words.get("properties") {
            for (name, schema) in all.as_object().ok_or("`properties` is an object")? {
                properties.insert(name.clone(), self.schema(schema)?);
            }
        }
        let mut required = BTreeSet::new();
        if let Some(all) = words.get("required") {
            for name in all.as_array().ok_or("`required` is an array")? {
                self.count(1)?;
                required.insert(name.as_str().ok_or("`required` is of strings")?.to_owned());
            }
        }
        Ok(Object {
            properties,
            required,
            others: self.others(words.get("additionalProperties"))?,
        })
    }

    fn others(&mut self, json: Option<&Value>) -> Result<Others, String> {
        Ok(match json {
            None | Some(Value::Bool(true)) => Others::Of(Box::new(Schema::Any)),
            Some(Value::Bool(false)) => Others::None,
            Some(schema) => Others::Of(Box::new(self.schema(schema)?)),
        })
    }

    fn schemas(&mut self, json: &Value, word: &str) -> Result<Vec<Schema>, String> {
        match json.as_array() {
            Some(schemas) if !schemas.is_empty() => schemas.iter().map(|schema| self.schema(schema)).collect(),
            _ => Err(format!("`{word}` is an array of schemas")),
        }
    }

    fn scalars(&mut self, json: &Value) -> Result<Vec<Value>, String> {
        match json.as_array() {
            Some(values)
                if !values.is_empty() && values.iter().all(|value| !value.is_array() && !value.is_object()) =>
            {
                self.count(values.len())?;
                Ok(values.clone())
            }
            _ => Err("`enum` is an array of scalars here".to_owned()),
        }
    }

    fn count(&mut self, parts: usize) -> Result<(), String> {
        self.parts += parts;
        match self.parts <= MAX_PARTS {
            true => Ok(()),
            false => Err(format!("a schema has at most {MAX_PARTS} parts")),
        }
    }
}

/// How many values there are in one.
fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}

/// Refuses what is neither one of `taken` nor for people.
fn only(words: &Map<String, Value>, taken: &[&str]) -> Result<(), String> {
    let known = ["description", "title", "default"];
    let stranger = words
        .keys()
        .find(|word| !taken.contains(&word.as_str()) && !known.contains(&word.as_str()));
    stranger.map_or(Ok(()), |word| {
        Err(format!("{} is not taken in a schema here", quoted(word)))
    })
}

fn length(words: &Map<String, Value>, word: &str) -> Result<Option<u64>, String> {
    let number = words.get(word).map(Value::as_u64);
    number
        .map(|number| number.ok_or_else(|| format!("`{word}` is a whole number")))
        .transpose()
}
