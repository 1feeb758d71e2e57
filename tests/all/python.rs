//! Python files as tools. What the interpreter makes of types and values is tested in `tools/python`.

use std::time::Duration;

use palisade::policy::{CallRequest, LimitsRequest, Policy};
use palisade::{Bytes, Call, Ending, Kind, Limit, Outcome, Program, Sandbox, SandboxSpec, Tool};
use palisade_tests::*;
use serde_json::{Value, json};

const WORKBENCH: &str = include_str!("../../tools/python/examples/workbench.py");
const NOTES: &str = include_str!("../../tools/python/examples/notes.py");

/// The interpreter; `None` where it could not be compiled.
pub(crate) async fn interpreter() -> Option<Tool> {
    let program = Program::from_file(palisade_guests::find("python.wasm")?).unwrap();
    Some(host().tools().add("python", program).await.unwrap())
}

/// The tool which a script is.
pub(crate) async fn script(interpreter: &Tool, source: &str) -> Tool {
    let name = format!("python-{}", &blake3::hash(source.as_bytes()).to_hex()[..12]);
    let sandbox = sandbox(SandboxSpec::new(Policy::strict()));
    let added = host()
        .tools()
        .add_script(&name, source.to_owned(), interpreter, &sandbox)
        .await;
    added.unwrap()
}

/// What came of a call, and its value.
async fn call(
    sandbox: &Sandbox,
    interpreter: &Tool,
    source: &str,
    function: &str,
    arguments: Value,
) -> (Outcome, Value) {
    let tool = script(interpreter, source).await;
    let mut outcome = sandbox.call(Call::new(&tool, function, arguments)).await.unwrap();
    let value = outcome.value.take().unwrap_or_default();
    (outcome, value)
}

/// One test, since the component takes long to compile.
#[tokio::test]
async fn python() {
    let Some(tool) = interpreter().await else {
        return palisade_guests::skip("python", "no python.wasm");
    };
    let sandbox = sandbox(spec());
    functions_are_described(&tool).await;
    what_cannot_be_loaded_is_told(&tool).await;
    bad_arguments_are_told_before_anything_runs(&sandbox, &tool).await;
    files_of_the_sandbox_are_read_where_the_policy_grants_them(&tool).await;
    instances_have_their_own_random_numbers(&sandbox, &tool).await;
    no_exception_ends_the_instance(&sandbox, &tool).await;
    modules_and_zones_are_there_without_files(&sandbox, &tool).await;
    a_session_keeps_globals_and_a_call_does_not(&sandbox, &tool).await;
    limits_end_a_script(&tool).await;
}

async fn functions_are_described(interpreter: &Tool) {
    let tool = script(interpreter, WORKBENCH).await;
    let functions = &tool.description().functions;
    let names: Vec<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["column", "keywords", "read_table", "summarise", "working_days"]);
    assert_eq!(tool.description().skipped, []);
    let keywords = tool.function("keywords").unwrap();
    assert_eq!(
        keywords.docs.as_deref(),
        Some("Counts the words of a text, the most frequent first.")
    );
    assert_eq!(
        keywords.parameters["properties"]["text"]["description"],
        "In any language."
    );
    assert_eq!(keywords.parameters["required"], json!(["text"]));
}

async fn what_cannot_be_loaded_is_told(interpreter: &Tool) {
    let sandbox = sandbox(SandboxSpec::new(Policy::strict()));
    for (source, why) in [
        ("def f(:", "line 1"),
        ("x = 1", "no function"),
        ("def f(a): pass", "annotation"),
        ("import numpy\ndef f() -> int: return 1", "numpy"),
        ("while True: pass", "limit of fuel"),
        ("def f(a: type) -> int: return 1", "f: "),
    ] {
        let added = host()
            .tools()
            .add_script("bad", source.into(), interpreter, &sandbox)
            .await;
        let error = added.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

async fn bad_arguments_are_told_before_anything_runs(sandbox: &Sandbox, interpreter: &Tool) {
    let tool = script(interpreter, WORKBENCH).await;
    for (function, arguments, message) in [
        (
            "keywords",
            json!({"text": 1}),
            "keywords: $.text: expected a string, found 1",
        ),
        (
            "keywords",
            json!({}),
            "keywords: $.text: expected a string, found nothing",
        ),
        (
            "summarise",
            json!({"values": [1, "x"]}),
            "$.values[1]: expected a number",
        ),
    ] {
        let error = sandbox.call(Call::new(&tool, function, arguments)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert!(error.to_string().contains(message), "{error}");
    }
}

async fn files_of_the_sandbox_are_read_where_the_policy_grants_them(interpreter: &Tool) {
    let arguments = json!({"path": "/prices.csv", "name": "price"});
    let no_files = Policy::from_toml("[[tools]]\nname = \"python-*\"").unwrap();
    for (policy, granted) in [(Policy::standard(), true), (no_files, false)] {
        let sandbox = sandbox(SandboxSpec::new(policy));
        let table = b"name,price\na,1.5\nb,2.5\n";
        sandbox.workspace().write("/prices.csv", table).unwrap();
        let (outcome, value) = call(&sandbox, interpreter, WORKBENCH, "column", arguments.clone()).await;
        if granted {
            assert_eq!(value["mean"], 2.0);
            assert!(outcome.denials.is_empty(), "{outcome:?}");
        } else {
            assert_eq!(outcome.ending, Ending::Failed);
            assert_eq!(value["type"], "FileNotFoundError");
        }
    }
}

async fn instances_have_their_own_random_numbers(sandbox: &Sandbox, interpreter: &Tool) {
    let source = "import random\ndef draw() -> float: return random.random()";
    let first = call(sandbox, interpreter, source, "draw", json!({})).await.1;
    let second = call(sandbox, interpreter, source, "draw", json!({})).await.1;
    assert_ne!(first, second);
}

async fn no_exception_ends_the_instance(sandbox: &Sandbox, interpreter: &Tool) {
    for (statement, kind) in [
        ("raise SystemExit(3)", "SystemExit"),
        ("return f()", "RecursionError"),
        // What recurses within the interpreter is on the engine's stack.
        (
            "import functools; f.g = functools.cache(lambda n: f.g(n + 1)); return f.g(0)",
            "RecursionError",
        ),
        ("import socket; socket.create_connection(('127.0.0.1', 1))", "gaierror"),
        ("import threading; threading.Thread().start()", "RuntimeError"),
        ("return object()", "ResultError"),
    ] {
        let source = format!("def f() -> str: {statement}");
        let (outcome, error) = call(sandbox, interpreter, &source, "f", json!({})).await;
        assert_eq!(outcome.ending, Ending::Failed, "{outcome:?}");
        assert_eq!(error["type"], kind);
    }
}

async fn modules_and_zones_are_there_without_files(sandbox: &Sandbox, interpreter: &Tool) {
    let source = "from datetime import datetime
from zoneinfo import ZoneInfo
import hashlib, sqlite3, xml.etree.ElementTree
def noon() -> datetime: return datetime(2025, 7, 1, 12, tzinfo=ZoneInfo('Europe/Paris'))
def latin(text: str) -> bytes: return text.encode('latin-1')
";
    let (noon, value) = call(sandbox, interpreter, source, "noon", json!({})).await;
    assert_eq!(value, "2025-07-01T12:00:00+02:00");
    let (latin, value) = call(sandbox, interpreter, source, "latin", json!({"text": "é"})).await;
    assert_eq!(value, "6Q==");
    assert!(noon.denials.is_empty() && latin.denials.is_empty());
}

async fn a_session_keeps_globals_and_a_call_does_not(sandbox: &Sandbox, interpreter: &Tool) {
    let tool = script(interpreter, NOTES).await;
    let session = sandbox
        .open_session(&tool, Duration::from_secs(60), &CallRequest::default())
        .unwrap();
    for count in 1..=2 {
        let outcome = session
            .call("add", json!({"text": "note"}), Bytes::Base64)
            .await
            .unwrap();
        assert_eq!(outcome.value, Some(json!(count)));
    }
    for _ in 0..2 {
        assert_eq!(
            call(sandbox, interpreter, NOTES, "add", json!({"text": "note"}))
                .await
                .1,
            1
        );
    }
}

async fn limits_end_a_script(interpreter: &Tool) {
    let source = "def spin() -> None:\n    while True: pass\n";
    let limits = LimitsRequest {
        fuel: Some(100_000_000),
        ..LimitsRequest::default()
    };
    let (outcome, _) = call(&limited(limits), interpreter, source, "spin", json!({})).await;
    assert_eq!(outcome.ending, Ending::LimitReached(Limit::Fuel));
}
