//! The clients: each connects, does what it does, and is gone.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::client::Running;

/// A program which prints for ever.
const PRINTER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "all work and no play\n")
    (func (export "_start")
        (i32.store (i32.const 0) (i32.const 64))
        (i32.store (i32.const 4) (i32.const 21))
        (loop $more
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))
            (br $more))))"#;

/// The server, and what became of its clients.
pub(crate) struct World {
    pub server: Running,
    pub tasks_at_rest: usize,
    pub descriptors_at_rest: usize,
    program: Vec<u8>,
    served: AtomicU64,
    refused: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new(server: Running) -> Self {
        Self {
            server,
            // The server's own. A few files are opened once and stay open, such as those of compiled programs.
            tasks_at_rest: Handle::current().metrics().num_alive_tasks(),
            descriptors_at_rest: fs::read_dir("/proc/self/fd").unwrap().count() + 4,
            program: wat::parse_str(PRINTER).unwrap(),
            served: AtomicU64::default(),
            refused: AtomicU64::default(),
            failures: Mutex::default(),
        }
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    pub(crate) fn told(&self) -> String {
        let refused = self.refused.load(Ordering::Relaxed);
        format!("{} requests were served and {refused} refused", self.served())
    }

    /// Notes how a request was answered.
    fn note(&self, request: &str, answer: &[u8]) {
        let head = String::from_utf8_lossy(&answer[..answer.len().min(400)]);
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match status {
            Some(200..400) => drop(self.served.fetch_add(1, Ordering::Relaxed)),
            Some(400..500) | None => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            Some(_) => {
                let request: String = request.chars().take(200).collect();
                self.failures.lock().unwrap().push(format!("{request}: {head}"));
            }
        }
    }

    fn head(&self, method: &str, path: &str, media: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nx-api-key: {}\r\ncontent-type: {media}\r\n\
             content-length: {length}\r\n",
            self.server.address, self.server.admin
        )
    }

    /// A request, and its whole answer.
    async fn ask(&self, method: &str, path: &str, media: &str, body: &[u8]) -> Vec<u8> {
        let head = self.head(method, path, media, body.len()) + "connection: close\r\n\r\n";
        let mut answer = Vec::new();
        if let Ok(mut stream) = TcpStream::connect(self.server.address).await {
            let sent = async {
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(body).await
            };
            let _ = sent.await;
            let _ = stream.read_to_end(&mut answer).await;
        }
        self.note(&head, &answer);
        answer
    }

    async fn ask_json(&self, path: &str, body: serde_json::Value) -> Vec<u8> {
        self.ask("POST", path, "application/json", body.to_string().as_bytes())
            .await
    }

    /// The path of a new sandbox, which ends by itself.
    async fn sandbox(&self) -> Option<String> {
        let answer = self.ask_json("/v1/sandboxes", json!({"ttl_seconds": 2})).await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let id = text.split("\"id\":\"").nth(1)?.split('"').next()?.to_owned();
        Some(format!("/v1/sandboxes/{id}"))
    }

    /// Sends what is given, stays for a while, and is gone, whatever came back.
    async fn vanish(&self, bytes: &[u8], stay: Duration, reads: bool) {
        let Ok(mut stream) = TcpStream::connect(self.server.address).await else {
            return;
        };
        let _ = timeout(stay, stream.write_all(bytes)).await;
        let mut answer = vec![0; 4096];
        let read = async {
            let mut length = 0;
            while reads && length < answer.len() {
                match stream.read(&mut answer[length..]).await {
                    Ok(0) | Err(_) => return length,
                    Ok(more) => length += more,
                }
            }
            tokio::time::sleep(stay).await;
            length
        };
        if let Ok(length) = timeout(stay, read).await {
            self.note("vanishing", &answer[..length]);
        }
    }
}

/// One visit of a client of a random kind.
pub(crate) async fn visit(world: &World, random: &mut StdRng) {
    let stay = Duration::from_millis(random.random_range(0..300));
    match random.random_range(0..8) {
        0 | 1 => works(world, random).await,
        2 => leaves_a_call(world, stay).await,
        3 => leaves_a_process(world, stay).await,
        4 => stalls(world, random).await,
        5 => sends_garbage(world, random, stay).await,
        6 => sends_bad_requests(world, random).await,
        _ => follows_events(world, stay).await,
    }
}

/// All that a good client does.
async fn works(world: &World, random: &mut StdRng) {
    let Some(at) = world.sandbox().await else { return };
    let mut bytes = vec![0; random.random_range(0..100_000)];
    random.fill_bytes(&mut bytes);
    let file = format!("{at}/files?path=/data");
    world.ask("PUT", &file, "application/octet-stream", &bytes).await;
    world.ask("GET", &file, "text/plain", b"").await;
    let call = json!({"tool": "echo", "function": "twice", "arguments": {"number": 21}});
    world.ask_json(&format!("{at}/call"), call).await;
    let session = world.ask_json(&format!("{at}/sessions"), json!({"tool": "echo"})).await;
    drop(session);
    world
        .ask("GET", &format!("{at}/files/tar?path=/"), "text/plain", b"")
        .await;
    if random.random() {
        world.ask("DELETE", &at, "text/plain", b"").await;
    }
}

/// Leaves while its call runs.
async fn leaves_a_call(world: &World, stay: Duration) {
    let Some(at) = world.sandbox().await else { return };
    let body = json!({"tool": "echo", "function": "spin"}).to_string();
    let head = world.head("POST", &format!("{at}/call"), "application/json", body.len());
    world.vanish(format!("{head}\r\n{body}").as_bytes(), stay, true).await;
}

/// Starts a program which prints for ever, and reads some of it or nothing.
async fn leaves_a_process(world: &World, stay: Duration) {
    let Some(at) = world.sandbox().await else { return };
    let file = format!("{at}/files?path=/printer.wasm");
    world
        .ask("PUT", &file, "application/octet-stream", &world.program)
        .await;
    let body = json!({"program": "/printer.wasm"}).to_string();
    let head = world.head("POST", &format!("{at}/processes"), "application/json", body.len());
    let reads = stay.as_millis().is_multiple_of(2);
    world.vanish(format!("{head}\r\n{body}").as_bytes(), stay, reads).await;
}

/// Sends a part of a request, or asks for much and reads nothing, longer than it may.
async fn stalls(world: &World, random: &mut StdRng) {
    let head = world.head("POST", "/v1/sandboxes", "application/json", 100);
    let whole = format!("{head}\r\n{{}}");
    let cut = random.random_range(0..whole.len());
    let many = "GET /v1/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    let bytes = if random.random() {
        &whole.as_bytes()[..cut]
    } else {
        many.as_bytes()
    };
    world.vanish(bytes, Duration::from_millis(1500), false).await;
}

async fn sends_garbage(world: &World, random: &mut StdRng, stay: Duration) {
    let mut bytes = vec![0; random.random_range(1..100_000)];
    random.fill_bytes(&mut bytes);
    if random.random() {
        let head = format!("GET /{} HTTP/1.1\r\n", "x".repeat(random.random_range(0..70_000)));
        bytes.splice(0..0, head.into_bytes());
    }
    world.vanish(&bytes, stay, true).await;
}

/// What is well formed, and wrong.
async fn sends_bad_requests(world: &World, random: &mut StdRng) {
    let bodies = [
        "{",
        "[]",
        "{\"policy\": 1}",
        "{\"limits\": {\"memory\": \"much\"}}",
        "\u{0}",
        "{\"ttl_seconds\": 0}",
    ];
    let paths = [
        "/v1/sandboxes",
        "/v1/sandboxes/x/call",
        "/v1/sandboxes/0123456789abcdef/calls",
        "/v1/nothing",
        "/",
    ];
    let methods = ["POST", "PUT", "PATCH", "DELETE", "BREW"];
    let pick = |choices: &[&'static str], random: &mut StdRng| *choices.choose(random).unwrap_or(&"");
    let (method, path, body) = (pick(&methods, random), pick(&paths, random), pick(&bodies, random));
    world.ask(method, path, "application/json", body.as_bytes()).await;
}

async fn follows_events(world: &World, stay: Duration) {
    let head = world.head("GET", "/v1/events", "text/plain", 0);
    world.vanish(format!("{head}\r\n").as_bytes(), stay, true).await;
}
