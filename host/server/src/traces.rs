//! Spans of requests and of what runs in them, sent to a collector by OTLP.
//!
//! Spans are made by `tracing` with the target [`TARGET`], in this package and in the library. Where nobody takes that
//! target, making one is a look at an atomic. They have ids and names, and never what a client or a guest sent.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderName, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use palisade::{Error, Kind};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::headers::only;
use crate::seldom::Seldom;

/// What the spans for a collector are told apart by, from what is for people.
pub(crate) const TARGET: &str = "palisade::trace";

/// Spans which wait to be sent; others are lost.
const QUEUE: usize = 2_048;
/// Spans which are sent at one time.
const BATCH: usize = 512;
/// How long a span waits for others.
const WAIT: Duration = Duration::from_secs(2);
/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end waits for what is left to be sent.
const LAST: Duration = Duration::from_secs(3);
/// What is read of a collector's answer.
const ANSWER: usize = 64 << 10;

/// Where a collector takes OTLP over HTTP/1.1: `http://127.0.0.1:4318`, with a path where that is not `/v1/traces`. Without
/// TLS: it is on this machine, or behind something on it that speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl(Uri);

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CollectorUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| Err(Error::new(Kind::InvalidInput, format!("{text:?}: {why}")));
        let Ok(uri) = text.parse::<Uri>() else {
            return refuse("it is no URL, which is like `http://127.0.0.1:4318`");
        };
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return refuse("a collector has a URL like `http://127.0.0.1:4318`, without TLS");
        };
        if authority.as_str().contains('@') || uri.query().is_some() {
            return refuse("the URL of a collector has no user and no query");
        }
        let port = authority.port_u16().unwrap_or(4318);
        let path = match uri.path() {
            "" | "/" => "/v1/traces",
            path => path,
        };
        let whole = format!("http://{}:{port}{path}", authority.host());
        match whole.parse() {
            Ok(uri) => Ok(Self(uri)),
            Err(_) => refuse("it is no URL of a collector"),
        }
    }
}

/// Spans on their way to a collector. Where that is away or slow they are lost, and nothing else waits.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send to `collector`, by a thread of its own and by tasks of `runtime`.
    ///
    /// # Errors
    /// [`Kind::Internal`] where the sending cannot be set up.
    pub fn start(collector: &CollectorUrl, runtime: Handle) -> palisade::Result<Self> {
        let client = Client {
            runtime,
            failures: Arc::default(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(collector.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| Error::new(Kind::Internal, format!("cannot send spans: {error}")))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(WAIT)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder_empty().with_service_name("palisade").build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What takes the spans of this package and of the library, and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("palisade"))
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // A span is told of its parent once the key of its request is known.
            .with_context_activation(false)
            .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET))
    }

    /// Sends what is left, for up to 3 seconds.
    pub async fn end(self) {
        // It blocks.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last spans were not sent to the collector");
        }
    }
}

/// Has the span of this request be a part of that which its client names, if it names one.
pub(crate) fn adopt_parent(headers: &HeaderMap) {
    let Some(named) = headers
        .get("traceparent")
        .filter(|_| matches!(only(headers, "traceparent"), Ok(Some(_))))
    else {
        return;
    };
    // Not the state which goes with it: that has 16 KiB, and would be sent on with every span below.
    let alone = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), named.clone())]);
    let named = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(&alone));
    if named.span().span_context().is_valid() {
        // It fails where nobody takes spans.
        let _ = Span::current().set_parent(named);
    }
}

/// Sends batches, each over a connection of its own.
#[derive(Debug)]
struct Client {
    runtime: Handle,
    failures: Arc<Seldom>,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Who asks is no task of a runtime.
        let sending = async { tokio::time::timeout(PATIENCE, send(request)).await };
        let answer = match self.runtime.spawn(sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(HttpError::from("it did not answer in time")),
            Err(_) => Err(HttpError::from("the server ends")),
        };
        let problem = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem
            && self.failures.is_due()
        {
            tracing::warn!(problem, "spans are lost: the collector does not take them");
        }
        answer
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().ok_or("it has no address")?.clone();
    let stream = TcpStream::connect(authority.as_str()).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    head.headers.insert("host", authority.as_str().parse()?);
    head.uri = head.uri.path().parse()?;
    let answered = async {
        let (head, body) = sender
            .send_request(Request::from_parts(head, Full::new(body)))
            .await?
            .into_parts();
        let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let (answered, connection) = (std::pin::pin!(answered), std::pin::pin!(connection));
    match futures_util::future::select(answered, connection).await {
        futures_util::future::Either::Left((answered, _)) => answered,
        futures_util::future::Either::Right((_, answered)) => answered.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_by_a_url_without_tls() {
        for (given, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector.test/", "http://collector.test:4318/v1/traces"),
            ("http://[::1]:1/otlp/traces", "http://[::1]:1/otlp/traces"),
        ] {
            assert_eq!(given.parse::<CollectorUrl>().unwrap().to_string(), url);
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "https://collector.test",
            "http://",
            "http://a@b",
            "http://a/?b",
            "/v1/traces",
        ] {
            assert!(bad.parse::<CollectorUrl>().is_err(), "{bad}");
        }
    }
}
