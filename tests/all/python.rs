//! The interpreter of Python scripts, as a component. What it makes of types and values is tested in `tools/python`.

use std::time::Duration;

use palisade::policy::CallRequest;
use palisade::{Bytes, Call, Ending, Outcome, Program, Sandbox, Tool};
use palisade_tests::*;
use serde_json::{Value, json};

const WORKBENCH: &str = include_str!("../../tools/python/examples/workbench.py");
const NOTES: &str = include_str!("../../tools/python/examples/notes.py");

async fn interpreter() -> Option<Tool> {
    let program = Program::from_file(palisade_guests::find("python.wasm")?).unwrap();
    Some(host().tools().add("python", program).await.unwrap())
}

fn question(source: &str, function: &str, arguments: &Value) -> Value {
    json!({"source": source, "function": function, "arguments": arguments.to_string()})
}

/// What is in the answer, which is JSON in a string.
fn told(outcome: &Outcome) -> Value {
    let text = outcome.value.as_ref().and_then(Value::as_str);
    serde_json::from_str(text.unwrap_or_else(|| panic!("{outcome:?}"))).unwrap()
}

async fn call(sandbox: &Sandbox, tool: &Tool, source: &str, function: &str, arguments: Value) -> Outcome {
    let call = Call::new(tool, "interpreter.call", question(source, function, &arguments));
    sandbox.call(call).await.unwrap()
}

/// One test, since the component takes long to compile.
#[tokio::test]
async fn python() {
    let Some(tool) = interpreter().await else {
        return palisade_guests::skip("python", "no python.wasm");
    };
    let sandbox = sandbox(spec());
    functions_are_described(&sandbox, &tool).await;
    files_of_the_sandbox_are_read(&sandbox, &tool).await;
    instances_have_their_own_random_numbers(&sandbox, &tool).await;
    no_exception_ends_the_instance(&sandbox, &tool).await;
    modules_and_zones_are_there_without_files(&sandbox, &tool).await;
    a_session_keeps_globals(&sandbox, &tool).await;
}

async fn functions_are_described(sandbox: &Sandbox, tool: &Tool) {
    let describe = Call::new(tool, "interpreter.describe", json!({"source": WORKBENCH}));
    let described = told(&sandbox.call(describe).await.unwrap());
    let functions = described["functions"].as_array().unwrap();
    let names: Vec<&str> = functions
        .iter()
        .filter_map(|function| function["name"].as_str())
        .collect();
    assert_eq!(names, ["column", "keywords", "read_table", "summarise", "working_days"]);
    assert_eq!(described["skipped"], json!([]));
}

async fn files_of_the_sandbox_are_read(sandbox: &Sandbox, tool: &Tool) {
    sandbox
        .workspace()
        .write("/prices.csv", b"name,price\na,1.5\nb,2.5\n")
        .unwrap();
    let arguments = json!({"path": "/prices.csv", "name": "price"});
    let outcome = call(sandbox, tool, WORKBENCH, "column", arguments).await;
    assert_eq!(told(&outcome)["mean"], 2.0);
    assert!(outcome.denials.is_empty(), "{outcome:?}");
    let outcome = call(
        sandbox,
        tool,
        WORKBENCH,
        "column",
        json!({"path": "/none.csv", "name": "x"}),
    )
    .await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(told(&outcome)["type"], "FileNotFoundError");
}

async fn instances_have_their_own_random_numbers(sandbox: &Sandbox, tool: &Tool) {
    let source = "import random\ndef draw() -> float: return random.random()";
    let first = told(&call(sandbox, tool, source, "draw", json!({})).await);
    let second = told(&call(sandbox, tool, source, "draw", json!({})).await);
    assert_ne!(first, second);
}

async fn no_exception_ends_the_instance(sandbox: &Sandbox, tool: &Tool) {
    for (statement, kind) in [
        ("raise SystemExit(3)", "SystemExit"),
        ("f()", "RecursionError"),
        ("import socket; socket.create_connection(('127.0.0.1', 1))", "gaierror"),
        ("import threading; threading.Thread().start()", "RuntimeError"),
    ] {
        let outcome = call(sandbox, tool, &format!("def f(): {statement}"), "f", json!({})).await;
        assert_eq!(outcome.ending, Ending::Failed, "{outcome:?}");
        assert_eq!(told(&outcome)["type"], kind);
    }
}

async fn modules_and_zones_are_there_without_files(sandbox: &Sandbox, tool: &Tool) {
    let source = "from datetime import datetime
from zoneinfo import ZoneInfo
import hashlib, sqlite3, xml.etree.ElementTree
def noon() -> datetime: return datetime(2025, 7, 1, 12, tzinfo=ZoneInfo('Europe/Paris'))
def latin(text: str) -> bytes: return text.encode('latin-1')
";
    let noon = call(sandbox, tool, source, "noon", json!({})).await;
    assert_eq!(told(&noon), "2025-07-01T12:00:00+02:00");
    let latin = call(sandbox, tool, source, "latin", json!({"text": "é"})).await;
    assert_eq!(told(&latin), "6Q==");
    assert!(noon.denials.is_empty() && latin.denials.is_empty());
}

async fn a_session_keeps_globals(sandbox: &Sandbox, tool: &Tool) {
    let session = sandbox
        .open_session(tool, Duration::from_secs(60), &CallRequest::default())
        .unwrap();
    for count in 1..=2 {
        let question = question(NOTES, "add", &json!({"text": "note"}));
        let outcome = session.call("interpreter.call", question, Bytes::Base64).await.unwrap();
        assert_eq!(told(&outcome), count);
    }
    let fresh = call(sandbox, tool, NOTES, "add", json!({"text": "note"})).await;
    assert_eq!(told(&fresh), 1);
}
