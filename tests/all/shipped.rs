//! The tools which are shipped, as their callers meet them.

use palisade::{Call, Ending, Outcome, Program, Sandbox};
use palisade_tests::*;
use serde_json::{Value, json};

async fn call(sandbox: &Sandbox, tool: &str, function: &str, arguments: Value) -> Outcome {
    let component = Program::from_file(palisade_guests::path(&format!("{tool}.wasm"))).unwrap();
    let tool = host().tools().add(tool, component).await.unwrap();
    sandbox.call(Call::new(&tool, function, arguments)).await.unwrap()
}

async fn answer(sandbox: &Sandbox, tool: &str, function: &str, arguments: Value) -> Value {
    let outcome = call(sandbox, tool, function, arguments).await;
    assert_eq!(outcome.ending, Ending::Returned, "{function}: {outcome:?}");
    outcome.value.unwrap_or_default()
}

async fn refused(sandbox: &Sandbox, tool: &str, function: &str, arguments: Value) -> String {
    let outcome = call(sandbox, tool, function, arguments).await;
    assert_eq!(outcome.ending, Ending::Failed, "{function}: {outcome:?}");
    outcome.value.unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn text() {
    let sandbox = sandbox(spec());
    let text = "b\nä\na";
    let counts = answer(&sandbox, "text", "count", json!({"text": text})).await;
    assert_eq!(counts, json!({"bytes": 6, "characters": 5, "words": 3, "lines": 3}));
    for encoding in ["base64", "base64-url", "hex", "percent"] {
        let encoded = answer(&sandbox, "text", "encode", json!({"text": text, "encoding": encoding})).await;
        let decoded = json!({"encoded": encoded, "encoding": encoding});
        assert_eq!(answer(&sandbox, "text", "decode", decoded).await, text, "{encoding}");
    }
    let digest = answer(&sandbox, "text", "digest", json!({"text": text, "algorithm": "blake3"})).await;
    assert_eq!(digest, digest_of(text));
    refused(&sandbox, "text", "decode", json!({"encoded": "%", "encoding": "hex"})).await;
    assert_eq!(
        answer(&sandbox, "text", "sort", json!({"text": text})).await,
        "a\nb\nä\n"
    );
}

/// As the host would say it.
fn digest_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[tokio::test]
async fn files() {
    let sandbox = sandbox(spec());
    let call = async |function: &str, arguments| answer(&sandbox, "files", function, arguments).await;
    let source = "fn one() {}\nfn two() {}\nfn one_more() {}\n";
    call("write", json!({"path": "/src/a.rs", "text": source})).await;
    call("write", json!({"path": "/src/b.txt", "text": "fn"})).await;
    let read = call("read", json!({"path": "/src/a.rs", "first": 2, "count": 1})).await;
    assert_eq!(read["text"], "fn two() {}\n");
    assert_eq!(
        call("read-bytes", json!({"path": "/src/b.txt", "offset": 1, "length": 9})).await,
        "bg=="
    );
    let listed = call("list", json!({"glob": "*.rs"})).await;
    assert_eq!(listed["entries"].as_array().unwrap().len(), 1, "{listed}");
    let found = call("search", json!({"pattern": "^fn one"})).await;
    let lines: Vec<_> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["line"].clone())
        .collect();
    assert_eq!(lines, [1, 3]);
    refused(
        &sandbox,
        "files",
        "edit",
        json!({"path": "/src/a.rs", "old": "one", "new": "1"}),
    )
    .await;
    assert_eq!(
        call(
            "edit",
            json!({"path": "/src/a.rs", "old": "one", "new": "1", "count": 2})
        )
        .await,
        2
    );
    let diff = call("diff-texts", json!({"before": "a\nb\n", "after": "a\nc\n"})).await;
    assert!(diff.as_str().is_some_and(|diff| diff.contains("-b\n+c\n")), "{diff}");
    let error = refused(&sandbox, "files", "search", json!({"pattern": "("})).await;
    assert!(error.contains('('), "{error}");
    assert_eq!(
        sandbox.workspace().read("/src/a.rs", 100).unwrap(),
        source.replace("one", "1").as_bytes()
    );
}

#[tokio::test]
async fn data() {
    let sandbox = sandbox(spec());
    let call = async |function: &str, arguments| answer(&sandbox, "data", function, arguments).await;
    let json = json!({"text": r#"[{"name": "a", "size": 3}, {"name": "b", "size": 4}]"#});
    let found = call(
        "query",
        json!({"source": json, "filter": ".[] | select(.size > 3) | .name"}),
    )
    .await;
    assert_eq!(found["values"], json!([r#""b""#]));
    sandbox
        .workspace()
        .write("/table.csv", b"name,size\na,3\n\"b,c\",4\n")
        .unwrap();
    let rows = call("read-csv", json!({"source": {"file": "/table.csv"}, "numbers": true})).await;
    let rows: Value = serde_json::from_str(rows["json"].as_str().unwrap()).unwrap();
    assert_eq!(rows, json!([{"name": "a", "size": 3}, {"name": "b,c", "size": 4}]));
    let written = call(
        "write-csv",
        json!({"source": {"text": rows.to_string()}, "delimiter": ";", "quote-formulas": true}),
    )
    .await;
    assert_eq!(
        written,
        json!({"csv": "name;size\na;3\nb,c;4\n", "count": 2, "more": false})
    );
    let nested = json!({"source": {"text": r#"[{"a": []}]"#}});
    assert!(refused(&sandbox, "data", "write-csv", nested).await.contains("row 1"));
    let statistics = call("statistics", json!({"numbers": [1, 2, 3, 4]})).await;
    assert_eq!(
        (&statistics["mean"], &statistics["maximum"]),
        (&json!(2.5), &json!(4.0))
    );
    refused(&sandbox, "data", "statistics", json!({"numbers": []})).await;
    refused(&sandbox, "data", "query", json!({"source": json, "filter": ".["})).await;
    // A filter which does not end is ended.
    let endless = json!({"source": {"text": "1"}, "filter": "[range(infinite)] | length"});
    let limits = palisade::policy::LimitsRequest {
        fuel: Some(200_000_000),
        ..Default::default()
    };
    let outcome = self::call(&limited(limits), "data", "query", endless).await;
    outcome.reaches(palisade::Limit::Fuel);
}

/// A tar archive with one entry of this name and kind.
fn tar(name: &str, kind: u8, link: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, b"00000000004\0");
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut content = [0_u8; 512];
    content[..4].copy_from_slice(b"evil");
    [&header[..], &content, &[0; 1024]].concat()
}

#[tokio::test]
async fn archive() {
    let sandbox = sandbox(spec());
    let files = sandbox.workspace();
    let call = async |function: &str, arguments| answer(&sandbox, "archive", function, arguments).await;
    files.create_dir_all("/in/deep").unwrap();
    files.write("/in/a", b"one").unwrap();
    files.write("/in/deep/b", &[7; 100_000]).unwrap();
    for name in ["all.tar", "all.tar.gz", "all.zip"] {
        let (archive, folder) = (format!("/{name}"), format!("/out-{name}"));
        call("pack", json!({"path": archive, "files": ["/in"]})).await;
        let listed = call("list", json!({"path": archive})).await;
        assert!(listed.to_string().contains("deep/b"), "{listed}");
        assert_eq!(
            call("unpack", json!({"path": archive, "folder": folder})).await,
            2,
            "{name}"
        );
        assert_eq!(
            files.read(&format!("{folder}/in/deep/b"), 200_000).unwrap(),
            [7; 100_000],
            "{name}"
        );
    }
}

#[tokio::test]
async fn hostile_archives_are_refused_whole() {
    let sandbox = sandbox(spec());
    let files = sandbox.workspace();
    files.create_dir_all("/out").unwrap();
    for (name, kind, link) in [
        ("../evil", b'0', ""),
        ("/evil", b'0', ""),
        ("a/../../evil", b'0', ""),
        ("evil", b'2', "/"),
        ("evil", b'1', "/in"),
        ("evil", b'3', ""),
    ] {
        files.write("/evil.tar", &tar(name, kind, link)).unwrap();
        let error = refused(
            &sandbox,
            "archive",
            "unpack",
            json!({"path": "/evil.tar", "folder": "/out"}),
        )
        .await;
        assert!(!error.is_empty() && files.stat("/evil").is_err(), "{name}: {error}");
        assert!(files.list("/out").unwrap().is_empty(), "{name}");
    }
    files.write("/good.tar", &tar("good", b'0', "")).unwrap();
    answer(
        &sandbox,
        "archive",
        "unpack",
        json!({"path": "/good.tar", "folder": "/out"}),
    )
    .await;
    assert_eq!(files.read("/out/good", 10).unwrap(), b"evil");
}
