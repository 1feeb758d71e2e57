//! What happens, told as it happens.

use hyper::Method;
use jiff::Timestamp;
use palisade_server::Role;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::client::{ECHO, Running, SOON};

/// A stream of events as a client reads it.
struct Following(BufReader<TcpStream>);

#[derive(Debug, Default, PartialEq)]
struct Told {
    id: String,
    name: String,
    at: Option<Timestamp>,
    data: Value,
}

impl Following {
    async fn start(server: &Running, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n{headers}\r\n",
            server.admin
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut following = Self(BufReader::new(stream));
        let status = following.line().await.unwrap();
        assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
        while following.line().await.unwrap() != "" {}
        following
    }

    /// The next line; `None` where the server has ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(SOON, self.0.read_line(&mut line)).await;
        match read.expect("there is a line or an end") {
            Ok(1..) => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Told> {
        let mut told = Told::default();
        loop {
            let line = self.line().await?;
            match line.split_once(": ") {
                Some(("id", id)) => told.id = id.to_owned(),
                Some(("event", name)) => told.name = name.to_owned(),
                Some(("data", data)) => {
                    told.data = serde_json::from_str(data).unwrap();
                    let at = told.data.as_object_mut().unwrap().remove("at");
                    told.at = at.map(|at| at.as_str().unwrap().parse().unwrap());
                }
                None if line.is_empty() && !told.name.is_empty() => return Some(told),
                // The sizes of chunks, and the last of them.
                _ if line == "0" => return None,
                _ => {}
            }
        }
    }

    async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.next().await.expect("it goes on").name);
        }
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_and_taken_up_where_it_was_left() {
    let server = Running::start().await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let mut following = Following::start(&server, "/v1/events", "").await;
    let sandbox = server.sandbox().await;
    let body = json!({"tool": "echo", "function": "trap"});
    server
        .post(&format!("/v1/sandboxes/{sandbox}/call"), body)
        .await
        .expect(200);

    let mut told = Vec::new();
    while told.last().is_none_or(|last: &Told| last.name != "process-ended") {
        told.push(following.next().await.unwrap());
    }
    let created = told.iter().position(|one| one.name == "sandbox-created").unwrap();
    assert_eq!(told[created].data, json!({"sandbox": sandbox}));
    assert!(told.iter().all(|one| one.at.is_some()), "{told:?}");
    let ended = &told.last().unwrap().data;
    assert!(
        ended["ending"]["trapped"].is_string() && ended["usage"]["fuel"].is_u64(),
        "{ended}"
    );

    let after = format!("last-event-id: {}\r\n", told[created].id);
    let mut again = Following::start(&server, "/v1/events", &after).await;
    for expected in &told[created + 1..] {
        assert_eq!(&again.next().await.unwrap(), expected);
    }
    let path = format!("/v1/events?after={}", told[created].id);
    let mut again = Following::start(&server, &path, "").await;
    assert_eq!(again.next().await.unwrap(), told[created + 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_of_one_sandbox_are_its_own_and_end_with_it() {
    let server = Running::start().await;
    let (one, other) = (server.sandbox().await, server.sandbox().await);
    let mut following = Following::start(&server, &format!("/v1/sandboxes/{one}/events"), "").await;
    server
        .post(&format!("/v1/sandboxes/{other}/suspend"), json!({}))
        .await
        .expect(200);
    server
        .post(&format!("/v1/sandboxes/{one}/suspend"), json!({}))
        .await
        .expect(200);
    let told = following.next().await.unwrap();
    assert_eq!(told.data, json!({"sandbox": one, "from": "ready", "to": "suspended"}));
    let path = format!("/v1/sandboxes/{one}");
    let gone = server.ask(&server.admin, Method::DELETE, &path, None).await;
    assert!(gone.status.is_success(), "{gone:?}");
    let mut last = None;
    while let Some(told) = following.next().await {
        last = Some(told.data["to"].clone());
    }
    assert_eq!(last, Some(json!("destroyed")));
    server.get(&format!("{path}/events")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_run_is_told_as_missed_and_no_id_is_refused() {
    let server = Running::start().await;
    let mut following = Following::start(&server, "/v1/events", "last-event-id: 00000000-5\r\n").await;
    server.sandbox().await;
    let names = following.names(3).await;
    assert!(
        names[0] == "missed" && names.contains(&"sandbox-created".into()),
        "{names:?}"
    );
    let error = server.get("/v1/events?after=first").await.expect(400);
    assert_eq!(error["kind"], "invalid-input");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_who_follows() {
    let server = Running::start().await;
    let mut following = Following::start(&server, "/v1/events", "").await;
    server.stop_soon();
    assert_eq!(following.next().await, None);
    let ended = tokio::time::timeout(SOON, server.stop()).await;
    ended.expect("it ends").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_may_follow_and_strangers_may_not() {
    let server = Running::start().await;
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let stranger = server.ask("plsd_x", Method::GET, "/v1/events", None).await;
    stranger.expect(401);
    let refused = server.ask(&reader, Method::GET, "/v1/events?after=x", None).await;
    refused.expect(400);
}
