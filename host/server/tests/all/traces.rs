//! Spans of requests and of what runs in them, as a collector gets them.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use palisade_server::Traces;
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::client::{ECHO, Running, SOON};

/// A collector which ends with its tasks, where it takes spans, and what it took.
async fn collector() -> (JoinSet<()>, String, mpsc::UnboundedReceiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (took, taken) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let took = took.clone();
            let service = service_fn(move |request| take(request, took.clone()));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection is closed when its batch is taken.
            let _ = served.await;
        }
    });
    (tasks, url, taken)
}

async fn take(
    request: Request<Incoming>,
    took: mpsc::UnboundedSender<Span>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    let of_resources = export.resource_spans.into_iter();
    let of_scopes = of_resources.flat_map(|spans| spans.scope_spans);
    for span in of_scopes.flat_map(|spans| spans.spans) {
        took.send(span).unwrap();
    }
    Ok(Response::new(Full::new(Bytes::new())))
}

/// What a span says of `key`, as text.
fn told(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// On one thread, where its subscriber is.
#[tokio::test]
async fn a_request_has_a_span_and_the_call_in_it_another() {
    let (_tasks, url, mut taken) = collector().await;
    let traces = Traces::start(&url.parse().unwrap(), Handle::current()).unwrap();
    let subscribed = tracing::subscriber::set_default(Registry::default().with(traces.layer()));
    let server = Running::start().await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let sandbox = server.sandbox().await;
    let call = json!({"tool": "echo", "function": "twice", "arguments": {"number": 123_454_321}});
    for key in [server.admin.as_str(), "no-such-key"] {
        let request = server
            .request(Method::POST, &format!("/v1/sandboxes/{sandbox}/call"))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .header("traceparent", PARENT);
        server
            .send(request.body(Full::new(call.to_string().into())).unwrap())
            .await;
    }
    drop(subscribed);
    tokio::time::timeout(SOON, traces.end()).await.unwrap();

    let spans: Vec<Span> = std::iter::from_fn(|| taken.try_recv().ok()).collect();
    let calls = |status: &str| {
        let of_route = spans.iter().filter(|span| span.name == "POST /v1/sandboxes/{id}/call");
        let mut found = of_route.filter(|span| told(span, "http.response.status_code").as_deref() == Some(status));
        found.next().unwrap_or_else(|| panic!("{status}: {spans:#?}"))
    };
    let (request, refused) = (calls("200"), calls("401"));
    assert_eq!(hex(&request.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(told(request, "http.request.method").as_deref(), Some("POST"));
    assert_eq!(told(request, "http.route").as_deref(), Some("/v1/sandboxes/{id}/call"));
    assert_eq!(told(request, "request_id").unwrap().len(), 16);
    assert_eq!(
        told(request, "key_id").unwrap(),
        server.admin.split('_').nth(1).unwrap()
    );
    // Who has no key says nothing of traces.
    assert!(refused.parent_span_id.is_empty() && refused.trace_id != request.trace_id);
    assert_eq!(told(refused, "key_id"), None);

    let process = spans.iter().find(|span| span.name == "process").unwrap();
    assert_eq!(
        (&process.parent_span_id, &process.trace_id),
        (&request.span_id, &request.trace_id)
    );
    for (key, value) in [
        ("sandbox_id", sandbox.as_str()),
        ("process_id", "1"),
        ("tool", "echo"),
        ("function", "twice"),
        ("ending", "success"),
    ] {
        assert_eq!(told(process, key).as_deref(), Some(value), "{key}: {process:?}");
    }
    assert!(told(process, "fuel").unwrap().parse::<u64>().unwrap() > 0);
    let all = format!("{spans:?}");
    let secret = server.admin.rsplit_once('_').unwrap().1;
    for hidden in ["123454321", "246908642", "no-such-key", secret] {
        assert!(!all.contains(hidden), "{hidden}: {all}");
    }
}

#[tokio::test]
async fn a_collector_which_never_answers_holds_up_neither_requests_nor_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let traces = Traces::start(&url.parse().unwrap(), Handle::current()).unwrap();
    let subscribed = tracing::subscriber::set_default(Registry::default().with(traces.layer()));
    let server = Running::start().await;
    for _ in 0..100 {
        assert_eq!(server.get("/v1/tools").await.status, 200);
    }
    drop(subscribed);
    tokio::time::timeout(SOON, traces.end()).await.unwrap();
    drop(listener);
}
