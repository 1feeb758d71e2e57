//! What a component exports to be called.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Type};

use super::docs::Docs;
use super::values::Signature;
use crate::text::shown;
use crate::tool::{Description, Function, Skipped};
use crate::{Error, Kind, Program, Result};

/// The most functions that a tool may have.
const MAX_FUNCTIONS: usize = 1_000;

/// The most parts that the types of all its functions may have together.
const MAX_NODES: usize = 30_000;

/// The most that a tool may export at its root: functions, interfaces, types.
const MAX_EXPORTS: usize = 2_000;

/// The longest name of a function, that of its interface included, in bytes.
const MAX_NAME: usize = 256;

/// The longest docs of a function that are kept, in bytes.
const MAX_DOCS: usize = 8 << 10;

/// The most that the description of a tool may have as JSON, in bytes.
const MAX_DESCRIPTION: usize = 4 << 20;

/// The functions of a component which can be called, by name.
///
/// A function at the root has its own name, one of an interface `ns:package/interface@version` that of
/// `interface.function`. Where two interfaces would give one name, both are named in full.
pub(super) struct Functions {
    by_name: BTreeMap<String, Arc<Exported>>,
    skipped: Vec<Skipped>,
    nodes: usize,
}

/// One of them.
pub(super) struct Exported {
    pub(super) index: ComponentExportIndex,
    pub(super) signature: Signature,
    pub(super) returns: Returns,
    /// The interface which it is of, without package and version; `None` at the root.
    interface: Option<String>,
    /// Its own name in there.
    name: String,
}

/// What a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returns {
    Nothing,
    Value,
    /// A `result`, so that it can fail.
    Result,
}

impl Functions {
    pub(super) fn of(engine: &Engine, component: &Component) -> Result<Self, String> {
        let mut found = Self {
            by_name: BTreeMap::new(),
            skipped: Vec::new(),
            nodes: 0,
        };
        let ty = component.component_type();
        if ty.exports(engine).len() > MAX_EXPORTS {
            return Err(format!("it exports more than {MAX_EXPORTS} items"));
        }
        let mut interfaces: HashMap<&str, usize> = HashMap::new();
        for (name, _) in ty.exports(engine) {
            *interfaces.entry(short(name)).or_default() += 1;
        }
        for (name, export) in ty.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(function) => {
                    let index = component.get_export_index(None, name);
                    found.offer(name.to_owned(), None, name, index, &function)?;
                }
                // What the host calls by itself is no tool.
                ComponentItem::ComponentInstance(_) if name.starts_with("wasi:") => {}
                ComponentItem::ComponentInstance(instance) => {
                    let short = self::short(name);
                    let prefix = if interfaces[short] > 1 { name } else { short };
                    let at = component.get_export_index(None, name);
                    for (function, export) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = export.ty {
                            let index = component.get_export_index(at.as_ref(), function);
                            found.offer(format!("{prefix}.{function}"), Some(short), function, index, &ty)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn offer(
        &mut self,
        full: String,
        interface: Option<&str>,
        name: &str,
        index: Option<ComponentExportIndex>,
        ty: &ComponentFunc,
    ) -> Result<(), String> {
        if self.by_name.len() + self.skipped.len() >= MAX_FUNCTIONS {
            return Err(format!("it exports more than {MAX_FUNCTIONS} functions"));
        }
        if full.len() > MAX_NAME {
            let reason = format!("its name has more than {MAX_NAME} bytes");
            let name = shown(&full, 64);
            self.skipped.push(Skipped { name, reason });
            return Ok(());
        }
        let result = ty.results().next();
        let returns = match &result {
            None => Returns::Nothing,
            Some(Type::Result(_)) => Returns::Result,
            Some(_) => Returns::Value,
        };
        let checked = match (ty.async_(), index) {
            (true, _) => Err("it is asynchronous, of WASI 0.3".to_owned()),
            (false, None) => Err("it cannot be found again".to_owned()),
            (false, Some(index)) => Signature::new(ty.params(), result)
                .map(|signature| (index, signature))
                .map_err(|unsupported| unsupported.to_string()),
        };
        match checked {
            Ok((_, signature)) if self.nodes + signature.nodes() > MAX_NODES => {
                let reason = format!("the types of all functions have more than {MAX_NODES} parts");
                self.skipped.push(Skipped { name: full, reason });
            }
            Ok((index, signature)) => {
                self.nodes += signature.nodes();
                let exported = Exported {
                    index,
                    signature,
                    returns,
                    interface: interface.map(str::to_owned),
                    name: name.to_owned(),
                };
                self.by_name.insert(full, Arc::new(exported));
            }
            Err(reason) => self.skipped.push(Skipped { name: full, reason }),
        }
        Ok(())
    }

    /// The function called `name`; callers know by the tool's description that it is there.
    pub(super) fn get(&self, program: &Program, name: &str) -> Result<&Arc<Exported>> {
        if let Some(exported) = self.by_name.get(name) {
            return Ok(exported);
        }
        let message = format!("no function {:?} in {:?}", shown(name, 64), program.name());
        Err(Error::new(Kind::NotFound, message))
    }

    pub(super) fn describe(&self, program: &Program, imports: Vec<String>) -> Result<Description> {
        let docs = Docs::of(&program.bytes()?);
        let functions = self.by_name.iter().map(|(name, exported)| {
            let docs = docs.of_function(exported.interface.as_deref(), &exported.name);
            Function {
                name: name.clone(),
                docs: docs.map(|docs| docs[..docs.floor_char_boundary(MAX_DOCS)].to_owned()),
                parameters: exported.signature.parameters_schema(),
                result: (exported.returns != Returns::Nothing).then(|| exported.signature.result_schema()),
            }
        });
        let mut size = length(&imports) + length(&self.skipped);
        let mut described = Vec::with_capacity(self.by_name.len());
        for function in functions {
            size += length(&function);
            if size > MAX_DESCRIPTION {
                break;
            }
            described.push(function);
        }
        if size > MAX_DESCRIPTION {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{:?} is no tool: its description has over {MAX_DESCRIPTION} bytes",
                    program.name()
                ),
            ));
        }
        Ok(Description {
            functions: described,
            imports,
            skipped: self.skipped.clone(),
        })
    }
}

/// The length of `part` as JSON, in bytes.
fn length(part: &impl Serialize) -> usize {
    serde_json::to_string(part).map_or(MAX_DESCRIPTION + 1, |text| text.len())
}

/// `interface` of `ns:package/interface@version`.
fn short(name: &str) -> &str {
    let name = name.rsplit_once('/').map_or(name, |(_, interface)| interface);
    name.split_once('@').map_or(name, |(interface, _)| interface)
}
