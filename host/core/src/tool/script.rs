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

use super::path::Path;
use super::schema::Schema;
use super::{Description, Function, Skipped, Tool};
use crate::text::shown;
use crate::{Ending, Error, Kind, Outcome, Result};

/// The functions of an interpreter, as a [`Tool`] names them.
const DESCRIBE: &str = "interpreter.describe";
const CALL: &str = "interpreter.call";

/// The largest script, in bytes.
const MAX_SOURCE: usize = 1 << 20;

/// The most that an interpreter may tell of one, in bytes.
const MAX_DESCRIPTION: usize = 1 << 20;

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

    /// What the interpreter is asked for a call of `function`: a function of its own, and the arguments for that.
    pub(super) fn question(&self, function: &str, arguments: &Value) -> Result<(String, Value)> {
        if let Some(schema) = self.parameters.get(function) {
            let checked = schema.check(arguments, &Path::ROOT);
            checked.map_err(|bad| Error::new(Kind::InvalidInput, format!("{function}: {bad}")))?;
        }
        let question = json!({"source": self.source, "function": function, "arguments": arguments.to_string()});
        Ok((CALL.to_owned(), question))
    }
}

/// What came of a call, where the interpreter's answer is what came of its own.
pub(super) fn answer(mut outcome: Outcome) -> Outcome {
    if !matches!(outcome.ending, Ending::Returned | Ending::Failed) {
        return outcome;
    }
    let text = outcome.value.take();
    match text.as_ref().and_then(Value::as_str).map(serde_json::from_str) {
        Some(Ok(value)) => outcome.value = Some(value),
        _ => outcome.ending = Ending::Trapped("the interpreter's answer is no JSON".to_owned()),
    }
    outcome
}

/// What an interpreter is asked for what a script offers.
pub(super) fn describe(interpreter: &Tool, source: &str) -> Result<(String, Value)> {
    for function in [DESCRIBE, CALL] {
        if interpreter.function(function).is_err() {
            let name = interpreter.name();
            let message = format!("the tool {name:?} is no interpreter: it offers no {function:?}");
            return Err(Error::new(Kind::InvalidInput, message));
        }
    }
    if source.len() > MAX_SOURCE {
        let message = format!("the script has {} bytes; at most {MAX_SOURCE} are taken", source.len());
        return Err(Error::new(Kind::InvalidInput, message));
    }
    Ok((DESCRIBE.to_owned(), json!({"source": source})))
}

/// What a script offers, by what its interpreter tells.
pub(super) fn described(name: &str, interpreter: &Tool, outcome: &Outcome) -> Result<Description> {
    let bad = |why: &str| Error::new(Kind::InvalidInput, format!("the script {name:?} is no tool: {why}"));
    let text = outcome.value.as_ref().and_then(Value::as_str).unwrap_or_default();
    match &outcome.ending {
        Ending::Returned => {}
        Ending::Failed => return Err(bad(&shown(text, 500))),
        ending => return Err(bad(&format!("looking at it ended with {ending:?}"))),
    }
    if text.len() > MAX_DESCRIPTION {
        return Err(bad(&format!("its description has more than {MAX_DESCRIPTION} bytes")));
    }
    let Described { mut functions, skipped } =
        serde_json::from_str(text).map_err(|error| bad(&format!("its description is not one: {error}")))?;
    if functions.len() + skipped.len() > MAX_FUNCTIONS {
        return Err(bad(&format!("it has more than {MAX_FUNCTIONS} functions")));
    }
    let mut names = functions
        .iter()
        .map(|function| &function.name)
        .chain(skipped.iter().map(|skipped| &skipped.name));
    if names.any(|name| name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control)) {
        return Err(bad("a function has a name which is none"));
    }
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    if functions.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(bad("two functions have one name"));
    }
    Ok(Description {
        functions,
        imports: interpreter.description().imports.clone(),
        skipped,
    })
}
