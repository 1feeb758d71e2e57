//! What is told of tools.

use palisade_client::wire::{FunctionBody, ToolBody, ToolLine};
use serde_json::{Value, json};

use crate::report::{self, Format, visible};

pub(super) fn added(tool: &ToolBody, format: Format) {
    let ToolBody { functions, skipped, .. } = tool;
    match format {
        Format::Json => report::print_json(&json!(tool)),
        Format::Text => {
            let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
            let line = format!("{} {}: {}", tool.name, short(&tool.digest), names.join(", "));
            report::print((visible(&line) + "\n").as_bytes());
            for skipped in skipped {
                report::say(&format!("{} is not offered: {}", skipped.name, skipped.reason));
            }
        }
    }
}

pub(super) fn list(entries: &[ToolLine], format: Format) {
    if format == Format::Json {
        return report::print_json(&json!(entries));
    }
    report::print(table(entries).as_bytes());
}

fn table(entries: &[ToolLine]) -> String {
    let names: Vec<String> = entries.iter().map(|entry| visible(&entry.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let line = |(entry, name): (&ToolLine, &String)| {
        let replaced = if entry.current { "" } else { "  replaced" };
        let disabled = if entry.enabled { "" } else { "  disabled" };
        format!("{name:width$}  {}{replaced}{disabled}\n", short(&entry.digest))
    };
    entries.iter().zip(&names).map(line).collect()
}

pub(super) fn show(tool: &ToolBody, format: Format) {
    if format == Format::Json {
        return report::print_json(&json!(tool));
    }
    let ToolBody {
        functions,
        imports,
        skipped,
        ..
    } = tool;
    let mut lines = vec![format!("{} {}", tool.name, tool.digest)];
    lines.extend(tool.interpreter.iter().map(|digest| format!("interpreted by {digest}")));
    for function in functions {
        lines.push(String::new());
        lines.push(signature(function));
        let docs = function.docs.as_deref().unwrap_or_default();
        lines.extend(docs.lines().map(|line| format!("  {line}").trim_end().to_owned()));
        lines.extend(parameters(function));
    }
    if !skipped.is_empty() {
        lines.extend([String::new(), "not offered:".into()]);
        lines.extend(
            skipped
                .iter()
                .map(|skipped| format!("  {}: {}", skipped.name, skipped.reason)),
        );
    }
    // Those of an interpreter are the same for each script.
    if !imports.is_empty() && tool.interpreter.is_none() {
        lines.extend([String::new(), "imports:".into()]);
        lines.extend(imports.iter().map(|import| format!("  {import}")));
    }
    let text: String = lines.iter().map(|line| visible(line) + "\n").collect();
    report::print(text.as_bytes());
}

/// What the parameters mean, where that is told.
fn parameters(function: &FunctionBody) -> impl Iterator<Item = String> {
    let properties = function.parameters["properties"].as_object().into_iter().flatten();
    properties.filter_map(|(name, schema)| {
        let about = schema["description"].as_str()?;
        let default = schema.get("default").map(|value| format!(" ({value} by default)"));
        Some(format!("    {name}: {about}{}", default.unwrap_or_default()))
    })
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// `name(argument: type, optional?: type) -> type`
fn signature(function: &FunctionBody) -> String {
    let properties = function.parameters["properties"].as_object();
    let required = function.parameters["required"].as_array();
    let required: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let optional = properties.into_iter().flatten().map(|(name, _)| name.as_str());
    let optional = optional.filter(|name| !required.contains(name)).map(|name| (name, "?"));
    let all = required.iter().map(|name| (*name, "")).chain(optional);
    let parameters = all.map(|(name, mark)| {
        let schema = &function.parameters["properties"][name];
        format!("{name}{mark}: {}", brief(schema))
    });
    let parameters: Vec<String> = parameters.collect();
    let result = function.result.as_ref().map(|schema| format!(" -> {}", brief(schema)));
    format!(
        "{}({}){}",
        function.name,
        parameters.join(", "),
        result.unwrap_or_default()
    )
}

/// A schema in the words of a person; `show --json` has all of it.
fn brief(schema: &Value) -> String {
    if let Some(all) = schema["enum"].as_array() {
        return alternatives(all.iter().map(Value::to_string));
    }
    if let Some(any) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let has = |name: &str| any.iter().any(|one| one["type"] == name);
        // Other ways to write a number: one too large, and those which JSON has not.
        let is_number =
            |one: &Value| has("integer") && one.get("pattern").is_some() || has("number") && one["enum"][0] == "NaN";
        return alternatives(any.iter().filter(|one| !is_number(one)).map(brief));
    }
    match schema["type"].as_str() {
        Some("array") => {
            let first = schema["prefixItems"].as_array().into_iter().flatten().map(brief);
            let others = schema["items"].is_object().then(|| brief(&schema["items"]));
            let items: Vec<String> = first.chain(others).collect();
            format!("[{}]", items.join(", "))
        }
        Some("object") => {
            let required = schema["required"].as_array();
            let is_required = |name: &String| required.is_none_or(|required| required.iter().any(|one| one == name));
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields.map(|(name, schema)| {
                let mark = if is_required(name) { "" } else { "?" };
                format!("{name}{mark}: {}", brief(schema))
            });
            let others = &schema["additionalProperties"];
            let others = others.is_object().then(|| format!("*: {}", brief(others)));
            let fields: Vec<String> = fields.chain(others).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Some("string") if schema["contentEncoding"] == "base64" => "base64".to_owned(),
        Some(name) => name.to_owned(),
        None => schema.get("const").map_or("any".to_owned(), Value::to_string),
    }
}

fn alternatives(each: impl Iterator<Item = String>) -> String {
    each.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_one_line() {
        let function = FunctionBody {
            name: "find".into(),
            docs: None,
            parameters: json!({
                "properties": {
                    "text": {"type": "string"},
                    "most": {"anyOf": [{"type": "null"}, {"type": "integer"}, {"type": "string", "pattern": "^[0-9]+$"}]},
                    "how": {"enum": ["a", "b"]},
                },
                "required": ["text", "how"],
            }),
            result: Some(
                json!({"type": "array", "items": {"type": "object", "properties": {"line": {"type": "integer"}}}}),
            ),
        };
        assert_eq!(
            signature(&function),
            r#"find(text: string, how: "a" | "b", most?: null | integer) -> [{line: integer}]"#
        );
    }

    #[test]
    fn a_list_of_tools_shows_what_is_hidden_in_their_names() {
        let entry = |name: &str, enabled| ToolLine {
            name: name.into(),
            digest: "ab".repeat(32),
            current: true,
            enabled,
        };
        let shown = table(&[entry("text", true), entry("a\u{1b}[2J", false)]);
        assert_eq!(shown, "text        abababababab\na\\u{1b}[2J  abababababab  disabled\n");
    }
}
