//! What a client can make the server hold, and for how long.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http_body_util::Full;
use hyper::Method;
use palisade::policy::ByteSize;
use palisade_server::{Role, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Running, SOON};

/// Sends bytes as they are, and reads until the server ends the connection.
async fn exchange(server: &Running, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // It may end the connection before it has all.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    // That may be a reset, too.
    let _ = read.expect("the server ends the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with a key, and `more` in its head.
fn with_key(server: &Running, more: &str) -> String {
    format!(
        "GET /v1/tools HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n{more}\r\n",
        server.admin
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_which_is_too_large_is_refused() {
    let settings = Settings {
        max_json: ByteSize::from_bytes(100),
        max_component: ByteSize::from_bytes(200),
        ..Settings::default()
    };
    let server = Running::with(settings).await;
    server.post("/v1/sandboxes", json!({})).await.expect(201);
    let error = server
        .post("/v1/sandboxes", json!({"env": {"A": "x".repeat(100)}}))
        .await
        .expect(413);
    assert_eq!(error["kind"], "too-large");
    let request = server
        .request(Method::PUT, "/v1/tools/x")
        .header("x-api-key", &server.admin);
    let request = request.header("content-type", "application/wasm");
    server
        .send(request.body(Full::new(vec![0; 201].into())).unwrap())
        .await
        .expect(413);
    let chunked = format!(
        "POST /v1/sandboxes HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n80\r\n{}\r\n0\r\n\r\n",
        server.admin,
        " ".repeat(128)
    );
    let answer = exchange(&server, &chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_or_body_which_does_not_come_is_not_waited_for() {
    let settings = Settings {
        head_time: Duration::from_millis(300),
        request_time: Duration::from_millis(300),
        ..Settings::default()
    };
    let server = Running::with(settings).await;
    let started = Instant::now();
    assert!(
        !exchange(&server, "GET /healthz HTTP/1.1\r\nhost: loc")
            .await
            .contains(" 200 ")
    );
    assert_eq!(exchange(&server, "").await, "");
    let slow = format!(
        "POST /v1/sandboxes/0000000000000000/call HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\
         content-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        server.admin
    );
    let answer = exchange(&server, &slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_which_is_too_large_is_refused() {
    let server = Running::start().await;
    let head = |more: &str| format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    let of = |length: usize| head(&format!("x: {}\r\n", "x".repeat(length - head("x: \r\n").len())));
    let most = 64 * 1024;
    assert!(exchange(&server, &of(most)).await.starts_with("HTTP/1.1 200 "));
    let answer = exchange(&server, &of(most + 1)).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(!exchange(&server, &of(1 << 20)).await.contains(" 200 "));
    let answer = exchange(&server, &head(&"x: y\r\n".repeat(64))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_has_a_bare_answer() {
    let server = Running::start().await;
    let answer = exchange(&server, "no http\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.contains("x-request-id"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_good_key_is_the_last_on_its_connection() {
    let server = Running::start().await;
    let answers = async |first: String| {
        let told = exchange(&server, &(first + &with_key(&server, "connection: close\r\n"))).await;
        told.matches("HTTP/1.1 ").count()
    };
    assert_eq!(answers(with_key(&server, "")).await, 2);
    assert_eq!(
        answers("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()).await,
        1
    );
    assert_eq!(answers(with_key(&server, "").replace(&server.admin, "x")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_does_not_read_its_answers_is_left() {
    let server = Running::with(Settings {
        max_connections: 1,
        write_time: Duration::from_millis(300),
        ..Settings::default()
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let asking = async { while stream.write_all(with_key(&server, "").as_bytes()).await.is_ok() {} };
    tokio::time::timeout(SOON, asking)
        .await
        .expect("the server ends the connection");
    let answer = tokio::time::timeout(SOON, server.get("/healthz")).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connections_are_served_at_once() {
    let server = Running::start().await;
    let answers = join_all((0..200).map(|_| server.post("/v1/sandboxes", json!({})))).await;
    for answer in answers {
        answer.expect(201);
    }
    assert_eq!(server.host.sandboxes().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_waits_for_its_turn() {
    let server = Running::with(Settings {
        max_connections: 1,
        ..Settings::default()
    })
    .await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(with_key(&server, "").as_bytes()).await.unwrap();
    // Once it has an answer it is taken, and nobody else is.
    assert_ne!(first.read(&mut [0; 1]).await.unwrap(), 0);
    let waiting = tokio::time::timeout(Duration::from_millis(200), server.get("/healthz")).await;
    assert!(waiting.is_err(), "{waiting:?}");
    drop(first);
    let answer = tokio::time::timeout(SOON, server.get("/healthz")).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_leaves_room_for_others() {
    let server = Running::with(Settings {
        max_connections: 4,
        ..Settings::default()
    })
    .await;
    let follow = |key: &str| {
        let request = server.request(Method::GET, "/v1/events").header("x-api-key", key);
        request.body(Full::default()).unwrap()
    };
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let followed = [
        server.follow(follow(&reader)).await,
        server.follow(follow(&reader)).await,
    ];
    let error = server.ask(&reader, Method::GET, "/v1/tools", None).await.expect(429);
    assert_eq!(error["kind"], "exhausted");
    server.get("/v1/tools").await.expect(200);
    drop(followed);
    let started = Instant::now();
    while server.ask(&reader, Method::GET, "/v1/tools", None).await.status != 200 {
        assert!(started.elapsed() < SOON, "there is no room");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_is_refused_hears_it_though_it_drips_its_body() {
    let server = Running::start().await;
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut receive, mut send) = stream.into_split();
    let head = format!(
        "POST /v1/sandboxes HTTP/1.1\r\nhost: localhost\r\nx-api-key: {reader}\r\n\
         content-type: application/json\r\ncontent-length: 100000\r\n\r\n"
    );
    send.write_all(head.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while send.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let mut answer = [0; 12];
    tokio::time::timeout(SOON, receive.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    dripping.abort();
}
