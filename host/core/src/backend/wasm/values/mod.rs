//! Values of components as JSON, both ways without loss.
//!
//! | type | JSON |
//! | --- | --- |
//! | `bool` | `true`, `false` |
//! | `s8` to `s32`, `u8` to `u32` | a number in the range of the type |
//! | `s64`, `u64` | a number up to 2^53 - 1 either way, beyond that a string of decimal digits; both are taken |
//! | `f32`, `f64` | a number, or `"NaN"`, `"Infinity"`, `"-Infinity"`; `-0.0` is kept, the payload of a NaN is not |
//! | `char`, `string` | a string, for `char` of one scalar value |
//! | `list<T>` | an array |
//! | `list<u8>` | base64 of RFC 4648 with its padding, or an array, by [`Bytes`]; both are taken |
//! | `list<T, N>`, `tuple` | an array of that length |
//! | `map<string, T>` | an object; of equal keys the last counts |
//! | `map<K, V>` | an array of arrays `[key, value]` |
//! | `record` | an object; fields which are options may be left out, and are written as `null` |
//! | `variant` | `"case"`, or `{"case": payload}` where it has a payload |
//! | `enum` | its name |
//! | `option<T>` | `null` or the value; of an `option<option<T>>`, `null` or `{"some": value}` |
//! | `result` | `{"ok": value}` or `{"error": value}`, `null` for no payload |
//! | `flags` | an array of names, none twice; in the order of the type on the way out |
//!
//! The arguments of a function are an object, like a record of them.
//!
//! A value is taken for its own type or not at all. An integer may have a fraction of zero or an exponent (`1.0`, `1e3`),
//! as it may by JSON Schema, up to 2^53 - 1: beyond that a reader may have rounded it. A number for a float is rounded to
//! the nearest that the float has; one beyond its range is refused. The schemas have only numbers up to 2^53 - 1 for 64
//! bits, since whoever writes such a number from a double has rounded it already.
//!
//! Types, arguments and results come from strangers, so the size of each is bounded.

mod decode;
mod encode;
mod integer;
mod scalar;
mod schema;
mod shape;
#[cfg(test)]
mod tests;
mod text;

use indexmap::IndexMap;
use serde_json::Value;
use wasmtime::component::{Type, Val};

pub(crate) use self::encode::{BadResult, Encoded};
pub(crate) use self::shape::Unsupported;
use self::shape::{Builder, Shape};
pub(crate) use self::text::parse;
use crate::tool::Bytes;
pub(crate) use crate::tool::path::BadArgument;

/// The parameters and the result of a function, which can all be given as JSON.
#[derive(Debug)]
pub(crate) struct Signature {
    parameters: IndexMap<String, Shape>,
    result: Option<Shape>,
    nodes: usize,
    repeats_flags: bool,
}

/// What a result may take of the host's memory while it is taken out of a component, in bytes as wasmtime counts them.
pub(super) const MAX_LIFTED: usize = 64 << 20;

/// The same for a list of flags, of which wasmtime counts a small part.
const MAX_LIFTED_FLAGS: usize = 1 << 20;

impl Signature {
    /// Checks that all types can be given as JSON and are not too large; takes what `ComponentFunc` tells.
    ///
    /// A signature is written out, and so may be far larger than in its component: see [`nodes`](Self::nodes).
    pub(crate) fn new<'a>(
        parameters: impl IntoIterator<Item = (&'a str, Type)>,
        result: Option<Type>,
    ) -> Result<Self, Unsupported> {
        let mut builder = Builder::default();
        let parameters = builder.parameters(parameters)?;
        let result = result.map(|ty| builder.result(&ty)).transpose()?;
        Ok(Self {
            parameters,
            result,
            nodes: builder.nodes(),
            repeats_flags: builder.repeats_flags(),
        })
    }

    /// How many parts the types have, at most 10,000. A host which keeps many signatures should bound the sum: each
    /// takes some hundred bytes here, and in a schema.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes
    }

    /// What taking a result out of the component may take, as wasmtime counts it.
    pub(crate) fn max_lifted(&self) -> usize {
        if self.repeats_flags {
            MAX_LIFTED_FLAGS
        } else {
            MAX_LIFTED
        }
    }

    /// The JSON schema of the object of arguments.
    pub(crate) fn parameters_schema(&self) -> Value {
        schema::parameters(&self.parameters)
    }

    /// The JSON schema of the result; `null` where there is none.
    pub(crate) fn result_schema(&self) -> Value {
        schema::result(self.result.as_ref())
    }

    /// The arguments in the order of the parameters. They take at most about `max_bytes` of memory.
    pub(crate) fn arguments(&self, json: Value, max_bytes: usize) -> Result<Vec<Val>, BadArgument> {
        decode::arguments(json, &self.parameters, max_bytes)
    }

    /// The result as JSON; `null` where there is none. It takes at most about `max_bytes` of memory.
    pub(crate) fn result(&self, value: Option<Val>, bytes: Bytes, max_bytes: usize) -> Result<Encoded, BadResult> {
        encode::result(value, self.result.as_ref(), bytes, max_bytes)
    }
}
