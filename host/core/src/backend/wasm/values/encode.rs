//! Values to JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::shape::Shape;
use super::{Bytes, scalar};

/// What the members of an object take at least: a node of a B-tree has room for eleven.
pub(super) const OBJECT: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16;

/// What each member of an object takes beside its name and value.
pub(super) const MEMBER: usize = size_of::<String>() + 16;

/// A result which cannot be told as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadResult {
    #[error("the result as JSON takes more than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
    /// A defect, since wasmtime makes results by their types.
    #[error("the result is not of its type")]
    Mistyped,
}

/// A result as JSON.
#[derive(Debug, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) json: Value,
    /// Its text has no more bytes than this, and may have far fewer.
    pub(crate) max_text: usize,
}

pub(super) fn result(
    value: Option<Val>,
    shape: Option<&Shape>,
    bytes: Bytes,
    max_bytes: usize,
) -> Result<Encoded, BadResult> {
    let mut encoder = Encoder {
        bytes,
        max_bytes,
        left: max_bytes,
        escapes: 0,
    };
    let json = encoder.optional(value, shape)?;
    let max_text = (max_bytes - encoder.left).saturating_add(encoder.escapes);
    Ok(Encoded { json, max_text })
}

/// Every value takes from `left` what it has in memory, which is no less than its text has, escapes left out.
struct Encoder {
    bytes: Bytes,
    max_bytes: usize,
    left: usize,
    /// What the text may have in escapes.
    escapes: usize,
}

/// What each byte of a string may add as an escape: `\u0000`.
const ESCAPE: usize = 5;

impl Encoder {
    fn value(&mut self, value: Val, shape: &Shape) -> Result<Value, BadResult> {
        // More than the text of any number, and than the brackets, quotes and commas of anything else.
        self.take(size_of::<Value>())?;
        match (shape, value) {
            (Shape::Bool | Shape::Integer(_) | Shape::Float32 | Shape::Float64 | Shape::Char, value) => {
                scalar::write(&value, shape).ok_or(BadResult::Mistyped)
            }
            (Shape::String, Val::String(text)) => self.text(text).map(Value::String),
            (Shape::List(element), Val::List(items)) if element.is_byte() && self.bytes == Bytes::Base64 => {
                self.base64(&items)
            }
            (Shape::List(element), Val::List(items)) => self.array(items.into_iter().map(|item| (item, &**element))),
            (Shape::FixedLengthList(element, length), Val::FixedLengthList(items)) if items.len() == *length => {
                self.array(items.into_iter().map(|item| (item, &**element)))
            }
            (Shape::Tuple(shapes), Val::Tuple(items)) if items.len() == shapes.len() => {
                self.array(items.into_iter().zip(shapes))
            }
            (Shape::Map(key, value), Val::Map(entries)) => self.map(entries, key, value),
            (Shape::Record(shapes), Val::Record(fields)) => self.record(fields, shapes),
            (Shape::Variant(cases), Val::Variant(case, payload)) => {
                let shape = cases.get(&case).ok_or(BadResult::Mistyped)?.as_ref();
                self.variant(case, payload.map(|payload| *payload), shape)
            }
            (Shape::Enum(_), Val::Enum(name)) => self.text(name).map(Value::String),
            (Shape::Option(_), Val::Option(None)) => Ok(Value::Null),
            (Shape::Option(shape), Val::Option(Some(some))) if shape.is_option() => {
                self.only("some".into(), Some(*some), Some(shape))
            }
            (Shape::Option(shape), Val::Option(Some(some))) => self.value(*some, shape),
            (Shape::Result { ok, .. }, Val::Result(Ok(value))) => {
                self.only("ok".into(), value.map(|value| *value), ok.as_deref())
            }
            (Shape::Result { error, .. }, Val::Result(Err(value))) => {
                self.only("error".into(), value.map(|value| *value), error.as_deref())
            }
            (Shape::Flags(_), Val::Flags(names)) => self.names(names),
            _ => Err(BadResult::Mistyped),
        }
    }

    fn optional(&mut self, value: Option<Val>, shape: Option<&Shape>) -> Result<Value, BadResult> {
        match (value, shape) {
            (Some(value), Some(shape)) => self.value(value, shape),
            (None, None) => {
                self.take(size_of::<Value>())?;
                Ok(Value::Null)
            }
            _ => Err(BadResult::Mistyped),
        }
    }

    fn text(&mut self, text: String) -> Result<String, BadResult> {
        self.take(text.len())?;
        self.escapes = self.escapes.saturating_add(text.len().saturating_mul(ESCAPE));
        Ok(text)
    }

    fn base64(&mut self, items: &[Val]) -> Result<Value, BadResult> {
        self.take(items.len().div_ceil(3).saturating_mul(4))?;
        let byte = |item: &Val| match item {
            Val::U8(byte) => Ok(*byte),
            _ => Err(BadResult::Mistyped),
        };
        let bytes = items.iter().map(byte).collect::<Result<Vec<_>, _>>()?;
        Ok(STANDARD.encode(bytes).into())
    }

    fn array<'a>(&mut self, items: impl Iterator<Item = (Val, &'a Shape)>) -> Result<Value, BadResult> {
        let items = items.map(|(item, shape)| self.value(item, shape));
        items.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn names(&mut self, names: Vec<String>) -> Result<Value, BadResult> {
        let names = names.into_iter().map(|name| {
            self.take(size_of::<Value>())?;
            self.text(name).map(Value::String)
        });
        names.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn map(&mut self, entries: Vec<(Val, Val)>, key: &Shape, value: &Shape) -> Result<Value, BadResult> {
        if key.is_string() {
            let members = entries.into_iter().map(|(key, item)| match key {
                Val::String(name) => Ok((name, item, value)),
                _ => Err(BadResult::Mistyped),
            });
            return self.object(members);
        }
        let pairs = entries.into_iter().map(|(name, item)| {
            self.take(size_of::<Value>())?;
            self.array([(name, key), (item, value)].into_iter())
        });
        pairs.collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn record(&mut self, fields: Vec<(String, Val)>, shapes: &IndexMap<String, Shape>) -> Result<Value, BadResult> {
        if fields.len() != shapes.len() {
            return Err(BadResult::Mistyped);
        }
        self.object(fields.into_iter().map(|(name, value)| {
            let shape = shapes.get(&name).ok_or(BadResult::Mistyped)?;
            Ok((name, value, shape))
        }))
    }

    fn variant(&mut self, case: String, payload: Option<Val>, shape: Option<&Shape>) -> Result<Value, BadResult> {
        match (payload, shape) {
            (None, None) => self.text(case).map(Value::String),
            (payload, shape) => self.only(case, payload, shape),
        }
    }

    fn object<'a>(
        &mut self,
        members: impl Iterator<Item = Result<(String, Val, &'a Shape), BadResult>>,
    ) -> Result<Value, BadResult> {
        self.take(OBJECT)?;
        let mut object = Map::new();
        for member in members {
            let (name, value, shape) = member?;
            self.take(MEMBER)?;
            object.insert(self.text(name)?, self.value(value, shape)?);
        }
        Ok(object.into())
    }

    /// An object of one member.
    fn only(&mut self, name: String, value: Option<Val>, shape: Option<&Shape>) -> Result<Value, BadResult> {
        self.take(OBJECT + MEMBER)?;
        let name = self.text(name)?;
        let value = self.optional(value, shape)?;
        Ok(Map::from_iter([(name, value)]).into())
    }

    fn take(&mut self, bytes: usize) -> Result<(), BadResult> {
        let max_bytes = self.max_bytes;
        self.left = self.left.checked_sub(bytes).ok_or(BadResult::TooLarge { max_bytes })?;
        Ok(())
    }
}
