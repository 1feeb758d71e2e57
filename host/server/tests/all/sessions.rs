//! Sessions over HTTP.

use std::time::{Duration, Instant};

use hyper::Method;
use palisade_server::Role;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Running, SOON};

/// A component which counts its calls, traps and spins.
const COUNTER: &str = r#"(component
    (core module $m
        (global $calls (mut i32) (i32.const 0))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0))))
    (core instance $i (instantiate $m))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "trap") (canon lift (core func $i "trap")))
    (func (export "spin") (canon lift (core func $i "spin"))))"#;

/// A server with a session, the path of its sandbox's sessions, and that of the session.
async fn opened(asked: Value) -> (Running, String, String) {
    let server = Running::start().await;
    server.put_tool(&server.admin, "counter", COUNTER).await.expect(201);
    let path = format!("/v1/sandboxes/{}/sessions", server.sandbox().await);
    let mut body = json!({"tool": "counter"});
    body.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
    let made = server.post(&path, body).await.expect(201);
    assert_eq!((&made["tool"], &made["ending"]), (&json!("counter"), &Value::Null));
    let session = format!("{path}/{}", made["session"]);
    (server, path, session)
}

async fn call(server: &Running, session: &str, function: &str) -> Value {
    let body = json!({"function": function});
    server.post(&format!("{session}/call"), body).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_keeps_its_state_and_is_shown_until_it_is_ended() {
    let (server, path, session) = opened(json!({"idle_seconds": 600})).await;
    for count in 1..4 {
        assert_eq!(call(&server, &session, "count").await["value"], count);
    }
    let shown = server.get(&session).await.expect(200);
    assert_eq!((&shown["ending"], &shown["idle_seconds"]), (&Value::Null, &json!(600)));
    assert_eq!(server.get(&path).await.expect(200)["sessions"], json!([shown]));
    let ended = server.ask(&server.admin, Method::DELETE, &session, None).await;
    ended.expect(204);
    server.get(&session).await.expect(404);
    let sandbox = path.split('/').nth(3).unwrap();
    server.wait_for_processes(sandbox, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_which_traps_ends_the_session_which_says_so() {
    let (server, path, session) = opened(json!({})).await;
    let outcome = call(&server, &session, "trap").await;
    assert!(outcome["ending"]["trapped"].is_string(), "{outcome}");
    let refused = json!({"function": "count"});
    server.post(&format!("{session}/call"), refused).await.expect(409);
    assert_eq!(server.get(&session).await.expect(200)["ending"], outcome["ending"]);
    server.post(&path, json!({"tool": "counter"})).await.expect(201);
    server.get(&session).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_all_calls_and_an_idle_session_ends() {
    let (server, path, session) = opened(json!({"limits": {"time": "50ms"}})).await;
    assert_eq!(
        call(&server, &session, "spin").await["ending"],
        json!({"limit-reached": "time"})
    );
    let made = server.post(&path, json!({"tool": "counter", "idle_seconds": 1})).await;
    let idle = format!("{path}/{}", made.expect(201)["session"]);
    let started = Instant::now();
    while server.get(&idle).await.expect(200)["ending"].is_null() {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_leaves_ends_its_call_and_with_it_the_session() {
    let (server, _, session) = opened(json!({})).await;
    let body = json!({"function": "spin"}).to_string();
    let head = format!(
        "POST {session}/call HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        server.admin,
        body.len()
    );
    let started = Instant::now();
    // Nobody tells when a call begins; one which has not is not made.
    while server.get(&session).await.expect(200)["ending"].is_null() {
        assert!(started.elapsed() < SOON);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(stream);
    }
    assert_eq!(server.get(&session).await.expect(200)["ending"], "killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_session_is_told() {
    let (server, path, session) = opened(json!({})).await;
    for (body, status) in [
        (json!({"tool": "none"}), 404),
        (json!({"tool": "counter", "idle_seconds": 0}), 400),
        (json!({"tool": "counter", "idle_seconds": 3601}), 400),
        (json!({"tool": "counter", "limits": {"memory": "much"}}), 400),
        (json!({"tool": "counter", "grants": {}}), 400),
    ] {
        server.post(&path, body).await.expect(status);
    }
    for (body, status) in [
        (json!({"function": "none"}), 404),
        (json!({"function": "count", "arguments": {"x": 1}}), 400),
        (json!({"function": "count", "tool": "counter"}), 400),
    ] {
        server.post(&format!("{session}/call"), body).await.expect(status);
    }
    assert_eq!(call(&server, &session, "count").await["value"], 1);
    server.get(&format!("{path}/77")).await.expect(404);
    server.get(&format!("{path}/x")).await.expect(400);
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    server
        .ask(&reader, Method::POST, &path, Some(json!({"tool": "counter"})))
        .await
        .expect(403);
    server.ask(&reader, Method::GET, &session, None).await.expect(200);
    server.ask(&reader, Method::DELETE, &session, None).await.expect(403);
}
