//! JSON to values.

use std::mem;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};
use wasmtime::component::Val;

use super::scalar;
use super::shape::Shape;
use crate::tool::names::{instead_of, quoted};
use crate::tool::path::{BadArgument, Path};

/// What an allocation takes beside what is asked for.
const ALLOCATION: usize = 16;

pub(super) fn arguments(
    mut json: Value,
    parameters: &IndexMap<String, Shape>,
    max_bytes: usize,
) -> Result<Vec<Val>, BadArgument> {
    let mut decoder = Decoder {
        max_bytes,
        left: max_bytes,
    };
    decoder.fields(&mut json, parameters, &Path::ROOT, |_, _, value| Ok(value))
}

/// Every value takes from `left` what it has on the heap, before it has it. Strings are moved out of the JSON.
struct Decoder {
    max_bytes: usize,
    left: usize,
}

impl Decoder {
    fn value(&mut self, json: &mut Value, shape: &Shape, at: &Path<'_>) -> Result<Val, BadArgument> {
        match (shape, &mut *json) {
            (Shape::Bool | Shape::Integer(_) | Shape::Float32 | Shape::Float64 | Shape::Char, _) => {
                scalar::read(json, shape).ok_or_else(|| at.wrong(expected(shape), json))
            }
            (Shape::String, Value::String(text)) => {
                self.take(text.len(), at)?;
                Ok(Val::String(mem::take(text)))
            }
            (Shape::List(element), Value::String(text)) if element.is_byte() => self.base64(text, at),
            (Shape::List(element), Value::Array(items)) => self.list(items, element, at).map(Val::List),
            (Shape::FixedLengthList(element, length), Value::Array(items)) if items.len() == *length => {
                self.list(items, element, at).map(Val::FixedLengthList)
            }
            (Shape::Tuple(shapes), Value::Array(items)) if items.len() == shapes.len() => {
                self.items(items.iter_mut().zip(shapes), at).map(Val::Tuple)
            }
            (Shape::Map(key, value), Value::Object(members)) if key.is_string() => self.members(members, value, at),
            (Shape::Map(key, value), Value::Array(pairs)) if !key.is_string() => self.pairs(pairs, key, value, at),
            (Shape::Record(fields), _) => self
                .fields(json, fields, at, |this, name, value| Ok((this.text(name, at)?, value)))
                .map(Val::Record),
            (Shape::Variant(cases), _) => self.variant(json, cases, at),
            (Shape::Enum(names), Value::String(name)) if names.contains(name) => self.text(name, at).map(Val::Enum),
            (Shape::Enum(names), Value::String(name)) => Err(at.wrong(instead_of(name, names.iter()), json)),
            (Shape::Option(_), Value::Null) => Ok(Val::Option(None)),
            (Shape::Option(some), _) => self.option(json, some, at),
            (Shape::Result { ok, error }, Value::Object(members)) => match sole(members) {
                Some((name @ "ok", json)) => self.payload(json, ok.as_deref(), &at.member(name)).map(Ok),
                Some((name @ "error", json)) => self.payload(json, error.as_deref(), &at.member(name)).map(Err),
                _ => Err(at.wrong(expected(shape), json)),
            }
            .map(Val::Result),
            (Shape::Flags(names), Value::Array(items)) => self.flags(items, names, at),
            _ => Err(at.wrong(expected(shape), json)),
        }
    }

    fn text(&mut self, text: &str, at: &Path<'_>) -> Result<String, BadArgument> {
        self.take(text.len(), at)?;
        Ok(text.to_owned())
    }

    fn boxed(&mut self, json: &mut Value, shape: &Shape, at: &Path<'_>) -> Result<Box<Val>, BadArgument> {
        self.take(size_of::<Val>(), at)?;
        self.value(json, shape, at).map(Box::new)
    }

    fn base64(&mut self, text: &str, at: &Path<'_>) -> Result<Val, BadArgument> {
        self.take((text.len() / 4 * 3).saturating_mul(size_of::<Val>()), at)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|_| at.error("base64 with its padding, or an array", quoted(text)))?;
        Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
    }

    fn list(&mut self, items: &mut [Value], element: &Shape, at: &Path<'_>) -> Result<Vec<Val>, BadArgument> {
        self.items(items.iter_mut().map(|item| (item, element)), at)
    }

    fn items<'a>(
        &mut self,
        items: impl ExactSizeIterator<Item = (&'a mut Value, &'a Shape)>,
        at: &Path<'_>,
    ) -> Result<Vec<Val>, BadArgument> {
        let mut values = self.vec(items.len(), at)?;
        for (index, (item, shape)) in items.enumerate() {
            values.push(self.value(item, shape, &at.element(index))?);
        }
        Ok(values)
    }

    fn members(&mut self, members: &mut Map<String, Value>, shape: &Shape, at: &Path<'_>) -> Result<Val, BadArgument> {
        let mut entries = self.vec(members.len(), at)?;
        for (name, json) in members {
            let key = Val::String(self.text(name, at)?);
            entries.push((key, self.value(json, shape, &at.member(name))?));
        }
        Ok(Val::Map(entries))
    }

    fn pairs(&mut self, pairs: &mut [Value], key: &Shape, value: &Shape, at: &Path<'_>) -> Result<Val, BadArgument> {
        let mut entries = self.vec(pairs.len(), at)?;
        for (index, pair) in pairs.iter_mut().enumerate() {
            let at = at.element(index);
            match pair.as_array_mut().map(Vec::as_mut_slice) {
                Some([first, second]) => entries.push((
                    self.value(first, key, &at.element(0))?,
                    self.value(second, value, &at.element(1))?,
                )),
                _ => return Err(at.wrong("an array of a key and a value", pair)),
            }
        }
        Ok(Val::Map(entries))
    }

    /// What `make` makes of each field, in the order of `shapes`.
    fn fields<T>(
        &mut self,
        json: &mut Value,
        shapes: &IndexMap<String, Shape>,
        at: &Path<'_>,
        mut make: impl FnMut(&mut Self, &str, Val) -> Result<T, BadArgument>,
    ) -> Result<Vec<T>, BadArgument> {
        let Value::Object(members) = json else {
            return Err(at.wrong("an object", json));
        };
        let unknown = |members: &Map<String, Value>| {
            let name = members.keys().find(|name| !shapes.contains_key(*name))?;
            Some(at.error(instead_of(name, shapes.keys()), quoted(name)))
        };
        let mut fields = self.vec(shapes.len(), at)?;
        let mut known = 0;
        for (name, shape) in shapes {
            let at = at.member(name);
            let value = match members.get_mut(name) {
                Some(json) => {
                    known += 1;
                    self.value(json, shape, &at)?
                }
                None if shape.is_option() => Val::Option(None),
                None => return Err(unknown(members).unwrap_or_else(|| at.error(expected(shape), "nothing"))),
            };
            fields.push(make(self, name, value)?);
        }
        if members.len() > known
            && let Some(error) = unknown(members)
        {
            return Err(error);
        }
        Ok(fields)
    }

    fn variant(
        &mut self,
        json: &mut Value,
        cases: &IndexMap<String, Option<Shape>>,
        at: &Path<'_>,
    ) -> Result<Val, BadArgument> {
        let (name, payload) = match json {
            Value::String(name) => (name.as_str(), None),
            Value::Object(members) => match sole(members) {
                Some((name, payload)) => (name, Some(payload)),
                None => return Err(at.wrong("an object of one case", json)),
            },
            _ => return Err(at.wrong("the name of a case, or an object of one case", json)),
        };
        let payload = match (cases.get(name), payload) {
            (None, _) => return Err(at.wrong(instead_of(name, cases.keys()), json)),
            (Some(None), None) => None,
            (Some(Some(shape)), Some(json)) => Some(self.boxed(json, shape, &at.member(name))?),
            (Some(Some(_)), None) => return Err(at.wrong("an object, since the case has a payload", json)),
            (Some(None), Some(_)) => return Err(at.wrong("a string, since the case has no payload", json)),
        };
        Ok(Val::Variant(self.text(name, at)?, payload))
    }

    fn option(&mut self, json: &mut Value, some: &Shape, at: &Path<'_>) -> Result<Val, BadArgument> {
        if !some.is_option() {
            return Ok(Val::Option(Some(self.boxed(json, some, at)?)));
        }
        match json.as_object_mut().and_then(sole) {
            Some(("some", json)) => Ok(Val::Option(Some(self.boxed(json, some, &at.member("some"))?))),
            _ => Err(at.wrong(r#"null or an object of "some""#, json)),
        }
    }

    fn payload(
        &mut self,
        json: &mut Value,
        shape: Option<&Shape>,
        at: &Path<'_>,
    ) -> Result<Option<Box<Val>>, BadArgument> {
        match shape {
            Some(shape) => self.boxed(json, shape, at).map(Some),
            None if json.is_null() => Ok(None),
            None => Err(at.wrong("null", json)),
        }
    }

    fn flags(&mut self, items: &[Value], names: &IndexSet<String>, at: &Path<'_>) -> Result<Val, BadArgument> {
        let mut set = vec![false; names.len()];
        for (index, item) in items.iter().enumerate() {
            let at = at.element(index);
            let Value::String(name) = item else {
                return Err(at.wrong("the name of a flag", item));
            };
            match names.get_index_of(name) {
                None => return Err(at.wrong(instead_of(name, names.iter()), item)),
                Some(flag) if set[flag] => return Err(at.wrong("each flag once", item)),
                Some(flag) => set[flag] = true,
            }
        }
        let mut flags = self.vec(items.len(), at)?;
        for (name, _) in names.iter().zip(set).filter(|(_, set)| *set) {
            flags.push(self.text(name, at)?);
        }
        Ok(Val::Flags(flags))
    }

    /// An empty vector with room for `length`.
    fn vec<T>(&mut self, length: usize, at: &Path<'_>) -> Result<Vec<T>, BadArgument> {
        self.take(length.saturating_mul(size_of::<T>()), at)?;
        Ok(Vec::with_capacity(length))
    }

    fn take(&mut self, bytes: usize, at: &Path<'_>) -> Result<(), BadArgument> {
        let left = self.left.checked_sub(bytes.saturating_add(ALLOCATION));
        self.left = left.ok_or_else(|| {
            let expected = format!("arguments which take at most {} bytes of memory", self.max_bytes);
            at.error(expected, "more")
        })?;
        Ok(())
    }
}

/// The only member of an object.
fn sole(members: &mut Map<String, Value>) -> Option<(&str, &mut Value)> {
    let is_sole = members.len() == 1;
    members
        .iter_mut()
        .next()
        .filter(|_| is_sole)
        .map(|(name, value)| (name.as_str(), value))
}

/// What belongs where there is something of another kind, or nothing.
fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true or false".into(),
        Shape::Integer(integer) => {
            let (min, max) = integer.range().into_inner();
            let text = if integer.is_wide() {
                ", beyond 2^53 - 1 as a decimal string"
            } else {
                ""
            };
            format!("an integer from {min} to {max}{text}")
        }
        Shape::Float32 => r#"a number of 32 bits, "NaN", "Infinity" or "-Infinity""#.into(),
        Shape::Float64 => r#"a number, "NaN", "Infinity" or "-Infinity""#.into(),
        Shape::Char => "a string of one character".into(),
        Shape::String => "a string".into(),
        Shape::List(element) if element.is_byte() => "base64 or an array".into(),
        Shape::List(_) => "an array".into(),
        Shape::FixedLengthList(_, length) => format!("an array of {length}"),
        Shape::Tuple(shapes) => format!("an array of {}", shapes.len()),
        Shape::Map(key, _) if !key.is_string() => "an array of pairs".into(),
        Shape::Map(..) | Shape::Record(_) => "an object".into(),
        Shape::Variant(_) => "the name of a case, or an object of one case".into(),
        Shape::Enum(_) => "a string".into(),
        Shape::Option(some) => format!("null or {}", expected(some)),
        Shape::Result { .. } => r#"an object of "ok" or "error""#.into(),
        Shape::Flags(_) => "an array of names".into(),
    }
}
