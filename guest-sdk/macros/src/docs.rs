//! The section with a tool's docs, in the format of wit-parser's `PackageMetadata`.

use serde_json::{Map, Value, json};

use crate::model::{Definition, Tool};

/// The name of the section.
pub(crate) const SECTION: &str = "package-docs";

const VERSION: u8 = 1;

/// How the tools for WIT call the world of a component, whatever it was made from. They refuse docs of another.
const WORLD: &str = "root";

/// What the section holds.
pub(crate) fn section(tool: &Tool) -> Vec<u8> {
    let functions = tool.functions.iter().map(|function| {
        let docs = documented(&function.docs);
        (function.name.clone(), docs)
    });
    // Other types are not in the component, and docs of what is not there are refused too.
    let types = tool.types.iter().filter(|definition| tool.is_used(definition));
    let types = types.map(|definition| (definition.name.clone(), of_type(definition)));
    let mut world = documented(&tool.docs);
    insert_some(&mut world, "func_exports", not_empty(functions));
    insert_some(&mut world, "types", not_empty(types));
    let package = json!({ "worlds": { WORLD: world } });
    let mut section = vec![VERSION];
    section.extend(package.to_string().bytes());
    section
}

fn of_type(definition: &Definition) -> Value {
    let members = definition.members.iter();
    let items = members
        .filter(|member| !member.docs.is_empty())
        .map(|member| (member.name.clone(), Value::from(member.docs.as_str())));
    let mut docs = documented(&definition.docs);
    insert_some(&mut docs, "items", items.collect());
    docs
}

fn documented(docs: &str) -> Value {
    if docs.is_empty() {
        json!({})
    } else {
        json!({ "docs": docs })
    }
}

fn not_empty(items: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    items.filter(|(_, item)| *item != json!({})).collect()
}

fn insert_some(into: &mut Value, key: &str, items: Map<String, Value>) {
    if !items.is_empty() {
        into[key] = items.into();
    }
}

#[cfg(test)]
mod tests {
    use syn::{ItemMod, parse_quote};

    use super::*;

    fn docs_of(mut module: ItemMod) -> Value {
        let section = section(&Tool::take_from(&mut module).unwrap());
        assert_eq!(section[0], VERSION);
        serde_json::from_slice(&section[1..]).unwrap()
    }

    #[test]
    fn all_docs_are_kept_by_name() {
        let docs = docs_of(parse_quote! {
            /// Finds.
            mod finder {
                /// A "hit".
                pub struct TextHit { /** From 1 */ pub line: u32, pub text: String }
                pub enum Rule { First, /** The last. */ LastOne }
                /// Finds all.
                ///
                /// Slowly.
                pub fn find_all(/** where */ text: String) -> Vec<TextHit> {}
                pub fn undocumented(rule: Option<Rule>) {}
                /// Of no function.
                pub struct Unused { pub a: u8 }
            }
        });
        let expected = json!({ "worlds": { "root": {
            "docs": "Finds.",
            "func_exports": { "find-all": { "docs": "Finds all.\n\nSlowly.\n\n- `text`: where" } },
            "types": {
                "text-hit": { "docs": "A \"hit\".", "items": { "line": "From 1" } },
                "rule": { "items": { "last-one": "The last." } },
            },
        } } });
        assert_eq!(docs, expected);
    }

    #[test]
    fn a_tool_without_docs_has_none() {
        assert_eq!(
            docs_of(parse_quote!(
                mod a {
                    pub fn f() {}
                }
            )),
            json!({ "worlds": { "root": {} } })
        );
    }
}
