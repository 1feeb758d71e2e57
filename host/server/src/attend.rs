//! What every request gets: an id, a line in the log, and an answer, whatever becomes of its route.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use palisade::Kind;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::Failure;
use crate::requests::Requests;
use crate::{KeyId, access, traces};

/// Whose key a request has, once [`guard`](crate::access::guard) knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker(Arc<OnceLock<KeyId>>);

impl Asker {
    pub(crate) fn set(&self, key: KeyId) {
        // A request has one key.
        let _ = self.0.set(key);
    }
}

/// The line of a request in the log, and in the figures. Dropping it writes it, with its answer or when the connection ended before that.
struct Line {
    id: String,
    method: Method,
    route: Option<MatchedPath>,
    started: Instant,
    asker: Asker,
    status: Option<StatusCode>,
    requests: Arc<Requests>,
    span: Span,
}

impl Line {
    fn of(request: &Request, requests: Arc<Requests>) -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self {
            span: span_of(&id, request.method(), route.as_ref().map(MatchedPath::as_str)),
            id,
            method: request.method().clone(),
            route,
            started: Instant::now(),
            asker: Asker::default(),
            status: None,
            requests,
        }
    }
}

/// The method, or that it is another: a client can make up any, of any length.
fn known(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => name,
        _ => "_OTHER",
    }
}

/// The span of a request, for a collector.
fn span_of(id: &str, method: &Method, route: Option<&str>) -> Span {
    let (method, route) = (known(method), route.unwrap_or("none"));
    tracing::info_span!(
        target: traces::TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id = id,
        key_id = Empty,
    )
}

impl Drop for Line {
    fn drop(&mut self) {
        let (took, route) = (self.started.elapsed(), self.route.as_ref().map(MatchedPath::as_str));
        let place = route.and_then(|route| access::place_of(&self.method, route));
        self.requests.note(place, self.status, took);
        self.end_span();
        tracing::info!(
            request = self.id,
            method = known(&self.method),
            route = route.unwrap_or("none"),
            status = self.status.map(|status| status.as_u16()),
            milliseconds = took.as_millis() as u64,
            key = self.asker.0.get().map(tracing::field::display),
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
        if let Some(key) = self.asker.0.get() {
            self.span.record("key_id", tracing::field::display(key));
        }
    }
}

/// Attends to a request from its head to that of its answer. The id is never one which a client gave. An answer to a
/// request without a good key is the last on its connection.
pub(crate) async fn attend(State(requests): State<Arc<Requests>>, mut request: Request, next: Next) -> Response {
    let mut line = Line::of(&request, requests);
    request.extensions_mut().insert(line.asker.clone());
    let answered = AssertUnwindSafe(next.run(request).instrument(line.span.clone()))
        .catch_unwind()
        .await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(request = line.id, "a handler panicked");
        Failure::of(Kind::Internal, "palisade has a defect here; its log says more").into_response()
    });
    if let Some(failure) = Failure::behind(&mut response) {
        response = failure.write(std::mem::take(response.headers_mut()), line.id.clone());
    }
    let value = HeaderValue::from_str(&line.id).expect("the id has 16 digits");
    response.headers_mut().insert("x-request-id", value);
    if line.asker.0.get().is_none() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    line.status = Some(response.status());
    response
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use axum::{Extension, Router};
    use futures_util::future::pending;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_which_panics_is_an_answer_that_tells_nothing_of_it() {
        let defect = async || -> &'static str { panic!("secret") };
        let router = Router::new()
            .route("/", get(defect))
            .layer(from_fn_with_state(Arc::default(), attend));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 500);
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&error["kind"], &error["request_id"]), (&"internal".into(), &id.into()));
        assert!(!error.to_string().contains("secret"), "{error}");
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
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let _guard = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
        let key: KeyId = "0123456789abcdef".parse().unwrap();
        let waits = async move |Extension(asker): Extension<Asker>| {
            asker.set(key);
            pending::<()>().await;
        };
        let router = Router::new()
            .route("/", get(waits))
            .layer(from_fn_with_state(Arc::default(), attend));
        let answer = router.oneshot(Request::new(Body::empty())).now_or_never();
        assert!(answer.is_none(), "{answer:?}");
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(
            log.contains("its connection ended before its answer") && log.contains(&format!("key={key}")),
            "{log}"
        );
        assert!(!log.contains("status="), "{log}");
    }
}
