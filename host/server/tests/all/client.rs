//! A server with keys of each role, and a client for it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use palisade::{Host, HostConfig, SandboxId};
use palisade_server::{Keys, Role, Server, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A component which answers, traps and spins.
pub(crate) const ECHO: &str = r#"(component
    (core module $m
        (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0))))
    (core instance $i (instantiate $m))
    (func (export "twice") (param "number" u32) (result u32) (canon lift (core func $i "twice")))
    (func (export "trap") (canon lift (core func $i "trap")))
    (func (export "spin") (canon lift (core func $i "spin"))))"#;

/// How long anything may take which is told of at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub host: Host,
    pub keys: Keys,
    pub address: std::net::SocketAddr,
    pub admin: String,
    stop: Arc<Notify>,
    task: JoinHandle<std::io::Result<()>>,
    _state: TempDir,
}

/// A connection which ends with this.
pub(crate) struct AbortOnDrop(JoinHandle<hyper::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if !self.status.is_success() {
            let error = self.json();
            assert!(error["kind"].is_string() && error["message"].is_string(), "{error}");
            assert_eq!(
                error["request_id"].as_str().unwrap(),
                self.headers["x-request-id"],
                "{error}"
            );
        }
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::on(Ipv4Addr::LOCALHOST, settings).await
    }

    pub(crate) async fn on(address: Ipv4Addr, settings: Settings) -> Self {
        let state = tempfile::tempdir().unwrap();
        let host = Host::open(HostConfig::new(state.path())).unwrap();
        let keys = Keys::open(state.path()).unwrap();
        let (_, admin) = keys.create(Role::Admin).unwrap();
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = (Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port()).into();
        let stop = Arc::new(Notify::new());
        let until = Arc::clone(&stop);
        let server = Server::new(host.clone(), keys.clone(), settings).unwrap();
        let task = tokio::spawn(server.serve(listener, async move { until.notified().await }));
        Self {
            host,
            keys,
            address,
            admin,
            stop,
            task,
            _state: state,
        }
    }

    /// Tells it to stop, and goes on.
    pub(crate) fn stop_soon(&self) {
        self.stop.notify_one();
    }

    /// Tells it to stop; what comes of it is the answer.
    pub(crate) fn stop(self) -> JoinHandle<std::io::Result<()>> {
        self.stop.notify_one();
        self.task
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (response, driver) = self.begin(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    /// The status of an answer whose body has no end.
    pub(crate) async fn status(&self, request: Request<Full<Bytes>>) -> StatusCode {
        let (response, driver) = self.begin(request).await;
        driver.abort();
        response.status()
    }

    /// An answer which goes on until this is dropped.
    pub(crate) async fn follow(&self, request: Request<Full<Bytes>>) -> (Response<Incoming>, AbortOnDrop) {
        let (response, driver) = self.begin(request).await;
        assert_eq!(response.status(), 200);
        (response, AbortOnDrop(driver))
    }

    async fn begin(&self, request: Request<Full<Bytes>>) -> (Response<Incoming>, JoinHandle<hyper::Result<()>>) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let driver = tokio::spawn(connection);
        (sender.send_request(request).await.unwrap(), driver)
    }

    /// Asks with a key, and with a body of JSON where there is one.
    pub(crate) async fn ask(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self
            .request(method, path)
            .header("authorization", format!("Bearer {key}"));
        let mut bytes = Bytes::new();
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            bytes = body.to_string().into();
        }
        self.send(request.body(Full::new(bytes)).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&self.admin, Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(&self.admin, Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put_tool(&self, key: &str, name: &str, text: &str) -> Answer {
        let request = self
            .request(Method::PUT, &format!("/v1/tools/{name}"))
            .header("x-api-key", key);
        let request = request.header("content-type", "application/wasm");
        self.send(request.body(Full::new(wat::parse_str(text).unwrap().into())).unwrap())
            .await
    }

    /// The id of a new sandbox.
    pub(crate) async fn sandbox(&self) -> String {
        let made = self.post("/v1/sandboxes", json!({})).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a sandbox has so many processes.
    pub(crate) async fn wait_for_processes(&self, sandbox: &str, count: usize) {
        let sandbox = self.host.sandbox(sandbox.parse::<SandboxId>().unwrap()).unwrap();
        let started = Instant::now();
        while sandbox.processes().len() != count {
            assert!(started.elapsed() < SOON, "it has {:?}", sandbox.processes());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
