//! Types, arguments and results which are made to hurt.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wasmtime::component::Val;

use super::support::{PLENTY, Same, named, signature};
use crate::backend::wasm::values::shape::MAX_NODES;
use crate::backend::wasm::values::{BadResult, Bytes};

/// Why a function with this parameter is refused.
fn refusal(definitions: &str, ty: &str) -> String {
    let begun = Instant::now();
    let signature = signature(definitions, &format!("(param \"x\" {ty})"));
    let message = match signature {
        Some(Err(error)) => error.to_string(),
        Some(Ok(_)) => panic!("{ty} is taken"),
        None => "refused by wasmtime".into(),
    };
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(message.len() < 4096, "{message}");
    message
}

/// Types each of which is `make` of the one before.
fn chain(length: usize, first: &str, make: impl Fn(&str) -> String) -> String {
    let mut definitions = format!("(type $t0 {first})");
    for index in 1..=length {
        write!(definitions, "(type $t{index} {})", make(&format!("$t{}", index - 1))).unwrap();
    }
    definitions
}

fn wide(kind: &str, part: impl Fn(usize) -> String, parts: usize) -> String {
    let parts: Vec<_> = (0..parts).map(part).collect();
    named("wide", &format!("({kind} {})", parts.join(" ")))
}

#[test]
fn what_is_no_value_is_refused_by_its_place() {
    let resource = "(import \"r\" (type $r (sub resource)))";
    let record = format!("{resource}{}", named("rec", "(record (field \"y\" (list (own $r))))"));
    assert_eq!(
        refusal(&record, "$rec"),
        r#"parameter "x": field "y": element: a resource cannot be given as JSON"#
    );
    assert_eq!(
        refusal(resource, "(tuple u8 (option (borrow $r)))"),
        r#"parameter "x": item 1: some: a resource cannot be given as JSON"#
    );
    let result = signature(resource, "(result (own $r))").unwrap().unwrap_err();
    assert_eq!(result.to_string(), "result: a resource cannot be given as JSON");
}

#[test]
fn types_are_bounded_when_written_out() {
    let doubled = |length| chain(length, "u8", |before| format!("(tuple {before} {before})"));
    assert!(refusal(&doubled(18), "$t18").ends_with("more than 10000 parts when written out"));
    // Of more than that, wasmtime has its own opinion.
    refusal(&doubled(40), "$t40");
    let counted = signature(&doubled(12), "(param \"x\" $t12)").unwrap().unwrap();
    assert!(counted.nodes() < MAX_NODES);

    let listed = |length| chain(length, "u8", |before| format!("(list {before})"));
    let deep = refusal(&listed(32), "$t32");
    assert!(deep.ends_with("element: the type is nested deeper than 32"), "{deep}");
    refusal(&listed(1000), "$t1000");
    assert!(signature(&listed(31), "(param \"x\" $t31)").unwrap().is_ok());

    refusal(
        &wide("record", |index| format!("(field \"f{index}\" u8)"), 10_000),
        "$wide",
    );
    refusal(&wide("enum", |index| format!("\"e{index}\""), 10_000), "$wide");
    refusal(
        &wide("variant", |index| format!("(case \"c{index}\")"), 10_000),
        "$wide",
    );
    let long = "n".repeat(60_000);
    let record = named("rec", &format!("(record (field \"{long}\" u8))"));
    let often = format!("(tuple {})", "$rec ".repeat(20));
    refusal(&record, &often);
}

#[test]
fn what_nests_deepest_is_read_by_serde_json() {
    let options = chain(31, "u8", |before| format!("(option {before})"));
    let ty = Same::new(&options, "$t31");
    let value = (0..31).fold(Val::U8(1), |value, _| Val::Option(Some(Box::new(value))));
    let text = ty.write(&value, Bytes::Base64).to_string();
    assert_eq!(ty.read(&serde_json::from_str(&text).unwrap()).unwrap(), value);

    let maps = chain(31, "u8", |before| format!("(map u8 {before})"));
    let ty = Same::new(&maps, "$t31");
    let value = (0..31).fold(Val::U8(1), |value, _| Val::Map(vec![(Val::U8(0), value)]));
    let text = ty.write(&value, Bytes::Base64).to_string();
    assert_eq!(ty.read(&serde_json::from_str(&text).unwrap()).unwrap(), value);
}

#[test]
fn arguments_take_no_more_memory_than_they_may() {
    let refused = |ty: &Same, json: Value, max_bytes| {
        let error = ty.0.arguments(json!({"x": json}), max_bytes).unwrap_err();
        let expected = format!("arguments which take at most {max_bytes} bytes of memory");
        assert_eq!((error.expected, &*error.found), (expected, "more"));
    };
    let bytes = Same::new("", "(list u8)");
    refused(&bytes, json!("A".repeat(4000)), 3000 * size_of::<Val>());
    refused(&bytes, json!(vec![0; 3000]), 3000 * size_of::<Val>());
    assert!(
        bytes
            .0
            .arguments(json!({"x": vec![0; 3000]}), 3100 * size_of::<Val>())
            .is_ok()
    );
    refused(&Same::new("", "string"), json!("a".repeat(1000)), 1000);

    // `{}` is a hundred values.
    let record = wide("record", |index| format!("(field \"f{index}\" (option u8))"), 100);
    let records = Same::new(&record, "(list $wide)");
    refused(&records, json!([{}, {}, {}, {}, {}, {}, {}, {}, {}, {}]), 40_000);
}

#[test]
fn results_take_no_more_memory_than_they_may() {
    let too_large = |ty: &Same, value: Val, max_bytes| {
        let result = ty.0.result(Some(value), Bytes::Base64, max_bytes);
        assert_eq!(result, Err(BadResult::TooLarge { max_bytes }));
    };
    too_large(&Same::new("", "string"), Val::String("a".repeat(1000)), 1000);
    too_large(&Same::new("", "(list u8)"), Val::List(vec![Val::U8(0); 3000]), 4000);
    too_large(
        &Same::new("", "(list bool)"),
        Val::List(vec![Val::Bool(true); 1000]),
        32_000,
    );
    let record = named("rec", r#"(record (field "a" u8))"#);
    let records = Val::List(vec![Val::Record(vec![("a".into(), Val::U8(1))]); 100]);
    too_large(&Same::new(&record, "(list $rec)"), records, 60_000);
}

#[test]
fn a_value_of_another_type_is_no_panic() {
    let ty = Same::new(&named("rec", r#"(record (field "a" u8))"#), "$rec");
    for value in [
        Val::U8(1),
        Val::Record(vec![]),
        Val::Record(vec![("b".into(), Val::U8(1))]),
        Val::Record(vec![("a".into(), Val::U16(1))]),
        Val::Variant("a".into(), None),
    ] {
        assert_eq!(
            ty.0.result(Some(value), Bytes::Base64, PLENTY),
            Err(BadResult::Mistyped)
        );
    }
    assert_eq!(ty.0.result(None, Bytes::Base64, PLENTY), Err(BadResult::Mistyped));
}

#[test]
fn what_is_found_is_cut_and_escaped() {
    let ty = Same::new("", "u8");
    let message = ty.read(&json!("\u{202e}\n".repeat(1000))).unwrap_err();
    assert!(
        message.len() < 120 && !message.contains(['\u{202e}', '\n']),
        "{message}"
    );
    let name = "\u{202e}".repeat(1000);
    let message = ty.0.arguments(json!({name: 1}), PLENTY).unwrap_err().to_string();
    assert!(message.len() < 120 && !message.contains('\u{202e}'), "{message}");
}

/// Names are found, not looked for.
#[test]
fn many_values_of_a_type_of_many_cases_are_quick() {
    let ty = Same::new(
        &wide("variant", |index| format!("(case \"c{index}\")"), 4500),
        "(list $wide)",
    );
    let value = Val::List(vec![Val::Variant("c4499".into(), None); 50_000]);
    let begun = Instant::now();
    let json = ty.write(&value, Bytes::Base64);
    assert_eq!(ty.read(&json).unwrap(), value);
    assert!(begun.elapsed() < Duration::from_secs(10));
}
