//! Each type by example.

use serde_json::{Value, json};
use wasmtime::component::Val;

use super::support::{PLENTY, Same, named, signature};
use crate::backend::wasm::values::{BadResult, Bytes};

/// Checks that `value` is written so, and read back from that.
fn is(ty: &Same, value: Val, json: Value) {
    assert_eq!(ty.write(&value, Bytes::Base64), json);
    assert_eq!(ty.read(&json).unwrap(), value, "{json}");
}

/// Checks that this JSON is refused so.
fn refused(ty: &Same, json: Value, message: &str) {
    assert_eq!(ty.read(&json).unwrap_err(), message, "{json}");
}

fn text(text: &str) -> Val {
    Val::String(text.into())
}

fn some(value: Val) -> Val {
    Val::Option(Some(Box::new(value)))
}

#[test]
fn small_integers_are_numbers_in_range() {
    let ty = Same::new("", "u8");
    is(&ty, Val::U8(0), json!(0));
    is(&ty, Val::U8(255), json!(255));
    for (json, found) in [
        (json!(256), "256"),
        (json!(-1), "-1"),
        (json!(1.5), "1.5"),
        (json!("1"), "\"1\""),
        (json!(true), "true"),
        (json!(null), "null"),
        (json!(1e300), "1e+300"),
    ] {
        refused(
            &ty,
            json,
            &format!("$.x: expected an integer from 0 to 255, found {found}"),
        );
    }
    is(&Same::new("", "s8"), Val::S8(-128), json!(-128));
    is(&Same::new("", "s16"), Val::S16(-32768), json!(-32768));
    is(&Same::new("", "u16"), Val::U16(65535), json!(65535));
    is(&Same::new("", "s32"), Val::S32(i32::MIN), json!(i32::MIN));
    is(&Same::new("", "u32"), Val::U32(u32::MAX), json!(u32::MAX));
}

#[test]
fn a_fraction_of_zero_is_an_integer_while_it_is_exact() {
    let ty = Same::new("", "s64");
    for json in ["1", "1.0", "1e0", "0.1e1"] {
        assert_eq!(
            ty.read(&serde_json::from_str(json).unwrap()).unwrap(),
            Val::S64(1),
            "{json}"
        );
    }
    for json in ["0", "-0", "-0.0", "0e5"] {
        assert_eq!(
            ty.read(&serde_json::from_str(json).unwrap()).unwrap(),
            Val::S64(0),
            "{json}"
        );
    }
    assert_eq!(
        ty.read(&json!(9_007_199_254_740_991.0)).unwrap(),
        Val::S64((1 << 53) - 1)
    );
    // 2^53 may have been 2^53 + 1.
    assert!(ty.read(&json!(9_007_199_254_740_992.0)).is_err());
    assert!(ty.read(&json!(0.999_999_999_999_999_9)).is_err());
}

#[test]
fn integers_of_64_bits_are_strings_beyond_what_a_double_has() {
    let signed = Same::new("", "s64");
    is(&signed, Val::S64((1 << 53) - 1), json!(9_007_199_254_740_991_i64));
    is(&signed, Val::S64(1 << 53), json!("9007199254740992"));
    is(&signed, Val::S64(1 - (1 << 53)), json!(-9_007_199_254_740_991_i64));
    is(&signed, Val::S64(i64::MIN), json!("-9223372036854775808"));
    assert_eq!(signed.read(&json!(i64::MIN)).unwrap(), Val::S64(i64::MIN));
    assert_eq!(signed.read(&json!("5")).unwrap(), Val::S64(5));
    assert!(signed.read(&json!(u64::MAX)).is_err());

    let unsigned = Same::new("", "u64");
    is(&unsigned, Val::U64(u64::MAX), json!("18446744073709551615"));
    assert_eq!(unsigned.read(&json!(u64::MAX)).unwrap(), Val::U64(u64::MAX));
    for wrong in [
        "18446744073709551616",
        "-1",
        "+1",
        "01",
        "-0",
        "1.0",
        "0x1",
        " 1",
        "",
        "1e3",
    ] {
        let message = format!(
            "$.x: expected an integer from 0 to 18446744073709551615, beyond 2^53 - 1 as a decimal string, found {wrong:?}"
        );
        refused(&unsigned, json!(wrong), &message);
    }
}

#[test]
fn floats_are_numbers_or_the_names_of_what_json_has_not() {
    let single = Same::new("", "f32");
    is(&single, Val::Float32(0.1), json!(0.1));
    is(&single, Val::Float32(f32::MAX), json!(3.402_823_5e38));
    is(&single, Val::Float32(f32::from_bits(1)), json!(1e-45));
    is(&single, Val::Float32(f32::NAN), json!("NaN"));
    is(&single, Val::Float32(f32::INFINITY), json!("Infinity"));
    assert_eq!(single.read(&json!(16_777_217)).unwrap(), Val::Float32(16_777_216.0));
    refused(
        &single,
        json!(1e39),
        r#"$.x: expected a number of 32 bits, "NaN", "Infinity" or "-Infinity", found 1e+39"#,
    );

    let double = Same::new("", "f64");
    is(&double, Val::Float64(0.1), json!(0.1));
    is(&double, Val::Float64(5e-324), json!(5e-324));
    is(&double, Val::Float64(f64::NEG_INFINITY), json!("-Infinity"));
    assert_eq!(double.write(&Val::Float64(-0.0), Bytes::Base64).to_string(), "-0.0");
    assert_eq!(
        double.read(&serde_json::from_str("-0").unwrap()).unwrap(),
        Val::Float64(-0.0)
    );
    assert_eq!(
        double.read(&json!(u64::MAX)).unwrap(),
        Val::Float64(18_446_744_073_709_551_616.0)
    );
    for wrong in [json!("1"), json!("nan"), json!("inf"), json!(null), json!("+Infinity")] {
        assert!(double.read(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn text_is_text() {
    let ty = Same::new("", "bool");
    is(&ty, Val::Bool(true), json!(true));
    refused(&ty, json!("true"), r#"$.x: expected true or false, found "true""#);
    refused(&ty, json!(0), "$.x: expected true or false, found 0");

    let ty = Same::new("", "char");
    is(&ty, Val::Char('🦀'), json!("🦀"));
    is(&ty, Val::Char('\0'), json!("\0"));
    refused(&ty, json!(""), r#"$.x: expected a string of one character, found """#);
    refused(
        &ty,
        json!("ab"),
        r#"$.x: expected a string of one character, found "ab""#,
    );

    let ty = Same::new("", "string");
    is(&ty, text("a\0\"\\\u{7f}\u{202e}é"), json!("a\0\"\\\u{7f}\u{202e}é"));
    refused(&ty, json!(1), "$.x: expected a string, found 1");
}

#[test]
fn bytes_are_base64_or_an_array() {
    let ty = Same::new("", "(list u8)");
    let value = Val::List(vec![Val::U8(0), Val::U8(255)]);
    is(&ty, value.clone(), json!("AP8="));
    is(&ty, Val::List(vec![]), json!(""));
    assert_eq!(ty.write(&value, Bytes::Array), json!([0, 255]));
    assert_eq!(ty.read(&json!([0, 255])).unwrap(), value);
    for wrong in ["AP8", "AP9=", "AP8=\n", "A", "_w==", "äö"] {
        let message = format!("$.x: expected base64 with its padding, or an array, found {wrong:?}");
        refused(&ty, json!(wrong), &message);
    }
    refused(
        &ty,
        json!([0, 256]),
        "$.x[1]: expected an integer from 0 to 255, found 256",
    );
}

#[test]
fn arrays_are_lists_and_tuples_of_their_length() {
    let ty = Same::new("", "(list string)");
    is(&ty, Val::List(vec![text("a")]), json!(["a"]));
    refused(&ty, json!("a"), r#"$.x: expected an array, found "a""#);
    refused(
        &ty,
        json!({"a": 1}),
        r#"$.x: expected an array, found an object of "a""#,
    );

    let ty = Same::new("", "(tuple u8 string)");
    is(&ty, Val::Tuple(vec![Val::U8(1), text("a")]), json!([1, "a"]));
    refused(&ty, json!([1]), "$.x: expected an array of 2, found an array of 1");

    let ty = Same::new("", "(list u8 2)");
    is(&ty, Val::FixedLengthList(vec![Val::U8(1), Val::U8(2)]), json!([1, 2]));
    refused(&ty, json!([1]), "$.x: expected an array of 2, found an array of 1");
}

#[test]
fn maps_are_objects_where_the_key_is_a_string() {
    let ty = Same::new("", "(map string u8)");
    is(
        &ty,
        Val::Map(vec![(text("a b"), Val::U8(1)), (text("c"), Val::U8(2))]),
        json!({"a b": 1, "c": 2}),
    );
    refused(
        &ty,
        json!({"a b": -1}),
        r#"$.x["a b"]: expected an integer from 0 to 255, found -1"#,
    );
    let twice = Val::Map(vec![(text("a"), Val::U8(1)), (text("a"), Val::U8(2))]);
    assert_eq!(ty.write(&twice, Bytes::Base64), json!({"a": 2}));

    let ty = Same::new("", "(map u64 bool)");
    is(
        &ty,
        Val::Map(vec![(Val::U64(u64::MAX), Val::Bool(true))]),
        json!([["18446744073709551615", true]]),
    );
    refused(
        &ty,
        json!([[1]]),
        "$.x[0]: expected an array of a key and a value, found an array of 1",
    );
    refused(
        &ty,
        json!({}),
        "$.x: expected an array of pairs, found an object of 0 members",
    );
}

#[test]
fn records_have_exactly_their_fields_but_may_leave_out_options() {
    let point = named(
        "point",
        r#"(record (field "pos-x" u8) (field "label" (option string)))"#,
    );
    let ty = Same::new(&point, "$point");
    let value = |label| Val::Record(vec![("pos-x".into(), Val::U8(1)), ("label".into(), Val::Option(label))]);
    is(&ty, value(None), json!({"pos-x": 1, "label": null}));
    is(&ty, value(Some(Box::new(text("a")))), json!({"label": "a", "pos-x": 1}));
    assert_eq!(ty.read(&json!({"pos-x": 1})).unwrap(), value(None));
    refused(
        &ty,
        json!({"label": "a"}),
        "$.x.pos-x: expected an integer from 0 to 255, found nothing",
    );
    refused(
        &ty,
        json!({"pos_x": 1}),
        r#"$.x: expected a known name, such as "pos-x", found "pos_x""#,
    );
    refused(
        &ty,
        json!({"pos-x": 1, "colour": 1}),
        r#"$.x: expected one of "pos-x", "label", found "colour""#,
    );
    refused(&ty, json!([1]), "$.x: expected an object, found an array of 1");
}

#[test]
fn variants_enums_and_flags_go_by_their_names() {
    let shape = named("shape", r#"(variant (case "none") (case "circle" u8))"#);
    let ty = Same::new(&shape, "$shape");
    is(&ty, Val::Variant("none".into(), None), json!("none"));
    is(
        &ty,
        Val::Variant("circle".into(), Some(Box::new(Val::U8(3)))),
        json!({"circle": 3}),
    );
    refused(
        &ty,
        json!({"circle": -3}),
        "$.x.circle: expected an integer from 0 to 255, found -3",
    );
    refused(
        &ty,
        json!("circle"),
        r#"$.x: expected an object, since the case has a payload, found "circle""#,
    );
    refused(
        &ty,
        json!({"none": null}),
        r#"$.x: expected a string, since the case has no payload, found an object of "none""#,
    );
    refused(
        &ty,
        json!({"circel": 3}),
        r#"$.x: expected a known name, such as "circle", found an object of "circel""#,
    );
    refused(
        &ty,
        json!({"none": 1, "circle": 3}),
        "$.x: expected an object of one case, found an object of 2 members",
    );

    let colour = named("colour", r#"(enum "red" "green")"#);
    let ty = Same::new(&colour, "$colour");
    is(&ty, Val::Enum("green".into()), json!("green"));
    refused(
        &ty,
        json!("Green"),
        r#"$.x: expected a known name, such as "green", found "Green""#,
    );
    refused(&ty, json!(1), "$.x: expected a string, found 1");

    let mode = named("mode", r#"(flags "read" "write" "execute")"#);
    let ty = Same::new(&mode, "$mode");
    let flags = |names: &[&str]| Val::Flags(names.iter().map(|&name| name.into()).collect());
    is(&ty, flags(&[]), json!([]));
    is(&ty, flags(&["read", "execute"]), json!(["read", "execute"]));
    assert_eq!(ty.read(&json!(["write", "read"])).unwrap(), flags(&["read", "write"]));
    refused(
        &ty,
        json!(["read", "read"]),
        r#"$.x[1]: expected each flag once, found "read""#,
    );
    refused(
        &ty,
        json!(["raed"]),
        r#"$.x[0]: expected a known name, such as "read", found "raed""#,
    );
}

#[test]
fn nested_options_and_results_keep_their_layers() {
    let ty = Same::new("", "(option u8)");
    is(&ty, Val::Option(None), json!(null));
    is(&ty, some(Val::U8(1)), json!(1));
    refused(&ty, json!("a"), r#"$.x: expected an integer from 0 to 255, found "a""#);

    let ty = Same::new("", "(option (option (option u8)))");
    is(&ty, Val::Option(None), json!(null));
    is(&ty, some(Val::Option(None)), json!({"some": null}));
    is(&ty, some(some(Val::Option(None))), json!({"some": {"some": null}}));
    is(&ty, some(some(some(Val::U8(1)))), json!({"some": {"some": 1}}));
    refused(&ty, json!(1), r#"$.x: expected null or an object of "some", found 1"#);

    let ty = Same::new("", "(result (option u8) (error string))");
    is(
        &ty,
        Val::Result(Ok(Some(Box::new(Val::Option(None))))),
        json!({"ok": null}),
    );
    is(
        &ty,
        Val::Result(Err(Some(Box::new(text("no"))))),
        json!({"error": "no"}),
    );
    refused(
        &ty,
        json!({"err": "no"}),
        r#"$.x: expected an object of "ok" or "error", found an object of "err""#,
    );

    let ty = Same::new("", "(result)");
    is(&ty, Val::Result(Ok(None)), json!({"ok": null}));
    is(&ty, Val::Result(Err(None)), json!({"error": null}));
    refused(&ty, json!({"ok": 1}), "$.x.ok: expected null, found 1");
}

#[test]
fn arguments_are_an_object_in_any_order() {
    let function = signature("", r#"(param "path" string) (param "depth" (option u8))"#)
        .unwrap()
        .unwrap();
    let read = |json: Value| function.arguments(json, PLENTY).map_err(|error| error.to_string());
    assert_eq!(
        read(json!({"depth": 2, "path": "a"})).unwrap(),
        [text("a"), some(Val::U8(2))]
    );
    assert_eq!(read(json!({"path": "a"})).unwrap(), [text("a"), Val::Option(None)]);
    assert_eq!(read(json!({})).unwrap_err(), "$.path: expected a string, found nothing");
    assert_eq!(
        read(json!(["a"])).unwrap_err(),
        "$: expected an object, found an array of 1"
    );
    assert_eq!(
        read(json!({"pth": "a"})).unwrap_err(),
        r#"$: expected a known name, such as "path", found "pth""#
    );
    assert_eq!(function.result(None, Bytes::Base64, PLENTY).unwrap().json, json!(null));
    assert_eq!(
        function.result(Some(Val::U8(1)), Bytes::Base64, PLENTY),
        Err(BadResult::Mistyped)
    );
    assert_eq!(
        function.parameters_schema(),
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "depth": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 0, "maximum": 255}]},
            },
            "required": ["path"],
            "additionalProperties": false,
        })
    );
    assert_eq!(function.result_schema()["type"], "null");
}
