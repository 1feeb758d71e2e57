//! Scripts: files of a language whose functions an interpreter offers. The interpreter is a tool itself, a component
//! which exports `palisade:script/interpreter`:
//!
//! ```wit
//! describe: func(source: string) -> result<string, string>;
//! call: func(source: string, function: string, arguments: string) -> result<string, string>;
//! ```
//!
//! What it tells and answers is JSON. A script can bend its interpreter, so that nothing of it is believed: not more
//! than if the script were the component.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::names::quoted;
use super::schema::Schema;
use super::{Bytes, Description, Function, Skipped, Tool};
use crate::backend::wasm::values::parse;
use crate::backend::{Form, FunctionCall, Told};
use crate::text::shown;
use crate::{Ending, Error, Kind, Outcome, Result};

/// The functions of an interpreter, as a [`Tool`] names them.
const DESCRIBE: &str = "interpreter.describe";
const CALL: &str = "interpreter.call";

/// The largest script, in bytes.
const MAX_SOURCE: usize = 1 << 20;

/// The most memory that what an interpreter tells of one may take, in bytes.
const MAX_DESCRIPTION: usize = 4 << 20;

/// The most functions that a script may have.
const MAX_FUNCTIONS: usize = 200;

/// The longest name of a function, in bytes.
const MAX_NAME: usize = 256;

/// A script, and what its functions take.
pub(super) struct Script {
    source: String,
    digest: blake3::Hash,
    parameters: HashMap<String, Schema>,
}

#[derive(Deserialize)]
struct Described {
    functions: Vec<Function>,
    skipped: Vec<Skipped>,
}

impl Script {
    /// A script with these functions.
    pub(super) fn new(source: String, functions: &[Function]) -> Result<Self, String> {
        let parameters = functions.iter().map(|function| {
            let schema = Schema::read(&function.parameters);
            let schema = schema.map_err(|why| format!("the schema of {:?}: {why}", shown(&function.name, MAX_NAME)));
            Ok((function.name.clone(), schema?))
        });
        Ok(Self {
            parameters: parameters.collect::<Result<_, String>>()?,
            digest: blake3::hash(source.as_bytes()),
            source,
        })
    }

    pub(super) fn digest(&self) -> blake3::Hash {
        self.digest
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// What the interpreter is asked for a call of `function`.
    pub(super) fn question(&self, function: &str, arguments: &Value) -> Result<FunctionCall<'static>> {
        let schema = self.parameters.get(function);
        let schema = schema.ok_or_else(|| Error::new(Kind::Internal, "a function of a script has no schema"))?;
        let checked = schema.check(arguments);
        checked.map_err(|bad| Error::new(Kind::InvalidInput, format!("{function}: {bad}")))?;
        let question = json!({"source": self.source, "function": function, "arguments": arguments.to_string()});
        Ok(ask(CALL, question, Told::Json))
    }
}

fn ask(function: &'static str, arguments: Value, told: Told) -> FunctionCall<'static> {
    FunctionCall {
        function: function.into(),
        arguments,
        answer: Form {
            bytes: Bytes::default(),
            told,
        },
    }
}

/// What an interpreter is asked for what a script offers.
pub(super) fn describe(interpreter: &Tool, source: &str) -> Result<FunctionCall<'static>> {
    // A script has functions of any name, and interprets nothing.
    let is_script = interpreter.interpreter().is_some();
    let missing = [DESCRIBE, CALL]
        .into_iter()
        .find(|name| is_script || interpreter.function(name).is_err());
    if let Some(missing) = missing {
        let name = interpreter.name();
        let message = format!("the tool {name:?} is no interpreter: it offers no {missing:?}");
        return Err(Error::new(Kind::InvalidInput, message));
    }
    if source.len() > MAX_SOURCE {
        let message = format!("the script has {} bytes; at most {MAX_SOURCE} are taken", source.len());
        return Err(Error::new(Kind::InvalidInput, message));
    }
    // Its error is a plain text.
    Ok(ask(DESCRIBE, json!({"source": source}), Told::Value))
}

/// What a script offers, by what its interpreter tells.
pub(super) fn described(name: &str, interpreter: &Tool, outcome: &Outcome) -> Result<Description> {
    let text = outcome.value.as_ref().and_then(Value::as_str).unwrap_or_default();
    let why = match &outcome.ending {
        Ending::Returned => match read(text) {
            Ok(Described { functions, skipped }) => {
                return Ok(Description {
                    functions,
                    imports: interpreter.description().imports.clone(),
                    skipped,
                });
            }
            Err(why) => why,
        },
        Ending::Failed => text.to_owned(),
        Ending::Killed => return Err(Error::new(Kind::Unavailable, "the sandbox was stopped meanwhile")),
        Ending::LimitReached(limit) => format!("what it does when it is loaded meets the limit of {limit}"),
        Ending::Trapped(why) => format!("it traps when it is loaded: {why}"),
        Ending::Exited(_) => "it exits when it is loaded".to_owned(),
    };
    let message = format!("the script {name:?} is no tool: {}", shown(&why, 500));
    Err(Error::new(Kind::InvalidInput, message))
}

fn read(text: &str) -> Result<Described, String> {
    let described = parse(text, MAX_DESCRIPTION).and_then(serde_json::from_value);
    let Described { mut functions, skipped } =
        described.map_err(|error| format!("its description is not one: {error}"))?;
    if functions.len() + skipped.len() > MAX_FUNCTIONS {
        return Err(format!("it has more than {MAX_FUNCTIONS} functions"));
    }
    let names = functions.iter().map(|function| &function.name);
    let mut names = names.chain(skipped.iter().map(|skipped| &skipped.name));
    if let Some(name) = names.find(|name| !is_name(name)) {
        return Err(format!("{} is no name of a function", quoted(name)));
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    if functions.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err("two functions have one name".to_owned());
    }
    for Function { name, result, .. } in &functions {
        if let Some(schema) = result {
            Schema::read(schema).map_err(|why| format!("the schema of what {name:?} returns: {why}"))?;
        }
    }
    Ok(Described { functions, skipped })
}

/// Whether it is a name in the languages that there are, so that it means nothing in a pattern, a path or a terminal.
fn is_name(name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | '.');
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_part)
}
