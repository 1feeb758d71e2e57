//! The text of a tool's world.

use std::fmt::Write;

use crate::model::{Definition, Kind, Member, Tool};

/// The package which all worlds are in. Nothing of a component shows it.
const PACKAGE: &str = "palisade:guest";

/// The world with the functions and types of `tool`. Names are escaped, as any of them may be a word of WIT.
pub(crate) fn text(tool: &Tool) -> String {
    let mut text = format!("package {PACKAGE};\n\n");
    push_docs(&mut text, "", &tool.docs);
    push(&mut text, format_args!("world %{} {{\n", tool.name));
    for definition in &tool.types {
        push_definition(&mut text, definition);
    }
    for function in &tool.functions {
        push_docs(&mut text, "  ", &function.docs);
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|(name, ty)| format!("%{name}: {ty}"))
            .collect();
        let result = function
            .result
            .as_ref()
            .map(|ty| format!(" -> {ty}"))
            .unwrap_or_default();
        let parameters = parameters.join(", ");
        push(
            &mut text,
            format_args!("  export %{}: func({parameters}){result};\n", function.name),
        );
    }
    text.push_str("}\n");
    text
}

fn push_definition(text: &mut String, definition: &Definition) {
    let keyword = match definition.kind {
        Kind::Record => "record",
        Kind::Enum => "enum",
        Kind::Variant => "variant",
    };
    push_docs(text, "  ", &definition.docs);
    push(text, format_args!("  {keyword} %{} {{\n", definition.name));
    for Member { name, docs, ty } in &definition.members {
        push_docs(text, "    ", docs);
        match (definition.kind, ty) {
            (_, None) => push(text, format_args!("    %{name},\n")),
            (Kind::Record, Some(ty)) => push(text, format_args!("    %{name}: {ty},\n")),
            (_, Some(ty)) => push(text, format_args!("    %{name}({ty}),\n")),
        }
    }
    text.push_str("  }\n");
}

fn push_docs(text: &mut String, indent: &str, docs: &str) {
    for line in docs.lines() {
        let line = format!("{indent}/// {line}");
        push(text, format_args!("{}\n", line.trim_end()));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("a String takes all text");
}

#[cfg(test)]
mod tests {
    use syn::{ItemMod, parse_quote};

    use super::*;

    fn wit_of(mut module: ItemMod) -> String {
        text(&Tool::take_from(&mut module).unwrap())
    }

    #[test]
    fn a_function_becomes_an_export() {
        let wit = wit_of(parse_quote! {
            /// Greets.
            mod greeter {
                /// Says hello.
                pub fn say_hello(/** whom to greet */ name: String, times: Option<u32>) -> Result<String, String> {}
                pub fn forget() {}
            }
        });
        let expected = "\
package palisade:guest;

/// Greets.
world %greeter {
  /// Says hello.
  ///
  /// - `name`: whom to greet
  export %say-hello: func(%name: string, %times: option<u32>) -> result<string, string>;
  export %forget: func();
}
";
        assert_eq!(wit, expected);
    }

    #[test]
    fn structs_and_enums_become_types() {
        let wit = wit_of(parse_quote! {
            mod finder {
                /// A hit.
                pub struct Hit {
                    /// The line, from 1
                    pub line: u32,
                    pub found_by: Rule,
                }
                pub enum Rule { First, Last }
                pub enum Refusal {
                    /// Nothing is there
                    NotFound,
                    Other(String),
                }
                pub fn find(text: String) -> Result<Vec<Hit>, Refusal> {}
            }
        });
        let expected = "\
package palisade:guest;

world %finder {
  /// A hit.
  record %hit {
    /// The line, from 1
    %line: u32,
    %found-by: %rule,
  }
  enum %rule {
    %first,
    %last,
  }
  variant %refusal {
    /// Nothing is there
    %not-found,
    %other(string),
  }
  export %find: func(%text: string) -> result<list<%hit>, %refusal>;
}
";
        assert_eq!(wit, expected);
    }
}
