//! Tools: components and scripts whose functions are called by name, with JSON.

mod index;
pub(crate) mod names;
pub(crate) mod path;
mod registry;
mod schema;
mod script;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::registry::{ToolEntry, Tools};
use self::script::Script;
use crate::backend::{Form, FunctionCall, Told};
use crate::text::{nearest, shown};
use crate::{Error, Kind, Program, Result};

/// The longest reason that an error repeats, in characters.
const MAX_REASON: usize = 500;

/// A component or a script, and the functions which it offers. Cheap to clone. Calls which have begun go on when it is removed,
/// replaced or disabled, and who holds it may call it for as long as it is compiled.
#[derive(Clone)]
pub struct Tool(Arc<Inner>);

struct Inner {
    name: String,
    program: Program,
    /// What the program interprets; `None`: the program is the tool itself.
    script: Option<Script>,
    description: Description,
}

/// What a tool offers, and what it needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The functions which can be called, in the order of their names.
    pub functions: Vec<Function>,
    /// The interfaces and functions which it imports; of a script, those of its interpreter.
    pub imports: Vec<String>,
    /// What it exports and what cannot be offered.
    pub skipped: Vec<Skipped>,
}

/// A function which can be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Its name: as exported at the root of the component, or `interface.function`; that in a script.
    pub name: String,
    /// What its author says of it.
    pub docs: Option<String>,
    /// The JSON schema (draft 2020-12) of its arguments: an object with a property for each.
    pub parameters: Value,
    /// The JSON schema of what it returns; `None`: nothing. Of a `result`, both `ok` and `error` are described.
    pub result: Option<Value>,
}

/// An export, or a function of a script, which is not offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name, as that of a [`Function`].
    pub name: String,
    /// Why it is not.
    pub reason: String,
}

/// How lists of bytes are given in answers; in arguments both forms are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bytes {
    /// As a string in base64.
    #[default]
    Base64,
    /// As an array of numbers.
    Array,
}

impl Tool {
    fn new(name: &str, program: Program, script: Option<Script>, description: Description) -> Result<Self> {
        if description.functions.is_empty() {
            let why = match description.skipped.first() {
                Some(skipped) => shown(&format!("{}: {}", skipped.name, skipped.reason), MAX_REASON),
                None => "it exports none".to_owned(),
            };
            return Err(Error::new(
                Kind::InvalidInput,
                format!("{name:?} offers no function which can be called: {why}"),
            ));
        }
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            program,
            script,
            description,
        })))
    }

    /// Its name in the registry.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The blake3 digest of the component, or of the script.
    pub fn digest(&self) -> blake3::Hash {
        self.0.script.as_ref().map_or(self.0.program.digest(), Script::digest)
    }

    /// The blake3 digest of the component which interprets it, where it is a script.
    pub fn interpreter(&self) -> Option<blake3::Hash> {
        self.0.script.as_ref().map(|_| self.0.program.digest())
    }

    /// What it offers.
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// The function called `name`.
    ///
    /// # Errors
    /// [`Kind::NotFound`], with the nearest name, or why it is not offered.
    pub fn function(&self, name: &str) -> Result<&Function> {
        let Description { functions, skipped, .. } = &self.0.description;
        functions.iter().find(|function| function.name == name).ok_or_else(|| {
            let (name, tool) = (shown(name, 64), self.name());
            let message = match skipped.iter().find(|skipped| skipped.name == name) {
                Some(skipped) => {
                    let why = shown(&skipped.reason, MAX_REASON);
                    format!("function {name:?} of tool {tool:?} is not offered: {why}")
                }
                None => {
                    let near = instead_of(&name, functions.iter().map(|function| function.name.as_str()));
                    format!("no function {name:?} in tool {tool:?}{near}")
                }
            };
            Error::new(Kind::NotFound, message)
        })
    }

    /// The component which is called: of a script its interpreter.
    pub fn program(&self) -> &Program {
        &self.0.program
    }

    /// The text of a script.
    fn source(&self) -> Option<&str> {
        self.0.script.as_ref().map(Script::source)
    }

    /// What its program is asked for a call.
    pub(crate) fn question<'a>(
        &self,
        function: Cow<'a, str>,
        arguments: Value,
        bytes: Bytes,
    ) -> Result<FunctionCall<'a>> {
        match &self.0.script {
            Some(script) => script.question(&function, &arguments),
            None => Ok(FunctionCall {
                function,
                arguments,
                answer: Form {
                    bytes,
                    told: Told::Value,
                },
            }),
        }
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.0.name)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

/// `: did you mean "x"?`, where one of `known` is near to `name`.
fn instead_of<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(": did you mean {known:?}?"))
}
