//! What JSON Schema says of the keywords that our schemas have, and nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Whether `value` is valid by `schema`; panics at a keyword which is none of ours.
pub(super) fn is_valid(schema: &Value, value: &Value) -> bool {
    let keywords = match schema {
        Value::Bool(valid) => return *valid,
        _ => schema.as_object().unwrap(),
    };
    keywords.iter().all(|(keyword, operand)| match keyword.as_str() {
        "$schema" | "description" => true,
        // `additionalProperties` and `items` are of what these leave over.
        "properties" => {
            members(value).all(|(name, value)| operand.get(name).is_none_or(|schema| is_valid(schema, value)))
        }
        "additionalProperties" => members(value)
            .filter(|(name, _)| schema.get("properties").is_none_or(|known| known.get(name).is_none()))
            .all(|(_, value)| is_valid(operand, value)),
        "prefixItems" => items(value)
            .iter()
            .zip(operand.as_array().unwrap())
            .all(|(value, schema)| is_valid(schema, value)),
        "items" => {
            let prefix = schema
                .get("prefixItems")
                .map_or(0, |prefix| prefix.as_array().unwrap().len());
            items(value).iter().skip(prefix).all(|value| is_valid(operand, value))
        }
        "required" => {
            !value.is_object()
                || operand
                    .as_array()
                    .unwrap()
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
        }
        "anyOf" => operand.as_array().unwrap().iter().any(|schema| is_valid(schema, value)),
        "enum" => operand.as_array().unwrap().contains(value),
        "type" => is_type(operand.as_str().unwrap(), value),
        "minimum" => value.as_f64().is_none_or(|value| value >= operand.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|value| value <= operand.as_f64().unwrap()),
        "minItems" => !value.is_array() || items(value).len() as u64 >= operand.as_u64().unwrap(),
        "maxItems" => !value.is_array() || items(value).len() as u64 <= operand.as_u64().unwrap(),
        "uniqueItems" => (1..items(value).len()).all(|index| !items(value)[..index].contains(&items(value)[index])),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 >= operand.as_u64().unwrap()),
        "maxLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 <= operand.as_u64().unwrap()),
        "pattern" => value
            .as_str()
            .is_none_or(|text| is_decimal(operand.as_str().unwrap(), text)),
        "contentEncoding" => value.as_str().is_none_or(|text| STANDARD.decode(text).is_ok()),
        _ => panic!("{keyword} in {schema}"),
    })
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|value| value.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("type {name}"),
    }
}

fn is_decimal(pattern: &str, text: &str) -> bool {
    let (digits, most) = match pattern {
        "^(0|-?[1-9][0-9]{0,18})$" => (text.strip_prefix('-').unwrap_or(text), 19),
        "^(0|[1-9][0-9]{0,19})$" => (text, 20),
        _ => panic!("pattern {pattern}"),
    };
    text == "0"
        || (1..=most).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
}
