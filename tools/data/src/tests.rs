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

fn csv(json: &str) -> Result<String, String> {
    write_csv(text(json), None, None, None, None, None).map(|written| written.csv)
}

#[test]
fn objects_and_arrays_become_rows() {
    let json = r#"[{"b":1,"a":"x,y"},{"c":true,"a":"say \"ä\"\n"},{"b":null,"a":-1.5}]"#;
    let written = "b,a,c\n1,\"x,y\",\n,\"say \"\"ä\"\"\n\",true\n,-1.5,\n";
    assert_eq!(csv(json).unwrap(), written);
    let rows = write_csv(text(json), Some(';'), Some(false), None, None, Some(1)).unwrap();
    assert_eq!((rows.csv.as_str(), rows.count, rows.more), ("1;x,y;\n", 1, true));
    assert_eq!(csv(r#"[["b","a"],["",""],[1,2]]"#).unwrap(), "b,a\n,\n1,2\n");
    assert_eq!(csv("[]").unwrap(), "");
}

#[test]
fn what_is_written_is_read_back() {
    let json = r#"[{"b":"1","a":"x,y"},{"b":"","a":"\"\r\n;"},{"b":" ","a":"'"}]"#;
    for delimiter in [None, Some(';'), Some('\t'), Some('\'')] {
        let written = write_csv(text(json), delimiter, None, None, None, None).unwrap();
        let read = read_csv(text(&written.csv), delimiter, None, None, None).unwrap();
        assert_eq!((read.json.as_str(), read.count), (json, 3), "{}", written.csv);
    }
    // One empty cell is no empty line.
    let written = csv(r#"[{"a":""}]"#).unwrap();
    assert_eq!(
        read_csv(text(&written), None, None, None, None).unwrap().json,
        r#"[{"a":""}]"#
    );
}

#[test]
fn rows_which_are_not_alike_are_refused() {
    for (json, complaint) in [
        ("{}", "no JSON array"),
        ("[1]", "row 1: it is neither"),
        (r#"[{"a":1},[1]]"#, "row 2: it is no object"),
        (r#"[[1],{"a":1}]"#, "row 2: it is no array"),
        ("[[1],[1,2]]", "row 2: it has 2 cells, the first has 1"),
        ("[[]]", "row 1: it has no cells"),
        ("[{}]", "no object has members"),
        (r#"[{"a":1},{"a":[1]}]"#, "row 2: there is an array in a cell"),
        (r#"[[{}]]"#, "row 1: there is an object in a cell"),
    ] {
        let error = csv(json).unwrap_err();
        assert!(error.contains(complaint), "{json}: {error}");
    }
    for delimiter in ['ü', '"', '\n'] {
        assert!(write_csv(text("[[1]]"), Some(delimiter), None, None, None, None).is_err());
    }
}

#[test]
fn nested_values_are_json_and_formulas_are_quoted_where_it_is_asked_for() {
    let json = r#"[{"=a":[1,{"b":"c"}],"b":"=1+1","c":-1}]"#;
    let written = |nested, formulas| write_csv(text(json), None, None, nested, formulas, None);
    assert!(written(None, Some(true)).is_err());
    assert_eq!(
        written(Some(true), None).unwrap().csv,
        "=a,b,c\n\"[1,{\"\"b\"\":\"\"c\"\"}]\",=1+1,-1\n"
    );
    let safe = written(Some(true), Some(true)).unwrap().csv;
    assert!(safe.starts_with("'=a,") && safe.ends_with(",'=1+1,-1\n"), "{safe}");
}

#[test]
fn long_tables_are_cut() {
    let json = serde_json::json!(vec![serde_json::json!({"a": "x".repeat(300_000)}); 5]).to_string();
    let written = write_csv(text(&json), None, None, None, None, None).unwrap();
    assert!(written.more && written.count == 3);
    let names = serde_json::json!([{"n".repeat(2 << 20): 1}]).to_string();
    assert!(csv(&names).unwrap_err().contains("1 MiB"));
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
