//! What every request gets: an id, a line in the log, and an answer, whatever becomes of its route.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt;
use hyper::body::Body;
use palisade::Kind;
use tower::Service as _;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::access::Route;
use crate::api::Api;
use crate::error::Failure;
use crate::requests::Requests;
use crate::{KeyId, access, loopback, router, traces};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What answers requests.
pub(crate) struct Service {
    api: Arc<Api>,
    router: Router,
}

/// The name of one request. It is never one which a client gave.
#[derive(Clone, Copy)]
struct RequestId(u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The line of a request in the log, and in the figures. Dropping it writes it, with its answer or when the connection
/// ended before that.
struct Line {
    id: RequestId,
    method: Method,
    route: Option<Route>,
    started: Instant,
    /// Whose key the request has, once that is known.
    asker: OnceLock<KeyId>,
    status: Option<StatusCode>,
    requests: Arc<Requests>,
    span: Span,
}

impl Line {
    fn of<B>(request: &Request<B>, requests: &Arc<Requests>) -> Self {
        let id = RequestId(rand::random());
        let route = Route::of(request.method(), request.uri().path());
        Self {
            span: span_of(id, request.method(), path_of(route)),
            id,
            method: request.method().clone(),
            route,
            started: Instant::now(),
            asker: OnceLock::new(),
            status: None,
            requests: Arc::clone(requests),
        }
    }
}

fn path_of(route: Option<Route>) -> &'static str {
    route.map_or("none", |route| route.rule().path())
}

/// The method, or that it is another: a client can make up any, of any length.
fn known(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "_OTHER",
    }
}

/// The span of a request, for a collector.
fn span_of(id: RequestId, method: &Method, route: &str) -> Span {
    let method = known(method);
    tracing::info_span!(
        target: traces::TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = %id,
        key_id = Empty,
    )
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.requests
            .note(self.route.map(|route| route.place), self.status, took);
        self.end_span();
        tracing::info!(
            request = %self.id,
            method = known(&self.method),
            route = path_of(self.route),
            status = self.status.map(|status| status.as_u16()),
            milliseconds = took.as_millis() as u64,
            key = self.asker.get().map(tracing::field::display),
            "{}",
            if self.status.is_some() {
                "answered"
            } else {
                "its connection ended before its answer"
            }
        );
    }
}

impl Line {
    fn end_span(&self) {
        if self.span.is_disabled() {
            return;
        }
        if let Some(status) = self.status {
            self.span.record("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                self.span.record("otel.status_code", "error");
            }
        }
        if let Some(key) = self.asker.get() {
            self.span.record("key_id", tracing::field::display(key));
        }
    }
}

impl Service {
    pub(crate) fn new(api: Arc<Api>) -> Self {
        let router = router::router(Arc::clone(&api));
        Self { api, router }
    }

    /// Attends to a request from its head to that of its answer. An answer to a request without a good key is the last
    /// on its connection.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let mut line = Line::of(&request, &self.api.requests);
        let answered = self.guarded(request, &line).instrument(line.span.clone());
        let answered = AssertUnwindSafe(answered).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            tracing::error!(request = %line.id, "a handler panicked");
            Failure::of(Kind::Internal, "palisade has a defect here; its log says more").into_response()
        });
        let id = line.id.to_string();
        if let Some(failure) = Failure::behind(&mut response) {
            response = failure.write(std::mem::take(response.headers_mut()), id.clone());
        }
        let value = HeaderValue::try_from(id).expect("the id has 16 digits");
        response.headers_mut().insert(REQUEST_ID, value);
        if line.asker.get().is_none() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        line.status = Some(response.status());
        response
    }

    async fn guarded<B>(&self, request: Request<B>, line: &Line) -> Response
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        if let Err(failure) = loopback::check(&self.api, &request) {
            return failure.into_response();
        }
        let answer = async |request| match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        access::guard(&self.api, line.route, &line.asker, request, answer).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io::{self, Write};
    use std::sync::Mutex;

    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use palisade::{Host, HostConfig};
    use serde_json::Value;
    use tokio::sync::watch;

    use super::*;
    use crate::loopback::Reach;
    use crate::{Keys, Role, Settings};

    struct World {
        service: Service,
        key: (KeyId, String),
        _state: tempfile::TempDir,
    }

    impl World {
        /// Which answers a request for `path` so.
        fn new<T: 'static>(path: &str, handler: impl axum::handler::Handler<T, ()>) -> Self {
            let state = tempfile::tempdir().unwrap();
            let host = Host::open(HostConfig::new(state.path())).unwrap();
            let keys = Keys::open(host.state_dir()).unwrap();
            let key = keys.create(Role::Reader).unwrap();
            let closing = watch::channel(false).1;
            let api = Api::new(host, keys, Settings::default(), Reach::Network, closing);
            let service = Service {
                api: Arc::new(api),
                router: Router::new().route(path, get(handler)),
            };
            Self {
                service,
                key,
                _state: state,
            }
        }
    }

    #[tokio::test]
    async fn a_handler_which_panics_is_an_answer_that_tells_nothing_of_it() {
        let defect = async || -> &'static str { panic!("secret") };
        let world = World::new("/", defect);
        let response = world.service.answer(Request::new(Body::empty())).await;
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(id.len(), 16);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&error["kind"], &error["request_id"]), (&"internal".into(), &id.into()));
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_route_which_is_not_in_the_table_is_answered_for_nobody() {
        let world = World::new("/v1/secret", async || "secret");
        let response = world
            .service
            .answer(Request::get("/v1/secret").body(Body::empty()).unwrap());
        assert_eq!(response.await.status(), 404);
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_request_which_is_dropped_has_its_line_with_its_key() {
        let log = Log::default();
        let writer = log.clone();
        let world = World::new("/v1/about", async || pending::<()>().await);
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
        let (id, key) = &world.key;
        let request = Request::get("/v1/about").header("x-api-key", key);
        let request = request.body(Body::empty()).unwrap();
        let answer = world.service.answer(request).now_or_never();
        assert!(answer.is_none(), "{answer:?}");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(
            log.contains("its connection ended before its answer") && log.contains(&format!("key={id}")),
            "{log}"
        );
        assert!(!log.contains("status="), "{log}");
    }
}
