//! Types come only from components, so each test writes one.

use std::sync::LazyLock;

use serde_json::{Value, json};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Val};
use wasmtime::{Config, Engine};

use crate::backend::wasm::values::{Bytes, Signature, Unsupported};

/// More than any honest test needs.
pub(super) const PLENTY: usize = 1 << 24;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .wasm_component_model_map(true)
        .wasm_component_model_fixed_length_lists(true);
    Engine::new(&config).unwrap()
});

/// A type under a name, as all records, variants, enums and flags must have one.
pub(super) fn named(name: &str, ty: &str) -> String {
    format!("(type ${name}' {ty}) (import \"{name}\" (type ${name} (eq ${name}')))\n")
}

/// The signature of a function of this type; `None` where wasmtime refuses it already.
pub(super) fn signature(definitions: &str, function: &str) -> Option<Result<Signature, Unsupported>> {
    let text = format!("(component {definitions} (import \"f\" (func {function})))");
    let component = Component::new(&ENGINE, wat::parse_str(&text).unwrap()).ok()?;
    let item = component.component_type().get_import(&ENGINE, "f").unwrap().ty;
    let ComponentItem::ComponentFunc(function) = item else {
        panic!("{item:?}");
    };
    Some(Signature::new(function.params(), function.results().next()))
}

/// A function which takes a value of one type as `x` and gives one back.
pub(super) struct Same(pub(super) Signature);

impl Same {
    pub(super) fn new(definitions: &str, ty: &str) -> Self {
        let function = format!("(param \"x\" {ty}) (result {ty})");
        Self(signature(definitions, &function).expect("wasmtime takes it").unwrap())
    }

    pub(super) fn read(&self, value: &Value) -> Result<Val, String> {
        let mut arguments = self
            .0
            .arguments(json!({"x": value}), PLENTY)
            .map_err(|error| error.to_string())?;
        assert_eq!(arguments.len(), 1);
        Ok(arguments.remove(0))
    }

    pub(super) fn write(&self, value: &Val, bytes: Bytes) -> Value {
        self.0.result(Some(value.clone()), bytes, PLENTY).unwrap().json
    }
}
