//! Rules which hold for every type and value.

use std::fmt::Write;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use wasmtime::component::Val;

use super::support::{Same, named};
use super::validator::is_valid;
use crate::backend::wasm::values::{Bytes, Encoded};

#[derive(Debug, Clone)]
enum Ty {
    Plain(&'static str),
    List(Box<Ty>),
    Fixed(Box<Ty>, usize),
    Map(&'static str, Box<Ty>),
    Record(Vec<Ty>),
    Tuple(Vec<Ty>),
    Variant(Vec<Option<Ty>>),
    Enum(usize),
    Option(Box<Ty>),
    Result(Option<Box<Ty>>, Option<Box<Ty>>),
    Flags(usize),
}

/// Types as the text of a component.
#[derive(Default)]
struct Text {
    definitions: String,
    count: usize,
}

fn name(index: usize) -> String {
    ["a", "some", "ok", "x-1", "LONG-name", "null"]
        .get(index)
        .map_or_else(|| format!("n{index}"), |&name| name.into())
}

impl Text {
    fn of(&mut self, ty: &Ty) -> String {
        let parts = |text: &mut Self, parts: &[Ty], open: &dyn Fn(usize) -> String, close: &str| {
            let mut written = String::new();
            for (index, part) in parts.iter().enumerate() {
                let part = text.of(part);
                write!(written, " {}{part}{close}", open(index)).unwrap();
            }
            written
        };
        let text = match ty {
            Ty::Plain(name) => return (*name).into(),
            Ty::List(element) => format!("(list {})", self.of(element)),
            Ty::Fixed(element, length) => format!("(list {} {length})", self.of(element)),
            Ty::Map(key, value) => format!("(map {key} {})", self.of(value)),
            Ty::Record(fields) => {
                format!(
                    "(record{})",
                    parts(self, fields, &|index| format!("(field \"{}\" ", name(index)), ")")
                )
            }
            Ty::Tuple(items) => format!("(tuple{})", parts(self, items, &|_| String::new(), "")),
            Ty::Variant(cases) => {
                let mut written = String::new();
                for (index, case) in cases.iter().enumerate() {
                    let payload = case.as_ref().map(|ty| self.of(ty)).unwrap_or_default();
                    write!(written, " (case \"{}\" {payload})", name(index)).unwrap();
                }
                format!("(variant{written})")
            }
            Ty::Enum(names) => format!("(enum{})", quoted_names(*names)),
            Ty::Option(some) => format!("(option {})", self.of(some)),
            Ty::Result(ok, error) => {
                let ok = ok.as_ref().map(|ty| self.of(ty)).unwrap_or_default();
                let error = error
                    .as_ref()
                    .map(|ty| format!("(error {})", self.of(ty)))
                    .unwrap_or_default();
                format!("(result {ok} {error})")
            }
            Ty::Flags(names) => format!("(flags{})", quoted_names(*names)),
        };
        self.count += 1;
        let defined = format!("t{}", self.count);
        self.definitions += &named(&defined, &text);
        format!("${defined}")
    }
}

fn quoted_names(count: usize) -> String {
    (0..count).map(|index| format!(" \"{}\"", name(index))).collect()
}

const PLAIN: [&str; 13] = [
    "bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
];

fn types() -> impl Strategy<Value = Ty> {
    let leaf = prop_oneof![
        4 => proptest::sample::select(&PLAIN).prop_map(Ty::Plain),
        1 => (1_usize..9).prop_map(Ty::Enum),
        1 => (1_usize..33).prop_map(Ty::Flags),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let key = proptest::sample::select(vec!["string", "u8", "s64", "bool", "char"]);
        prop_oneof![
            boxed.clone().prop_map(Ty::List),
            (boxed.clone(), 1_usize..4).prop_map(|(element, length)| Ty::Fixed(element, length)),
            (key, boxed.clone()).prop_map(|(key, value)| Ty::Map(key, value)),
            vec(inner.clone(), 1..5).prop_map(Ty::Record),
            vec(inner.clone(), 1..4).prop_map(Ty::Tuple),
            vec(proptest::option::of(inner), 1..4).prop_map(Ty::Variant),
            boxed.clone().prop_map(Ty::Option),
            (proptest::option::of(boxed.clone()), proptest::option::of(boxed))
                .prop_map(|(ok, error)| Ty::Result(ok, error)),
        ]
    })
}

fn plain(name: &str) -> BoxedStrategy<Val> {
    match name {
        "bool" => any::<bool>().prop_map(Val::Bool).boxed(),
        "s8" => any::<i8>().prop_map(Val::S8).boxed(),
        "u8" => any::<u8>().prop_map(Val::U8).boxed(),
        "s16" => any::<i16>().prop_map(Val::S16).boxed(),
        "u16" => any::<u16>().prop_map(Val::U16).boxed(),
        "s32" => any::<i32>().prop_map(Val::S32).boxed(),
        "u32" => any::<u32>().prop_map(Val::U32).boxed(),
        "s64" => (any::<i64>(), 0..64)
            .prop_map(|(value, shift)| Val::S64(value >> shift))
            .boxed(),
        "u64" => (any::<u64>(), 0..64)
            .prop_map(|(value, shift)| Val::U64(value >> shift))
            .boxed(),
        "f32" => any::<u32>().prop_map(|bits| Val::Float32(f32::from_bits(bits))).boxed(),
        "f64" => any::<u64>().prop_map(|bits| Val::Float64(f64::from_bits(bits))).boxed(),
        "char" => any::<char>().prop_map(Val::Char).boxed(),
        "string" => any::<String>().prop_map(Val::String).boxed(),
        _ => unreachable!("{name}"),
    }
}

fn values(ty: &Ty) -> BoxedStrategy<Val> {
    let boxed = |ty: &Ty| values(ty).prop_map(Box::new);
    let payload = |ty: &Option<Box<Ty>>| match ty {
        Some(ty) => boxed(ty).prop_map(Some).boxed(),
        None => Just(None).boxed(),
    };
    match ty {
        Ty::Plain(name) => plain(name),
        Ty::List(element) => vec(values(element), 0..5).prop_map(Val::List).boxed(),
        Ty::Fixed(element, length) => vec(values(element), *length).prop_map(Val::FixedLengthList).boxed(),
        // serde_json has the members of an object in the order of their names.
        Ty::Map("string", value) => btree_map(any::<String>(), values(value), 0..4)
            .prop_map(|map| Val::Map(map.into_iter().map(|(key, value)| (Val::String(key), value)).collect()))
            .boxed(),
        Ty::Map(key, value) => vec((plain(key), values(value)), 0..4).prop_map(Val::Map).boxed(),
        Ty::Record(fields) => {
            let fields = fields.iter().map(values).collect::<Vec<_>>();
            fields
                .prop_map(|fields| Val::Record(fields.into_iter().enumerate().map(|(i, v)| (name(i), v)).collect()))
                .boxed()
        }
        Ty::Tuple(items) => items
            .iter()
            .map(values)
            .collect::<Vec<_>>()
            .prop_map(Val::Tuple)
            .boxed(),
        Ty::Variant(cases) => {
            let case = |(index, ty): (usize, &Option<Ty>)| {
                payload(&ty.clone().map(Box::new))
                    .prop_map(move |payload| Val::Variant(name(index), payload))
                    .boxed()
            };
            proptest::strategy::Union::new(cases.iter().enumerate().map(case)).boxed()
        }
        Ty::Enum(names) => (0..*names).prop_map(|index| Val::Enum(name(index))).boxed(),
        Ty::Option(some) => proptest::option::of(boxed(some)).prop_map(Val::Option).boxed(),
        Ty::Result(ok, error) => prop_oneof![
            payload(ok).prop_map(|value| Val::Result(Ok(value))),
            payload(error).prop_map(|value| Val::Result(Err(value))),
        ]
        .boxed(),
        Ty::Flags(names) => {
            let names: Vec<_> = (0..*names).map(name).collect();
            let most = names.len();
            subsequence(names, 0..=most).prop_map(Val::Flags).boxed()
        }
    }
}

fn same(ty: &Ty) -> Same {
    let mut text = Text::default();
    let name = text.of(ty);
    Same::new(&text.definitions, &name)
}

fn types_and_values() -> impl Strategy<Value = (Ty, Val)> {
    types().prop_flat_map(|ty| (values(&ty), Just(ty)).prop_map(|(value, ty)| (ty, value)))
}

/// JSON of any kind, with more of what means something than of what does not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300_i64..300).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-300_i64..300).prop_map(|value| json!(value as f64)),
        any::<i64>().prop_map(|value| json!(value.to_string())),
        any::<String>().prop_map(Value::from),
        any::<char>().prop_map(|value| json!(value.to_string())),
        (0_usize..7).prop_map(|index| name(index).into()),
        Just(json!("NaN")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![(0_usize..7).prop_map(name), Just("error".to_owned())];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key, inner, 0..3).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Puts `other` somewhere into `json`, by the digits of `place`.
fn put(json: &mut Value, place: usize, other: Value) {
    let parts: Vec<&mut Value> = match json {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => vec![],
    };
    let (count, choice) = (parts.len(), place % (parts.len() + 1));
    match parts.into_iter().nth(choice) {
        Some(part) => put(part, place / (count + 1), other),
        None => *json = other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn values_come_back_from_the_text_of_their_json((ty, value) in types_and_values()) {
        let same = same(&ty);
        for bytes in [Bytes::Base64, Bytes::Array] {
            let text = same.write(&value, bytes).to_string();
            let json: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(same.read(&json), Ok(value.clone()), "{}", text);
            prop_assert!(is_valid(&same.0.result_schema(), &json), "{} {}", same.0.result_schema(), text);
            let arguments = json!({"x": json});
            prop_assert!(is_valid(&same.0.parameters_schema(), &arguments));
        }
    }

    #[test]
    fn what_the_schema_takes_is_taken(
        (ty, value) in types_and_values(),
        place in any::<usize>(),
        other in any_json(),
    ) {
        let same = same(&ty);
        let mut json = same.write(&value, Bytes::Array);
        put(&mut json, place, other);
        let valid = is_valid(&same.0.parameters_schema(), &json!({"x": json}));
        match same.read(&json) {
            Ok(value) => {
                let again = same.write(&value, Bytes::Base64);
                prop_assert!(is_valid(&same.0.result_schema(), &again), "{json} {again}");
                prop_assert_eq!(same.read(&again), Ok(value));
            }
            Err(error) => prop_assert!(!valid, "{json}: {error}"),
        }
    }

    #[test]
    fn the_text_of_a_result_is_never_longer_than_is_told((ty, value) in types_and_values(), max_bytes in 0_usize..4096) {
        if let Ok(Encoded { json, max_text }) = same(&ty).0.result(Some(value), Bytes::Base64, max_bytes) {
            prop_assert!(json.to_string().len() <= max_text);
        }
    }

    #[test]
    fn floats_of_32_bits_come_back(bits in any::<u32>()) {
        let value = Val::Float32(f32::from_bits(bits));
        let same = Same::new("", "f32");
        let text = same.write(&value, Bytes::Base64).to_string();
        prop_assert_eq!(same.read(&serde_json::from_str(&text).unwrap()), Ok(value));
    }
}
