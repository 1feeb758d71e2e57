//! Programs in a sandbox, followed while they run.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use palisade::policy::ByteSize;
use palisade_server::Settings;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::{Answer, Running, SOON};

/// A module which can print `text`, and does what `start` says.
fn program(text: &str, start: &str) -> Vec<u8> {
    let text: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let source = format!(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 2)
        (data (i32.const 1024) "{text}")
        (func $write (param $fd i32) (param $at i32) (param $left i32)
            (loop $more
                (i32.store (i32.const 0) (local.get $at))
                (i32.store (i32.const 4) (local.get $left))
                (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
                    (then (call $exit (i32.const 99))))
                (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
                (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
                (br_if $more (local.get $left))))
        (func (export "_start") (local $count i32) {start}))"#
    );
    wat::parse_str(source).unwrap()
}

/// Greets, complains, and ends with code 3.
fn greeter() -> Vec<u8> {
    let start = "(call $write (i32.const 1) (i32.const 1024) (i32.const 3))
        (call $write (i32.const 2) (i32.const 1027) (i32.const 5)) (call $exit (i32.const 3))";
    program("hi\noops\n", start)
}

/// Says that it is ready, and then all that it is told.
fn echo() -> Vec<u8> {
    let start = "(call $write (i32.const 1) (i32.const 1024) (i32.const 6))
        (block $end (loop $next
            (i32.store (i32.const 0) (i32.const 65536))
            (i32.store (i32.const 4) (i32.const 65536))
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
            (br_if $end (i32.eqz (i32.load (i32.const 8))))
            (call $write (i32.const 1) (i32.const 65536) (i32.load (i32.const 8)))
            (br $next)))";
    program("ready\n", start)
}

/// Prints a text so many times.
fn repeat(text: &str, times: u32) -> Vec<u8> {
    let length = text.len();
    let start = format!(
        "(loop $next
            (call $write (i32.const 1) (i32.const 1024) (i32.const {length}))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $count) (i32.const {times}))))"
    );
    program(text, &start)
}

fn spin() -> Vec<u8> {
    program("", "(loop (br 0))")
}

/// A server, and the processes of a sandbox with one program.
struct Ready {
    server: Running,
    sandbox: String,
    path: String,
}

impl Ready {
    async fn with(program: Vec<u8>) -> Self {
        Self::of(Running::start().await, json!({}), program).await
    }

    async fn of(server: Running, spec: Value, program: Vec<u8>) -> Self {
        let made = server.post("/v1/sandboxes", spec).await.expect(201);
        let sandbox = made["id"].as_str().unwrap().to_owned();
        let workspace = server.host.sandbox(sandbox.parse().unwrap()).unwrap();
        workspace.workspace().write("/x.wasm", &program).unwrap();
        Self {
            path: format!("/v1/sandboxes/{sandbox}/processes"),
            server,
            sandbox,
        }
    }

    /// Runs it to the end, as the client wants to hear of that.
    async fn run(&self, accept: &str, body: Value) -> Answer {
        let request = self.request(Method::POST, &self.path).header("accept", accept);
        let request = request.header("content-type", "application/json");
        self.server
            .send(request.body(Full::new(body.to_string().into())).unwrap())
            .await
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        self.server
            .request(method, path)
            .header("x-api-key", &self.server.admin)
    }

    /// Starts it detached; the path of it is the answer.
    async fn detach(&self, stdin: &str) -> String {
        let body = json!({"program": "/x.wasm", "detached": true, "stdin": stdin});
        let started = self.server.post(&self.path, body).await.expect(201);
        assert_eq!(started["state"], "running", "{started}");
        format!("{}/{}", self.path, started["process"])
    }

    /// Starts it attached, and follows it.
    async fn attach(&self, stdin: &str) -> Followed {
        let body = json!({"program": "/x.wasm", "stdin": stdin}).to_string();
        let request = self
            .request(Method::POST, &self.path)
            .header("content-type", "application/json");
        Followed::open(&self.server, request.body(Full::new(body.into())).unwrap()).await
    }

    /// Follows what a process prints, once nobody else does.
    async fn follow(&self, process: &str) -> Followed {
        let path = format!("{process}/output");
        let opened = async {
            loop {
                let request = self.request(Method::GET, &path).body(Full::default()).unwrap();
                let followed = Followed::open(&self.server, request).await;
                if followed.response.status() == 200 {
                    return followed;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, opened).await.unwrap()
    }

    async fn send(&self, process: &str, query: &str, bytes: impl Into<Bytes>) -> Answer {
        let request = self.request(Method::POST, &format!("{process}/stdin{query}"));
        self.server.send(request.body(Full::new(bytes.into())).unwrap()).await
    }

    async fn kill(&self, process: &str) {
        let killed = self
            .server
            .post(&format!("{process}/signal"), json!({"signal": "kill"}))
            .await;
        killed.expect(204);
    }

    /// How a process ended.
    async fn wait(&self, process: &str) -> Value {
        let path = format!("{process}/wait");
        let told = tokio::time::timeout(SOON, self.server.get(&path)).await;
        let told = told.unwrap().expect(200);
        assert_eq!(told["state"], "ended", "{told}");
        told["outcome"].clone()
    }
}

/// An answer which is read line by line. Dropping it ends the connection.
struct Followed {
    response: Response<Incoming>,
    read: Vec<u8>,
    connection: JoinHandle<hyper::Result<()>>,
    _sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Followed {
    async fn open(server: &Running, request: Request<Full<Bytes>>) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        Self {
            response,
            read: Vec::new(),
            connection,
            _sender: sender,
        }
    }

    /// The next line.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(SOON, self.response.frame())
                .await
                .expect("more comes soon");
            self.read.extend(frame?.unwrap().into_data().unwrap());
        }
    }

    /// Expects the line which is the first of all.
    async fn started(&mut self) -> u64 {
        self.next().await.unwrap()["started"]["process"].as_u64().unwrap()
    }

    /// All that is printed until the end, and how that is.
    async fn rest(mut self) -> (String, Value) {
        let mut printed = String::new();
        while let Some(line) = self.next().await {
            match (line["stdout"].as_str(), line.get("outcome")) {
                (Some(text), _) => printed += text,
                (None, Some(outcome)) => return (printed, outcome.clone()),
                (None, None) => panic!("{line}"),
            }
        }
        panic!("it ended without an outcome after {} bytes", printed.len());
    }

    /// How a process ends which prints nothing.
    async fn rest_of_silent(mut self) -> Value {
        self.started().await;
        let (printed, outcome) = self.rest().await;
        assert_eq!(printed, "");
        outcome
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_of_in_three_forms() {
    let ready = Ready::with(greeter()).await;
    let body = json!({"program": "/x.wasm"});
    let answer = ready.run("*/*", body.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/x-ndjson".parse().unwrap())
    );
    let told = lines(&answer);
    assert_eq!(told[0], json!({"started": {"process": 1, "program": "/x.wasm"}}));
    assert!(
        told.contains(&json!({"stdout": "hi\n"})) && told.contains(&json!({"stderr": "oops\n"})),
        "{told:?}"
    );
    let outcome = &told[3]["outcome"];
    assert_eq!(outcome["ending"], json!({"exited": 3}));
    assert!(
        outcome["usage"]["elapsed_ms"].is_number() && outcome.get("stdout").is_none(),
        "{outcome}"
    );

    let answer = ready.run("text/event-stream", body.clone()).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        text.starts_with("event: started\ndata: {\"started\":{\"process\":2"),
        "{text}"
    );
    assert!(
        text.contains("event: stdout\ndata: {\"stdout\":\"hi\\n\"}\n\n"),
        "{text}"
    );
    assert!(text.contains("event: outcome\ndata: {\"outcome\":{"), "{text}");

    let outcome = ready.run("application/json", body).await.expect(200);
    assert_eq!(
        (&outcome["stdout"], &outcome["stderr"]),
        (&json!("hi\n"), &json!("oops\n"))
    );
    assert_eq!(outcome["ending"], json!({"exited": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_and_limits_are_the_programs() {
    let start = "(drop (call $args_sizes (i32.const 0) (i32.const 4)))
        (drop (call $args (i32.const 16) (i32.const 4096)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 4)))
        (loop (br 0))";
    let ready = Ready::with(program("", start)).await;
    let body = json!({"program": "/x.wasm", "args": ["one", "zwölf"], "limits": {"time": "100ms"}});
    let outcome = ready.run("application/json", body).await.expect(200);
    assert_eq!(outcome["stdout"], "x.wasm\0one\0zwölf\0");
    assert_eq!(outcome["ending"], json!({"limit-reached": "time"}));
    let body = json!({"program": "/x.wasm", "args": ["one"], "limits": {"output": "4 B"}});
    let outcome = ready.run("application/json", body).await.expect(200);
    assert_eq!(
        (&outcome["stdout"], &outcome["ending"]),
        (&json!("x.wa"), &json!({"limit-reached": "output"}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_has_no_more_than_the_server_gives() {
    let settings = Settings {
        max_output: ByteSize::from_bytes(4096),
        ..Settings::default()
    };
    let ready = Ready::of(Running::with(settings).await, json!({}), repeat("1234", 300)).await;
    let body = json!({"program": "/x.wasm", "limits": {"output": "1 MiB"}});
    let outcome = ready.run("application/json", body.clone()).await.expect(200);
    // A quarter of the answer is for what is printed.
    assert_eq!(
        (&outcome["stdout"], &outcome["ending"]),
        (&json!("1234".repeat(256)), &json!({"limit-reached": "output"}))
    );
    let told = lines(&ready.run("*/*", body).await);
    assert_eq!(told.last().unwrap()["outcome"]["ending"], json!({"exited": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_while_the_program_runs_and_input_goes_to_it() {
    let ready = Ready::with(echo()).await;
    let mut followed = ready.attach("pipe").await;
    let process = format!("{}/{}", ready.path, followed.started().await);
    assert_eq!(followed.next().await, Some(json!({"stdout": "ready\n"})));
    assert_eq!(ready.server.get(&process).await.expect(200)["state"], "running");
    ready.send(&process, "", "one").await.expect(204);
    assert_eq!(followed.next().await, Some(json!({"stdout": "one"})));
    // Half a character is not told of before it is whole.
    ready.send(&process, "", vec![b'a', 0xc3]).await.expect(204);
    assert_eq!(followed.next().await, Some(json!({"stdout": "a"})));
    ready.send(&process, "", vec![0xa4]).await.expect(204);
    assert_eq!(followed.next().await, Some(json!({"stdout": "ä"})));
    ready.send(&process, "", vec![0xff]).await.expect(204);
    assert_eq!(followed.next().await, Some(json!({"stdout_base64": "/w=="})));
    ready.send(&process, "?eof=true", "two").await.expect(204);
    let (printed, outcome) = followed.rest().await;
    assert_eq!((printed.as_str(), &outcome["ending"]), ("two", &json!({"exited": 0})));
    ready.send(&process, "", "three").await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_which_leaves_ends_what_it_started_and_nothing_detached() {
    let ready = Ready::with(spin()).await;
    let mut followed = ready.attach("none").await;
    followed.started().await;
    ready.server.wait_for_processes(&ready.sandbox, 1).await;
    drop(followed);
    ready.server.wait_for_processes(&ready.sandbox, 0).await;
    tokio::select! {
        answer = ready.run("application/json", json!({"program": "/x.wasm"})) => panic!("{answer:?}"),
        () = ready.server.wait_for_processes(&ready.sandbox, 1) => {}
    }
    ready.server.wait_for_processes(&ready.sandbox, 0).await;

    let process = ready.detach("none").await;
    let mut followed = ready.follow(&process).await;
    followed.started().await;
    let path = format!("{process}/wait");
    let waiting = tokio::time::timeout(Duration::from_millis(100), ready.server.get(&path));
    assert!(waiting.await.is_err());
    drop(followed);
    // The next reader comes in once the server knows that the first has left.
    let followed = ready.follow(&process).await;
    assert_eq!(ready.server.get(&process).await.expect(200)["state"], "running");
    ready.kill(&process).await;
    assert_eq!(followed.rest_of_silent().await["ending"], "killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_process_is_read_by_one_at_a_time_and_kept_after_its_end() {
    let ready = Ready::with(echo()).await;
    let process = ready.detach("pipe").await;
    let mut first = ready.follow(&process).await;
    first.started().await;
    assert_eq!(first.next().await, Some(json!({"stdout": "ready\n"})));
    ready.server.get(&format!("{process}/output")).await.expect(409);
    drop(first);
    let mut second = ready.follow(&process).await;
    second.started().await;
    ready.send(&process, "?eof=true", "two").await.expect(204);
    let (printed, outcome) = second.rest().await;
    assert_eq!((printed.as_str(), &outcome["ending"]), ("two", &json!({"exited": 0})));
    assert_eq!(ready.wait(&process).await, outcome);
    let listed = ready.server.get(&ready.path).await.expect(200);
    assert_eq!(listed["processes"].as_array().unwrap().len(), 1);
    let told = &listed["processes"][0];
    assert_eq!(
        (&told["process"], &told["program"], &told["state"]),
        (&json!(1), &json!("/x.wasm"), &json!("ended"))
    );
    assert!(
        told["started"].as_str().unwrap().ends_with('Z') && told["error"].is_null(),
        "{told}"
    );
    assert_eq!(told["outcome"], outcome);

    // What nobody has read is kept too.
    let unread = ready.detach("none").await;
    ready.wait(&unread).await;
    let mut followed = ready.follow(&unread).await;
    followed.started().await;
    assert_eq!(followed.rest().await.0, "ready\n");
    assert_eq!(
        ready.follow(&unread).await.rest_of_silent().await["ending"],
        json!({"exited": 0})
    );

    let sandbox = format!("/v1/sandboxes/{}", ready.sandbox);
    ready
        .server
        .ask(&ready.server.admin, Method::DELETE, &sandbox, None)
        .await
        .expect(204);
    ready.server.get(&process).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_ends_and_other_signals_are_not_known() {
    let ready = Ready::with(spin()).await;
    let process = ready.detach("pipe").await;
    let signal = format!("{process}/signal");
    let error = ready.server.post(&signal, json!({"signal": "term"})).await.expect(400);
    assert!(
        error["message"].as_str().unwrap().contains("expected `kill`"),
        "{error}"
    );
    // It does not read, and so neither is there room for all of this.
    let sending = ready.send(&process, "", vec![0; 1 << 20]);
    let killing = async {
        let taken = async {
            while ready.send(&process, "", "").await.status != 409 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, taken)
            .await
            .expect("one request writes at a time");
        ready.kill(&process).await;
    };
    let (sent, ()) = tokio::join!(sending, killing);
    let error = sent.expect(409);
    assert!(error["message"].as_str().unwrap().contains("ended before"), "{error}");
    assert_eq!(ready.wait(&process).await["ending"], "killed");
    ready.kill(&process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_waits_for_who_does_not_read_and_text_stays_text() {
    const TIMES: u32 = 4_000;
    let text = "€".repeat(5_461);
    let spec = json!({"limits": {"output": "64 MiB", "time": "120s"}});
    let ready = Ready::of(Running::start().await, spec, repeat(&text, TIMES)).await;
    let process = ready.detach("none").await;
    // Were it to print on, it would come further in that time.
    tokio::time::sleep(Duration::from_millis(500)).await;
    ready.kill(&process).await;
    let written = ready.wait(&process).await["usage"]["written_bytes"].as_u64().unwrap();
    assert!(written <= 64 << 10, "{written} bytes were printed");

    // Between a program and a client which does not read are the buffers of two sockets too.
    let mut followed = ready.attach("none").await;
    let process = format!("{}/{}", ready.path, followed.started().await);
    tokio::time::sleep(Duration::from_millis(500)).await;
    ready.kill(&process).await;
    let written = ready.wait(&process).await["usage"]["written_bytes"].as_u64().unwrap();
    assert!(written < 32 << 20, "{written} bytes were printed");
    drop(followed);

    let followed = {
        let mut followed = ready.attach("none").await;
        followed.started().await;
        followed
    };
    let (printed, outcome) = followed.rest().await;
    assert_eq!(printed.len(), text.len() * TIMES as usize);
    assert!(printed.chars().all(|char| char == '€'));
    assert_eq!(outcome["ending"], json!({"exited": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_an_error() {
    let ready = Ready::with(greeter()).await;
    let sandbox = ready.server.host.sandbox(ready.sandbox.parse().unwrap()).unwrap();
    sandbox.workspace().write("/text", b"#!/bin/sh").unwrap();
    let unlinked = r#"(module (import "env" "missing" (func)) (func (export "_start")))"#;
    sandbox
        .workspace()
        .write("/unlinked.wasm", &wat::parse_str(unlinked).unwrap())
        .unwrap();
    for (program, status) in [("/none.wasm", 404), ("x.wasm", 400), ("/text", 400), ("/", 409)] {
        let error = ready.run("*/*", json!({ "program": program })).await.expect(status);
        assert!(error["message"].is_string(), "{program}: {error}");
    }
    let body = json!({"program": "/unlinked.wasm"});
    let told = lines(&ready.run("*/*", body.clone()).await);
    assert_eq!(told[1]["error"]["kind"], "invalid-input", "{told:?}");
    let error = ready.run("application/json", body).await.expect(400);
    assert!(error["message"].as_str().unwrap().contains("missing"), "{error}");
    let listed = ready.server.get(&ready.path).await.expect(200);
    assert_eq!(listed["processes"][0]["error"]["kind"], "invalid-input", "{listed}");

    ready
        .run("*/*", json!({"program": "/x.wasm", "stdin": "tty"}))
        .await
        .expect(400);
    let process = ready.detach("none").await;
    ready.send(&process, "", "x").await.expect(409);
    ready.server.get(&format!("{}/99", ready.path)).await.expect(404);
    ready.server.get(&format!("{}/x", ready.path)).await.expect(400);
    ready
        .server
        .post(&format!("/v1/sandboxes/{}/stop", ready.sandbox), json!({}))
        .await
        .expect(200);
    ready.run("*/*", json!({"program": "/x.wasm"})).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_which_is_removed_is_compiled_and_runs_all_the_same() {
    let server = Running::start().await;
    let id = server.sandbox().await;
    let sandbox = server.host.sandbox(id.parse().unwrap()).unwrap();
    let program = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap();
    sandbox.workspace().write("/once.wasm", &program).unwrap();
    let at = format!("/v1/sandboxes/{id}/processes");
    let body = json!({"program": "/once.wasm", "remove_program": true, "detached": true});
    server.post(&at, body.clone()).await.expect(201);
    let ended = server.get(&format!("{at}/1/wait")).await.expect(200);
    assert_eq!(ended["outcome"]["ending"], json!({"exited": 0}), "{ended}");
    assert!(sandbox.workspace().list("/").unwrap().is_empty());
    server.post(&at, body).await.expect(404);
}
