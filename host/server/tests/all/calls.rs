//! Tools and their calls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use palisade::policy::{ByteSize, Policy};
use palisade_server::{Policies, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{ECHO, Running, SOON};

/// A component which returns so many zero bytes as a string.
const FILLER: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (func (export "fill") (param i32) (result i32)
            (i32.store (i32.const 4) (local.get 0))
            (i32.store (i32.const 0) (i32.const 8))
            (i32.const 0)))
    (core instance $i (instantiate $m))
    (func (export "fill") (param "bytes" u32) (result string)
        (canon lift (core func $i "fill") (memory (core memory $i "memory")))))"#;

fn twice(number: u32) -> Value {
    json!({"tool": "echo", "function": "twice", "arguments": {"number": number}})
}

async fn with_echo(settings: Settings) -> (Running, String) {
    let server = Running::with(settings).await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let sandbox = server.sandbox().await;
    (server, sandbox)
}

/// Begins a call which never ends, and leaves its connection open.
async fn begin_to_spin(server: &Running, sandbox: &str) -> TcpStream {
    let body = json!({"tool": "echo", "function": "spin"}).to_string();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/sandboxes/{sandbox}/call HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        server.admin,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    server.wait_for_processes(sandbox, 1).await;
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_added_shown_called_and_removed() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let shown = server.get("/v1/tools/echo").await.expect(200);
    let names: Vec<&Value> = shown["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["spin", "trap", "twice"]);
    assert_eq!(shown["functions"][2]["parameters"]["type"], "object");
    assert_eq!(server.get("/v1/tools").await.expect(200)["tools"][0]["name"], "echo");
    let path = format!("/v1/sandboxes/{sandbox}/call");
    let outcome = server.post(&path, twice(21)).await.expect(200);
    assert_eq!(
        (&outcome["ending"], &outcome["value"]),
        (&json!("returned"), &json!(42))
    );
    for field in ["usage", "limits_hit", "denials", "more_denials", "stdout", "stderr"] {
        assert!(!outcome[field].is_null(), "{field}: {outcome}");
    }
    assert!(outcome["limits"].is_null(), "it met none: {outcome}");
    server
        .ask(&server.admin, Method::DELETE, "/v1/tools/echo", None)
        .await
        .expect(204);
    server.post(&path, twice(21)).await.expect(404);
    server.get("/v1/tools/echo").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_batch_share_what_one_request_may_answer() {
    let settings = Settings {
        max_output: ByteSize::from_bytes(8_000),
        ..Settings::default()
    };
    let server = Running::with(settings).await;
    server.put_tool(&server.admin, "filler", FILLER).await.expect(201);
    let call = format!("/v1/sandboxes/{}/call", server.sandbox().await);
    let fill = |bytes: u32| json!({"tool": "filler", "function": "fill", "arguments": {"bytes": bytes}});
    let limited = json!({"limit-reached": "output"});
    // Each byte is `\u0000` there, and two quotes are about them.
    assert_eq!(
        server.post(&call, fill(333)).await.expect(200)["value"],
        "\0".repeat(333)
    );
    assert_eq!(server.post(&call, fill(334)).await.expect(200)["ending"], limited);
    let batch = json!({"a": fill(83), "b": fill(84), "c": fill(1), "d": fill(0)});
    let answer = server.post(&format!("{call}s"), batch).await;
    assert!(answer.body.len() <= 8_000, "{answer:?}");
    let told = answer.expect(200);
    assert_eq!(told["a"]["outcome"]["value"], "\0".repeat(83));
    assert_eq!(told["b"]["outcome"]["ending"], limited);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_too_many_wait_for_their_turn() {
    let (server, sandbox) = with_echo(Settings {
        max_calls: 1,
        ..Settings::default()
    })
    .await;
    let stream = begin_to_spin(&server, &sandbox).await;
    let path = format!("/v1/sandboxes/{sandbox}/call");
    let mut second = std::pin::pin!(server.post(&path, twice(1)));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    drop(stream);
    let answer = tokio::time::timeout(SOON, second).await.unwrap();
    assert_eq!(answer.expect(200)["value"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_which_is_twice_in_a_batch_is_refused_by_name() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let call = twice(1).to_string();
    let request = server
        .request(Method::POST, &format!("/v1/sandboxes/{sandbox}/calls"))
        .header("x-api-key", &server.admin)
        .header("content-type", "application/json");
    let body = format!(r#"{{"a": {call}, "b": {call}, "a": {call}}}"#);
    let error = server
        .send(request.body(Full::new(body.into())).unwrap())
        .await
        .expect(400);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(r#""a" is there twice"#), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_which_ends_badly_is_an_answer_and_a_bad_call_is_not() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let path = format!("/v1/sandboxes/{sandbox}/call");
    let trap = json!({"tool": "echo", "function": "trap"});
    assert!(server.post(&path, trap).await.expect(200)["ending"]["trapped"].is_string());
    let spin = json!({"tool": "echo", "function": "spin", "limits": {"time": "100ms"}, "files": "none"});
    let outcome = server.post(&path, spin).await.expect(200);
    assert_eq!(outcome["ending"], json!({"limit-reached": "time"}));
    assert_eq!(outcome["limits"]["time"], "100ms");
    server
        .post(&path, json!({"tool": "echo", "function": "thrice"}))
        .await
        .expect(404);
    server
        .post(&path, json!({"tool": "echo", "function": "twice"}))
        .await
        .expect(400);
    server
        .post(&path, json!({"tool": "echo", "function": "twice", "arguments": 1}))
        .await
        .expect(400);
    server
        .post("/v1/sandboxes/0000000000000000/call", twice(1))
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_which_the_policy_denies_says_which_rule() {
    let policy = Policy::from_toml("[[tools]]\nname = \"echo\"\nfunctions = [\"trap\"]\n").unwrap();
    let policies = Policies::new("narrow", policy);
    let (server, sandbox) = with_echo(Settings {
        policies,
        ..Settings::default()
    })
    .await;
    let error = server
        .post(&format!("/v1/sandboxes/{sandbox}/call"), twice(1))
        .await
        .expect(403);
    assert_eq!(error["kind"], "denied");
    assert!(
        error["denials"][0]["smallest_grant"]
            .as_str()
            .unwrap()
            .contains("twice"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_an_outcome_or_an_error_for_each_key() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let path = format!("/v1/sandboxes/{sandbox}/calls");
    let batch = json!({"a": twice(1), "b": twice(2), "none": {"tool": "no", "function": "x"},
        "wrong": {"tool": "echo", "function": "twice"}, "trap": {"tool": "echo", "function": "trap"}});
    let ended = server.post(&path, batch).await.expect(200);
    assert_eq!(
        (&ended["a"]["outcome"]["value"], &ended["b"]["outcome"]["value"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(ended["none"]["error"]["kind"], "not-found");
    assert_eq!(ended["wrong"]["error"]["kind"], "invalid-input");
    assert!(ended["trap"]["outcome"]["ending"]["trapped"].is_string(), "{ended}");
    server.post(&path, json!({})).await.expect(400);
    let many: serde_json::Map<String, Value> = (0..101).map(|n| (n.to_string(), twice(n))).collect();
    server.post(&path, Value::Object(many)).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tool_is_refused() {
    let server = Running::start().await;
    let put = async |path: &str, media: &str, body: &'static [u8]| {
        let request = server.request(Method::PUT, path).header("x-api-key", &server.admin);
        let request = request.header("content-type", media);
        server
            .send(request.body(Full::new(Bytes::from_static(body))).unwrap())
            .await
    };
    put("/v1/tools/x", "application/json", b"{}").await.expect(415);
    put("/v1/tools/x", "application/wasm", b"no wasm").await.expect(400);
    put("/v1/tools/x", "application/wasm", b"\0asm\x01\0\0\0")
        .await
        .expect(400);
    put("/v1/tools/X", "application/wasm", b"").await.expect(400);
    put("/v1/tools/..%2Fx", "application/wasm", b"").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_is_gone_ends_its_call() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let stream = begin_to_spin(&server, &sandbox).await;
    drop(stream);
    server.wait_for_processes(&sandbox, 0).await;
    let mut stream = begin_to_spin(&server, &sandbox).await;
    stream.shutdown().await.unwrap();
    server.wait_for_processes(&sandbox, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_is_gone_ends_its_call_whatever_it_sent_after_it() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let mut stream = begin_to_spin(&server, &sandbox).await;
    stream.write_all(b"G").await.unwrap();
    drop(stream);
    server.wait_for_processes(&sandbox, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_waits_for_calls_and_then_drops_them() {
    let shutdown_time = Duration::from_millis(300);
    let (server, sandbox) = with_echo(Settings {
        shutdown_time,
        ..Settings::default()
    })
    .await;
    let mut stream = begin_to_spin(&server, &sandbox).await;
    let sandbox = server.host.sandbox(sandbox.parse().unwrap()).unwrap();
    let (address, started) = (server.address, Instant::now());
    let ended = server.stop();
    tokio::time::timeout(SOON, ended).await.unwrap().unwrap().unwrap();
    assert!(started.elapsed() >= shutdown_time, "{:?}", started.elapsed());
    assert!(sandbox.processes().is_empty());
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_a_call_end_which_does_in_time() {
    let (server, sandbox) = with_echo(Settings::default()).await;
    let spin = json!({"tool": "echo", "function": "spin", "limits": {"time": "500ms"}});
    let path = format!("/v1/sandboxes/{sandbox}/call");
    let stop = async {
        server.wait_for_processes(&sandbox, 1).await;
        server.stop_soon();
    };
    let (answer, ()) = tokio::join!(server.post(&path, spin), stop);
    assert_eq!(answer.expect(200)["ending"], json!({"limit-reached": "time"}));
    tokio::time::timeout(SOON, server.stop())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
