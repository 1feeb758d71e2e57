//! The docs which a component carries, in the section that the tools for WIT keep them in.

use std::collections::BTreeMap;

use serde::Deserialize;
use wasmparser::{Parser, Payload};

/// The name of the section, as of `wit-parser`.
const SECTION: &str = "package-docs";

/// The most of it that is read, in bytes; the section is the guest's, and may be anything.
const MAX_BYTES: usize = 1 << 20;

/// The docs of functions. What cannot be read is as if it were not there.
#[derive(Default)]
pub(super) struct Docs(Vec<Package>);

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    worlds: BTreeMap<String, World>,
    #[serde(default)]
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Deserialize)]
struct World {
    /// What the world imports or exports; where it does both, its exports are apart.
    #[serde(default)]
    funcs: BTreeMap<String, Documented>,
    #[serde(default)]
    func_exports: BTreeMap<String, Documented>,
    #[serde(default)]
    interfaces: BTreeMap<String, Interface>,
    #[serde(default)]
    interface_exports: BTreeMap<String, Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    funcs: BTreeMap<String, Documented>,
}

/// A text alone in version 0 of the format.
#[derive(Deserialize)]
#[serde(untagged)]
enum Documented {
    Text(String),
    Item { docs: Option<String> },
}

impl Documented {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Item { docs } => docs.as_deref(),
        }
    }
}

impl Docs {
    pub(super) fn of(component: &[u8]) -> Self {
        let packages = custom_sections(component, SECTION)
            .filter(|section| section.len() <= MAX_BYTES)
            .take(16)
            .filter_map(|section| serde_json::from_slice(section.get(1..)?).ok());
        Self(packages.collect())
    }

    /// The docs of `function`, in `interface` or at the root.
    pub(super) fn of_function(&self, interface: Option<&str>, function: &str) -> Option<&str> {
        let worlds = || self.0.iter().flat_map(|package| package.worlds.values());
        let Some(interface) = interface else {
            let mut all = worlds().flat_map(|world| [world.func_exports.get(function), world.funcs.get(function)]);
            return all.find_map(|documented| documented?.text());
        };
        let inline =
            worlds().flat_map(|world| [world.interface_exports.get(interface), world.interfaces.get(interface)]);
        let named = self.0.iter().map(|package| package.interfaces.get(interface));
        inline.chain(named).find_map(|found| found?.funcs.get(function)?.text())
    }
}

/// The custom sections called `name`, at any depth.
fn custom_sections<'a>(bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    Parser::new(0)
        .parse_all(bytes)
        .filter_map(move |payload| match payload {
            Ok(Payload::CustomSection(section)) if section.name() == name => Some(section.data()),
            _ => None,
        })
}
