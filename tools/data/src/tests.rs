use super::data::*;

fn text(text: &str) -> Source {
    Source::Text(text.to_owned())
}

fn query_text(json: &str, filter: &str) -> Result<Vec<String>, String> {
    query(text(json), filter.to_owned()).map(|outputs| outputs.values)
}

#[test]
fn filters_run_on_each_value() {
    let values = query_text("{\"a\":[1,{\"b\":\"ü\"}]}\n{\"a\":[2]}", ".a[] | tojson").unwrap();
    assert_eq!(values, [r#""1""#, r#""{\"b\":\"ü\"}""#, r#""2""#]);
    assert_eq!(query_text("[3,1]", "sort | map(. * 2) | add").unwrap(), ["8"]);
    assert_eq!(query_text(r#"["ab"]"#, r#".[] | test("^A"; "i")"#).unwrap(), ["true"]);
}

#[test]
fn what_is_wrong_is_said() {
    for (json, filter, complaint) in [
        ("{", ".", "the JSON is wrong"),
        ("1", "(.", "expected closing parenthesis at byte"),
        ("1", ". |", "expected"),
        ("1", "frobnicate", "no filter called frobnicate"),
        ("1", ".a", "cannot index"),
    ] {
        let error = query_text(json, filter).unwrap_err();
        assert!(error.contains(complaint), "{filter}: {error}");
    }
}

#[test]
fn endless_outputs_are_cut() {
    let outputs = query(text("0"), "repeat(.)".to_owned()).unwrap();
    assert!(outputs.more && outputs.values.len() == 1_000);
    let outputs = query(text("0"), r#"repeat("x" * 300000)"#.to_owned()).unwrap();
    assert!(outputs.more && outputs.values.len() == 3);
}

#[test]
fn rows_become_objects_or_arrays() {
    let rows = |csv: &str, delimiter, header, numbers| read_csv(text(csv), delimiter, header, numbers, None);
    let json = |csv: &str, delimiter, header, numbers| rows(csv, delimiter, header, numbers).unwrap().json;
    assert_eq!(
        json("b,a\n1,\"x,y\"\n", None, None, Some(true)),
        r#"[{"b":1,"a":"x,y"}]"#
    );
    assert_eq!(
        json("b;a\n1;\n", Some(';'), Some(false), None),
        r#"[["b","a"],["1",""]]"#
    );
    assert_eq!(json("a,b\n", None, None, None), "[]");
    assert!(rows("a,b\n1\n", None, None, None).unwrap_err().contains("line: 2"));
    assert!(rows("a", Some('ü'), None, None).unwrap_err().contains("ASCII"));
    let first = read_csv(text("a\n1\n2\n"), None, None, None, Some(1)).unwrap();
    assert_eq!(
        first,
        Rows {
            json: r#"[{"a":"1"}]"#.to_owned(),
            count: 1,
            more: true
        }
    );
}

#[test]
fn statistics_are_those_of_the_sample() {
    let found = statistics(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
    assert_eq!((found.count, found.sum, found.mean, found.median), (4, 10.0, 2.5, 2.5));
    assert_eq!(
        (found.minimum, found.first_quartile, found.third_quartile, found.maximum),
        (1.0, 1.75, 3.25, 4.0)
    );
    assert!((found.standard_deviation - 1.290_994_448_7).abs() < 1e-9);
    assert_eq!(statistics(vec![5.0]).unwrap().standard_deviation, 0.0);
    assert!(statistics(Vec::new()).is_err() && statistics(vec![f64::NAN]).is_err());
}

#[test]
fn files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json").to_str().unwrap().to_owned();
    std::fs::write(&path, "[1]").unwrap();
    assert_eq!(query(Source::File(path), ".[0]".to_owned()).unwrap().values, ["1"]);
    assert!(
        query(Source::File("/absent".to_owned()), ".".to_owned())
            .unwrap_err()
            .contains("/absent")
    );
}
