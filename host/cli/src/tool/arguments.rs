//! The arguments of a call, from words of the command line.

use std::io::Read;
use std::path::Path;

use palisade_client::wire::FunctionBody as Function;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::text_file;

/// The most that is read of arguments, in bytes.
const MAX_ARGUMENTS: u64 = 64 << 20;

/// One JSON object in whatever form, or an argument in each word.
pub(super) fn arguments(words: &[String], function: &Function) -> Result<Map<String, Value>, Failure> {
    match words {
        [word] if word == "-" => {
            let mut text = String::new();
            let read = std::io::stdin().take(MAX_ARGUMENTS + 1).read_to_string(&mut text);
            read.map_err(|error| Failure::invalid(format!("cannot read the arguments: {error}")))?;
            if text.len() as u64 > MAX_ARGUMENTS {
                return Err(Failure::invalid(format!(
                    "the arguments are over {MAX_ARGUMENTS} bytes"
                )));
            }
            parse(&text)
        }
        [word] if word.starts_with('@') => parse(&text_file::read(Path::new(&word[1..]))?),
        [word] if word.starts_with('{') => parse(word),
        words => {
            let mut given = Map::new();
            for word in words {
                let (name, value) = pair(word, function)?;
                if given.contains_key(&name) {
                    return Err(Failure::invalid(format!("{name} is given more than once")));
                }
                given.insert(name, value);
            }
            Ok(given)
        }
    }
}

fn parse(text: &str) -> Result<Map<String, Value>, Failure> {
    let parsed = serde_json::from_str(text);
    match parsed.map_err(|error| Failure::invalid(format!("the arguments are not JSON: {error}")))? {
        Value::Object(arguments) => Ok(arguments),
        other => Err(Failure::invalid(format!(
            "the arguments are {}, expected an object",
            kind(&other)
        ))),
    }
}

/// `NAME=VALUE`. What can only be a text of any kind, or null, is text as it stands. Everything else is JSON, and text
/// where it is no JSON that would do and the function takes some texts: digits of base64, the name of a case.
fn pair(word: &str, function: &Function) -> Result<(String, Value), Failure> {
    let unclear = || {
        Failure::invalid(format!(
            "{word:?} is no argument: give NAME=VALUE, a JSON object, `@FILE` or `-`"
        ))
    };
    let (name, value) = word.split_once('=').ok_or_else(unclear)?;
    let schemas = alternatives(&function.parameters["properties"][name]);
    let text = || Ok((name.to_owned(), Value::from(value)));
    let mut others = schemas.iter().filter(|schema| schema["type"] != "null");
    if others.next().is_some_and(|schema| is_any_text(schema)) && others.next().is_none() {
        return text();
    }
    let takes = |kind| schemas.iter().any(|schema| has_kind(schema, kind));
    match serde_json::from_str(value) {
        Ok(json) if takes(kind(&json)) || !takes("string") => Ok((name.to_owned(), json)),
        Err(_) if !takes("string") => {
            let hint = if value.starts_with('@') {
                "; @FILE stands for all arguments"
            } else {
                ""
            };
            let expected = kinds(&schemas);
            Err(Failure::invalid(format!(
                "{name}: expected {expected} as JSON, found {value:?}{hint}"
            )))
        }
        Ok(_) | Err(_) => text(),
    }
}

/// What the schema offers to choose from, however deep.
fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(any_of) => any_of.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

/// The types which a value may have.
fn kinds(schemas: &[&Value]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for schema in schemas {
        let of_enum = schema["enum"].as_array().and_then(|values| values.first()).map(kind);
        let named = schema["type"].as_str().or(of_enum).unwrap_or("a value");
        if !kinds.contains(&named) {
            kinds.push(named);
        }
    }
    kinds.join(" or ")
}

/// Whether it is for every text, and not only for those of some form.
fn is_any_text(schema: &Value) -> bool {
    let forms = ["pattern", "contentEncoding", "enum", "const"];
    schema["type"] == "string" && forms.iter().all(|form| schema.get(form).is_none())
}

fn has_kind(schema: &Value, expected: &str) -> bool {
    let of_enum = || schema["enum"].as_array()?.first().map(kind);
    let known = schema["type"].as_str().or_else(of_enum);
    let is_for_all = ["type", "enum", "const"].iter().all(|word| schema.get(word).is_none());
    is_for_all || known == Some(expected) || (known == Some("integer") && expected == "number")
}

/// The type of a value, as a schema calls it.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn function() -> Function {
        Function {
            name: "f".into(),
            docs: None,
            parameters: json!({"properties": {
                "text": {"type": "string"},
                "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                "count": {"type": "integer"},
                "char": {"type": "string", "minLength": 1, "maxLength": 1},
                "how": {"type": "string", "enum": ["a", "true"]},
                "wide": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[0-9]+$"}]},
                "float": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
                "bytes": {"anyOf": [
                    {"type": "null"},
                    {"anyOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "array"}]},
                ]},
                "variant": {"anyOf": [{"type": "string", "enum": ["bare"]}, {"type": "object"}]},
                "any": {"description": "whatever"},
                "large": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
            }}),
            result: None,
        }
    }

    fn parsed(words: &[&str]) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        arguments(&words, &function())
            .map(Value::Object)
            .map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn arguments_are_given_one_by_one_or_as_an_object() {
        let all = json!({"text": "5", "maybe": "a=b", "count": 5});
        assert_eq!(parsed(&["text=5", "maybe=a=b", "count=5"]), Ok(all.clone()));
        assert_eq!(parsed(&[&all.to_string()]), Ok(all));
        assert_eq!(parsed(&[]), Ok(json!({})));
    }

    #[test]
    fn a_value_is_json_where_its_function_takes_more_than_text() {
        for (word, value) in [
            ("maybe=null", json!("null")),
            ("text={}", json!("{}")),
            ("char=5", json!("5")),
            ("how=a", json!("a")),
            ("how=\"a\"", json!("a")),
            ("how=true", json!("true")),
            ("wide=5", json!(5)),
            ("wide=18446744073709551615", json!(u64::MAX)),
            ("float=1.5", json!(1.5)),
            ("float=NaN", json!("NaN")),
            ("bytes=[1,2]", json!([1, 2])),
            ("bytes=aGVsbG8=", json!("aGVsbG8=")),
            ("bytes=1234", json!("1234")),
            ("bytes=null", json!(null)),
            ("variant={\"case\":1}", json!({"case": 1})),
            ("variant=bare", json!("bare")),
            ("large=null", json!(null)),
            ("count=[]", json!([])),
            ("any=hello", json!("hello")),
            ("any=[1]", json!([1])),
            // What is unknown is for the function to refuse.
            ("other=hello", json!("hello")),
        ] {
            let (name, _) = word.split_once('=').unwrap();
            assert_eq!(parsed(&[word]), Ok(json!({ name: value })), "{word}");
        }
    }

    #[test]
    fn what_is_no_argument_is_told() {
        for (words, named) in [
            (&["text"][..], "text"),
            (&["count=five"], "count: expected integer as JSON, found \"five\""),
            (&["large=five"], "large: expected null or integer as JSON"),
            (&["count=@five"], "@FILE stands for all arguments"),
            (&["text=a", "count=1", "text=b"], "text is given more than once"),
            (&["{"], "not JSON"),
            (&["@/no/such/file"], "/no/such/file"),
        ] {
            let message = parsed(words).unwrap_err();
            assert!(message.contains(named), "{message}");
        }
    }
}
