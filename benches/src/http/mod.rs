//! Tools called over HTTP, each time in a fresh instance. The floor is a bare hyper server with bare wasmtime behind it, which
//! takes the same JSON and gives the same value, for anyone and without limits. Clients and server share the machine.

mod streams;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use palisade_client::Client;
use palisade_client::wire::SandboxRequest;
use palisade_server::{Keys, Role, Server};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use wasmtime::component::Component;
use wasmtime::error::Context;
use wasmtime::{Result, StoreLimits, ensure};

use crate::floor::{self, ComponentState, Tool};
use crate::harness::{Measurement, Settings, pairs, time_each, wait};
use crate::machine::resident_kib;
use crate::ours::Ours;
use crate::spine::memory::{self, FEW, Probe};
use crate::tools::ECHO;

/// Requests of one measurement.
const REQUESTS: u32 = 8_000;
/// 0.85 of the requests of the floor in the same time.
const GOAL: f64 = 1.0 / 0.85;

pub(crate) fn run(settings: Settings) -> Result<Vec<Measurement>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _entered = runtime.enter();
    let mut results = Vec::new();
    for case in [Case::echo()?, Case::diff()?] {
        let (ours, library) = wait(ours(case.clone()))?;
        let floor = wait(serve_floor(&case))?;
        for connections in [1, 64] {
            let measured = pairs(
                settings,
                || wait(time_requests(&ours, connections)),
                || wait(time_requests(&floor, connections)),
            )?;
            results.push(Measurement::from_pairs(
                format!("call over HTTP, {}, {connections} connections", case.name),
                "µs",
                GOAL,
                &measured,
            ));
        }
        let measured = pairs(
            settings,
            || wait(time_requests(&ours, 1)),
            || time_each(REQUESTS, async || library.call().await),
        )?;
        results.push(Measurement::from_pairs(
            format!("call over HTTP and by the library, {}", case.name),
            "µs",
            None,
            &measured,
        ));
    }
    results.push(streams::run(settings)?);
    results.push(memory(settings)?);
    Ok(results)
}

/// The memory of idle sandboxes which were made over HTTP, and by the library.
fn memory(settings: Settings) -> Result<Measurement> {
    let measured = memory::compare(settings, Probe::ServedIdle, Probe::FewIdle)?;
    let name = format!("memory of an idle sandbox, of {FEW}, made over HTTP and by the library");
    Ok(Measurement::from_pairs(name, "KiB", None, &measured))
}

/// Makes sandboxes over HTTP; the memory which one of them takes, in KiB.
pub(crate) async fn idle(count: u32) -> Result<f64> {
    let (target, library) = ours(Case::echo()?).await?;
    let client = Client::new(&format!("http://{}", target.address), &target.key)?;
    let asked = SandboxRequest::default();
    let _first = client.create(&asked).await?;
    let before = resident_kib()?;
    for _ in 0..count {
        client.create(&asked).await?;
    }
    let each = (resident_kib()? - before) / f64::from(count);
    drop(library);
    Ok(each)
}

/// A function which both sides call.
#[derive(Clone)]
struct Case {
    name: &'static str,
    function: &'static str,
    component: Bytes,
    arguments: Value,
    /// What it returns.
    value: &'static str,
}

impl Case {
    /// It imports nothing, and takes and gives 32 bytes.
    fn echo() -> Result<Self> {
        let text = "a text of thirty-two characters.";
        Ok(Self {
            name: "no imports",
            function: "echo",
            component: wat::parse_str(ECHO)?.into(),
            arguments: json!({ "text": text }),
            value: text,
        })
    }

    /// It is of a tool which is shipped and imports most of WASI. Both sides give that a directory.
    fn diff() -> Result<Self> {
        Ok(Self {
            name: "all of WASI",
            function: "diff-texts",
            component: std::fs::read(palisade_guests::path("files.wasm"))?.into(),
            arguments: json!({ "before": "one\n", "after": "two\n" }),
            value: "--- before\n+++ after\n@@ -1 +1 @@\n-one\n+two\n",
        })
    }

    fn body(&self) -> Bytes {
        json!({ "tool": "tool", "function": self.function, "arguments": self.arguments })
            .to_string()
            .into()
    }

    /// How every answer ends.
    fn end(&self) -> Bytes {
        let value = json!({ "value": self.value }).to_string();
        value.trim_start_matches('{').to_owned().into()
    }
}

/// A server, and what is asked of it.
struct Target {
    address: SocketAddr,
    path: String,
    key: String,
    body: Bytes,
    /// How the answer ends.
    end: Bytes,
}

impl Target {
    fn request(&self) -> Request<Full<Bytes>> {
        Request::post(&self.path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("x-api-key", &self.key)
            .body(Full::new(self.body.clone()))
            .expect("all parts are in order")
    }
}

/// Microseconds for each request, when so many connections make them at one time.
async fn time_requests(target: &Target, connections: u32) -> Result<f64> {
    let mut clients = Vec::new();
    let mut drivers = JoinSet::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        drivers.spawn(connection);
        let requests: Vec<_> = (0..REQUESTS / connections).map(|_| target.request()).collect();
        clients.push((sender, requests, target.end.clone()));
    }
    let started = std::time::Instant::now();
    let mut all = JoinSet::new();
    for (mut sender, requests, end) in clients {
        all.spawn(async move {
            for request in requests {
                sender.ready().await?;
                let response = sender.send_request(request).await?;
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                ensure!(status.is_success(), "{status}: {body:?}");
                ensure!(body.ends_with(&end), "{body:?}");
            }
            Ok(())
        });
    }
    while let Some(ended) = all.join_next().await {
        ended??;
    }
    let spent = started.elapsed();
    Ok(crate::harness::micros(spent) / f64::from(REQUESTS / connections * connections))
}

/// The same call without a server.
struct Library {
    ours: Ours,
    sandbox: palisade::Sandbox,
    case: Case,
}

impl Library {
    async fn call(&self) -> Result<()> {
        let tool = self.ours.host().tools().get("tool").await?;
        let call = palisade::Call::new(&tool, self.case.function, self.case.arguments.clone());
        let outcome = self.sandbox.call(call).await?;
        ensure!(outcome.is_success(), "the call ended with {:?}", outcome.ending);
        Ok(())
    }
}

async fn ours(case: Case) -> Result<(Target, Library)> {
    let ours = Ours::new(200)?;
    ours.add("tool", case.component.to_vec()).await?;
    let sandbox = ours.host().create_admitted(&ours.admit(None)?)?;
    let keys = Keys::open(ours.host().state_dir())?;
    let (_, key) = keys.create(Role::Operator)?;
    let server = Server::new(ours.host().clone(), keys, palisade_server::Settings::default())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let target = Target {
        address: listener.local_addr()?,
        path: format!("/v1/sandboxes/{}/call", sandbox.id()),
        key,
        body: case.body(),
        end: case.end(),
    };
    tokio::spawn(server.serve(listener, std::future::pending()));
    Ok((target, Library { ours, sandbox, case }))
}

/// What the floor is asked.
#[derive(Deserialize)]
struct Asked<T> {
    arguments: T,
}

#[derive(Deserialize)]
struct Echoed {
    text: String,
}

#[derive(Deserialize)]
struct Compared {
    before: String,
    after: String,
}

/// What the floor calls.
enum Bare {
    Echo(Tool<StoreLimits>),
    Diff(Tool<ComponentState>),
}

impl Bare {
    fn new(case: &Case) -> Result<Self> {
        let component = Component::new(&floor::engine(200)?, &case.component)?;
        Ok(match case.function {
            "echo" => Self::Echo(Tool::new(&component, case.function)?),
            _ => Self::Diff(Tool::new(&component, case.function)?),
        })
    }

    async fn call(&self, body: &[u8]) -> Result<String> {
        let (value,) = match self {
            Self::Echo(tool) => {
                let Asked { arguments } = serde_json::from_slice::<Asked<Echoed>>(body)?;
                tool.call((arguments.text,)).await?
            }
            Self::Diff(tool) => {
                let Asked { arguments } = serde_json::from_slice::<Asked<Compared>>(body)?;
                tool.call((arguments.before, arguments.after, None::<u32>)).await?
            }
        };
        Ok(value)
    }
}

async fn serve_floor(case: &Case) -> Result<Target> {
    let tool = Arc::new(Bare::new(case)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tool = Arc::clone(&tool);
            let service = service_fn(move |request| {
                let tool = Arc::clone(&tool);
                async move { Ok::<_, Infallible>(answer(&tool, request).await) }
            });
            let _ = stream.set_nodelay(true);
            tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(Target {
        address,
        path: "/".to_owned(),
        key: String::new(),
        body: case.body(),
        end: case.end(),
    })
}

async fn answer(tool: &Bare, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let answered = async {
        let body = request.into_body().collect().await?.to_bytes();
        let value = tool.call(&body).await?;
        serde_json::to_vec(&json!({ "value": value })).context("a string is JSON")
    };
    match answered.await {
        Ok(json) => Response::new(Full::new(json.into())),
        Err(error) => {
            let mut response = Response::new(Full::new(error.to_string().into()));
            *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
