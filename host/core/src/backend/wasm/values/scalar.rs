//! Values which are of one size.

use serde_json::{Number, Value};
use wasmtime::component::Val;

use super::integer::{Integer, MAX_EXACT};
use super::shape::Shape;

/// `None` where the JSON is not of this type.
pub(super) fn read(json: &Value, shape: &Shape) -> Option<Val> {
    match shape {
        Shape::Bool => json.as_bool().map(Val::Bool),
        Shape::Integer(integer) => integer.to_val(integer_of(json, *integer)?),
        Shape::Float32 => {
            let value = float_of(json)?;
            let short = value as f32;
            (short.is_infinite() == value.is_infinite()).then_some(Val::Float32(short))
        }
        Shape::Float64 => float_of(json).map(Val::Float64),
        Shape::Char => {
            let mut characters = json.as_str()?.chars();
            let character = characters.next()?;
            characters.next().is_none().then_some(Val::Char(character))
        }
        _ => None,
    }
}

/// `None` where the value is not of this type.
pub(super) fn write(value: &Val, shape: &Shape) -> Option<Value> {
    match (shape, value) {
        (Shape::Bool, Val::Bool(value)) => Some((*value).into()),
        (Shape::Integer(integer), _) => integer.of_val(value).map(number),
        (Shape::Float32, Val::Float32(value)) => Some(float32(*value)),
        (Shape::Float64, Val::Float64(value)) => Some(float64(*value)),
        (Shape::Char, Val::Char(value)) => Some(value.to_string().into()),
        _ => None,
    }
}

fn integer_of(json: &Value, integer: Integer) -> Option<i128> {
    match json {
        Value::Number(number) => whole(number),
        Value::String(text) if integer.is_wide() => text.parse().ok().filter(|value: &i128| value.to_string() == *text),
        _ => None,
    }
}

/// The integer that a number is exactly.
fn whole(number: &Number) -> Option<i128> {
    if let Some(value) = number.as_i128() {
        return Some(value);
    }
    let value = number.as_f64()?;
    (value.fract() == 0.0 && value.abs() <= MAX_EXACT as f64).then_some(value as i128)
}

fn float_of(json: &Value) -> Option<f64> {
    match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn number(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(exact) if value.abs() <= MAX_EXACT => exact.into(),
        _ => value.to_string().into(),
    }
}

/// The shortest decimal which is this value as `f32`, rather than all the digits that it has as `f64`.
fn float32(value: f32) -> Value {
    let short: Option<f64> = value.to_string().parse().ok();
    float64(short.filter(|short| *short as f32 == value).unwrap_or(value.into()))
}

fn float64(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.into(),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}
