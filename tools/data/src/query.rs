//! Runs jq filters.

use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, compile, data, unwrap_valr};
use jaq_json::{Val, read};

use crate::data::Outputs;

const MAX_VALUES: usize = 1_000;
const MAX_BYTES: usize = 1 << 20;

type Filter = jaq_core::compile::Filter<jaq_core::Native<data::JustLut<Val>>>;

/// Runs `filter` on each value of `json`.
pub fn run(json: &str, filter: &str) -> Result<Outputs, String> {
    let filter = compile(filter)?;
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut outputs = Outputs {
        values: Vec::new(),
        more: false,
    };
    let mut bytes = 0;
    for input in read::parse_many(json.as_bytes()) {
        let input = input.map_err(|error| format!("the JSON is wrong: {error}"))?;
        for output in filter.id.run((context.clone(), input)).map(unwrap_valr) {
            let value = output.map_err(|error| error.to_string())?.to_string();
            bytes += value.len();
            if outputs.values.len() == MAX_VALUES || bytes > MAX_BYTES {
                outputs.more = true;
                return Ok(outputs);
            }
            outputs.values.push(value);
        }
    }
    Ok(outputs)
}

fn compile(filter: &str) -> Result<Filter, String> {
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let file = File { code: filter, path: () };
    let modules = Loader::new(definitions)
        .load(&arena, file)
        .map_err(|errors| not_loaded(filter, errors))?;
    let compiler = Compiler::default().with_funs(functions);
    compiler.compile(modules).map_err(undefined)
}

fn not_loaded(filter: &str, errors: load::Errors<&str, ()>) -> String {
    let expected = |what: &str, found: &str| format!("expected {what} at byte {}", filter.len() - found.len());
    let told = errors.into_iter().flat_map(|(_, error)| match error {
        load::Error::Io(errors) => errors
            .into_iter()
            .map(|(path, error)| format!("{path}: {error}"))
            .collect(),
        load::Error::Lex(errors) => errors
            .iter()
            .map(|(what, found)| expected(what.as_str(), found))
            .collect(),
        load::Error::Parse(errors) => errors
            .iter()
            .map(|(what, found)| expected(what.as_str(), found))
            .collect::<Vec<_>>(),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn undefined(errors: compile::Errors<&str, ()>) -> String {
    let told = errors.into_iter().flat_map(|(_, errors)| errors);
    let told = told.map(|(name, kind)| format!("no {} called {name}", kind.as_str()));
    told.collect::<Vec<_>>().join("; ")
}
