//! JSON schemas of what is taken and given.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::integer::{Integer, MAX_EXACT};
use super::shape::Shape;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

pub(super) fn parameters(parameters: &IndexMap<String, Shape>) -> Value {
    let mut schema = record(parameters);
    schema["$schema"] = DIALECT.into();
    schema
}

pub(super) fn result(shape: Option<&Shape>) -> Value {
    let mut schema = optional(shape);
    schema["$schema"] = DIALECT.into();
    schema
}

fn of(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(integer) => of_integer(*integer),
        Shape::Float32 => float(&json!({"type": "number", "minimum": f32::MIN, "maximum": f32::MAX})),
        Shape::Float64 => float(&json!({"type": "number"})),
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::String => json!({"type": "string"}),
        Shape::List(element) if element.is_byte() => json!({"anyOf": [
            {"type": "string", "contentEncoding": "base64"},
            {"type": "array", "items": of(element)},
        ]}),
        Shape::List(element) => json!({"type": "array", "items": of(element)}),
        Shape::FixedLengthList(element, length) => {
            json!({"type": "array", "items": of(element), "minItems": length, "maxItems": length})
        }
        Shape::Map(key, value) if key.is_string() => {
            json!({"type": "object", "additionalProperties": of(value)})
        }
        Shape::Map(key, value) => json!({"type": "array", "items": tuple(vec![of(key), of(value)])}),
        Shape::Record(fields) => record(fields),
        Shape::Tuple(items) => tuple(items.iter().map(of).collect()),
        Shape::Variant(cases) => variant(cases),
        Shape::Enum(names) => one_of(names),
        Shape::Option(some) if some.is_option() => json!({"anyOf": [{"type": "null"}, only("some", &of(some))]}),
        Shape::Option(some) => json!({"anyOf": [{"type": "null"}, of(some)]}),
        Shape::Result { ok, error } => json!({"anyOf": [
            only("ok", &optional(ok.as_deref())),
            only("error", &optional(error.as_deref())),
        ]}),
        Shape::Flags(names) => json!({"type": "array", "items": one_of(names), "uniqueItems": true}),
    }
}

fn of_integer(integer: Integer) -> Value {
    let (min, max) = integer.range().into_inner();
    let bound = |bound: i128| bound.clamp(-MAX_EXACT, MAX_EXACT) as i64;
    let number = json!({"type": "integer", "minimum": bound(min), "maximum": bound(max)});
    match integer {
        Integer::S64 => json!({"anyOf": [number, {"type": "string", "pattern": "^(0|-?[1-9][0-9]{0,18})$"}]}),
        Integer::U64 => json!({"anyOf": [number, {"type": "string", "pattern": "^(0|[1-9][0-9]{0,19})$"}]}),
        _ => number,
    }
}

fn float(number: &Value) -> Value {
    json!({"anyOf": [number, {"enum": ["NaN", "Infinity", "-Infinity"]}]})
}

fn tuple(items: Vec<Value>) -> Value {
    let length = items.len();
    json!({"type": "array", "prefixItems": items, "items": false, "minItems": length, "maxItems": length})
}

fn record(fields: &IndexMap<String, Shape>) -> Value {
    let required: Vec<_> = fields
        .iter()
        .filter(|(_, shape)| !shape.is_option())
        .map(|(name, _)| name)
        .collect();
    let properties: Map<_, _> = fields.iter().map(|(name, shape)| (name.clone(), of(shape))).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn variant(cases: &IndexMap<String, Option<Shape>>) -> Value {
    let bare: Vec<_> = cases
        .iter()
        .filter(|(_, payload)| payload.is_none())
        .map(|(name, _)| name)
        .collect();
    let bare = (!bare.is_empty()).then(|| one_of(bare));
    let others = cases
        .iter()
        .filter_map(|(name, payload)| Some(only(name, &of(payload.as_ref()?))));
    json!({"anyOf": bare.into_iter().chain(others).collect::<Vec<_>>()})
}

fn one_of<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    json!({"type": "string", "enum": names.into_iter().collect::<Vec<_>>()})
}

/// An object of one member.
fn only(name: &str, value: &Value) -> Value {
    json!({"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": false})
}

fn optional(shape: Option<&Shape>) -> Value {
    shape.map_or_else(|| json!({"type": "null"}), of)
}
