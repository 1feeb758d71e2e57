//! A server, and how it is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use palisade_wire::ErrorBody;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::{self, Download, Sent};
use crate::{Error, Kind, Result};

/// How long a connection is kept which nobody uses. A server closes it after 10 seconds.
const IDLE: Duration = Duration::from_secs(5);
/// After so much silence the kernel asks whether the server's machine is still there.
const ASK_AFTER: Duration = Duration::from_secs(30);
/// The most that is read of an answer which is no success.
const MAX_ERROR: usize = 1 << 20;
/// What stands for itself between the slashes of a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'@');

/// How long a client waits.
#[derive(Debug, Clone)]
pub struct Times {
    /// For a connection. 10 seconds by default.
    pub connect: Duration,
    /// For an answer, once all was sent that is asked, and for an answer which has begun to go on. One minute by
    /// default: a server gives a request 30 seconds. What a guest's limits or a compiler bound, a call or the end of a
    /// process, is waited for as long as the server is there.
    pub answer: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
        }
    }
}

/// A server of palisade, and a key for it. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: hyper_util::client::legacy::Client<HttpConnector, Sent>,
    /// Without the slash at the end.
    base: String,
    key: HeaderValue,
    times: Times,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.0.base)
            .finish_non_exhaustive()
    }
}

/// What bounds the time until an answer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// [`Times::answer`].
    Answer,
    /// What the server works at, or the sending of a body.
    Work,
}

/// One request, before it is sent.
pub(crate) struct Asked {
    client: Client,
    method: Method,
    target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Sent,
    wait: Wait,
}

impl Client {
    /// A client for the server at `url`, such as `http://127.0.0.1:7010`, with the text of a key. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Kind::Unsendable`] where these are no address and no key.
    pub fn new(url: &str, key: &str) -> Result<Self> {
        Self::with_times(url, key, Times::default())
    }

    /// The same, with times of its own.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_times(url: &str, key: &str, times: Times) -> Result<Self> {
        let base = checked(url)?;
        let mut key = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
            .map_err(|_| Error::new(Kind::Unsendable, "the key has characters which no key has"))?;
        key.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(times.connect));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(ASK_AFTER));
        connector.set_keepalive_interval(Some(ASK_AFTER / 3));
        connector.set_keepalive_retries(Some(3));
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self(Arc::new(Inner { http, base, key, times })))
    }

    pub(crate) fn ask(&self, method: Method, path: impl fmt::Display) -> Asked {
        Asked {
            client: self.clone(),
            method,
            target: path.to_string(),
            headers: Vec::new(),
            body: body::whole(Bytes::new()),
            wait: Wait::Answer,
        }
    }

    pub(crate) fn get(&self, path: impl fmt::Display) -> Asked {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: impl fmt::Display) -> Asked {
        self.ask(Method::POST, path)
    }
}

/// The address without a slash at its end.
fn checked(url: &str) -> Result<String> {
    // What is before it may be a secret.
    if url.contains('@') {
        return Err(Error::new(
            Kind::Unsendable,
            "the address of a server has no user in it: give a key",
        ));
    }
    let refused = |why: &str| Error::new(Kind::Unsendable, format!("{url:?} is no address of a server: {why}"));
    let uri: Uri = url.parse().map_err(|_| refused("one is like http://127.0.0.1:7010"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(refused("this speaks no TLS: go through a tunnel")),
        _ => return Err(refused("it begins with http://")),
    }
    uri.authority().ok_or_else(|| refused("there is no host in it"))?;
    match uri.query() {
        Some(_) => Err(refused("it has a query")),
        None => Ok(url.trim_end_matches('/').to_owned()),
    }
}

/// A name as a part of a path.
pub(crate) fn part(name: &str) -> impl fmt::Display {
    utf8_percent_encode(name, PLAIN)
}

impl Asked {
    pub(crate) fn query(mut self, query: &impl Serialize) -> Result<Self> {
        let query = serde_urlencoded::to_string(query)
            .map_err(|error| Error::new(Kind::Unsendable, format!("it makes no query: {error}")))?;
        if !query.is_empty() {
            self.target = format!("{}?{query}", self.target);
        }
        Ok(self)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::new(Kind::Unsendable, format!("{name}: not a value of a header")))?;
        self.headers.push((name, value));
        Ok(self)
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Error::new(Kind::Unsendable, format!("it makes no JSON: {error}")))?;
        self.body("application/json", body::whole(bytes))
    }

    pub(crate) fn body(mut self, media: &'static str, body: Sent) -> Result<Self> {
        self.headers
            .push((header::CONTENT_TYPE, HeaderValue::from_static(media)));
        self.body = body;
        Ok(self)
    }

    /// Waits as long as the server is there.
    pub(crate) fn patiently(mut self) -> Self {
        self.wait = Wait::Work;
        self
    }

    /// Sends it, and returns the answer, which is a success.
    pub(crate) async fn send(self) -> Result<Response<Incoming>> {
        let Self {
            client,
            method,
            target,
            headers,
            body,
            wait,
        } = self;
        let Inner { http, base, key, times } = &*client.0;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{target}"))
            .header(header::AUTHORIZATION, key.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(body)
            .map_err(|error| Error::new(Kind::Unsendable, format!("it makes no request: {error}")))?;
        let sent = http.request(request);
        let answer = match wait {
            Wait::Work => sent.await,
            Wait::Answer => tokio::time::timeout(times.connect + times.answer, sent)
                .await
                .map_err(|_| Error::new(Kind::Silent, format!("{base} does not answer")))?,
        };
        let answer = answer.map_err(|error| unreachable(base, error))?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(refusal(answer, times.answer).await),
        }
    }

    /// The object which is the answer.
    pub(crate) async fn object<T: DeserializeOwned>(self) -> Result<T> {
        let patience = self.client.0.times.answer;
        let answer = self.send().await?;
        Download::new(answer.into_body(), Some(patience)).json().await
    }

    /// Sends it, where the answer says nothing but that it was done.
    pub(crate) async fn done(self) -> Result<()> {
        self.send().await.map(drop)
    }

    /// The bytes of the answer.
    pub(crate) async fn download(self) -> Result<Download> {
        let patience = self.client.0.times.answer;
        Ok(Download::new(self.send().await?.into_body(), Some(patience)))
    }

    /// The bytes of an answer which may be silent for as long as it likes.
    pub(crate) async fn follow(self) -> Result<Download> {
        Ok(Download::new(self.send().await?.into_body(), None))
    }
}

/// The error behind an answer which is no success.
async fn refusal(answer: Response<Incoming>, patience: Duration) -> Error {
    let status = answer.status();
    let body = Download::new(answer.into_body(), Some(patience))
        .collect(MAX_ERROR)
        .await;
    let told = body.and_then(|bytes| body::parse::<ErrorBody>(&bytes));
    told.map_or_else(
        |_| Error::new(Kind::Garbled, format!("the answer is not palisade's: status {status}")),
        Error::from,
    )
}

fn unreachable(base: &str, error: hyper_util::client::legacy::Error) -> Error {
    let mut last: &dyn std::error::Error = &error;
    let mut kind = Kind::Unreachable;
    while let Some(source) = last.source() {
        last = source;
        if let Some(error) = last.downcast_ref::<hyper::Error>() {
            if error.is_parse() {
                kind = Kind::Garbled;
            }
            if error.is_user() {
                kind = Kind::Unsendable;
            }
        }
    }
    let message = match kind {
        Kind::Garbled => format!("{base} does not answer as palisade: {last}"),
        Kind::Unsendable => format!("what was to be sent cannot be read: {last}"),
        _ if error.is_connect() => format!("cannot connect to {base}: {last}"),
        _ => format!("the connection to {base} broke off: {last}"),
    };
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_a_host_over_plain_http() {
        for url in [
            "http://127.0.0.1:7010",
            "http://[::1]:1/",
            "http://tools.example.org/sub/",
        ] {
            assert!(!checked(url).unwrap_or_else(|error| panic!("{error}")).ends_with('/'));
        }
        for url in [
            "",
            "127.0.0.1:7010",
            "https://a",
            "ftp://a",
            "http://",
            "http://a/?b",
            "http://me:secret@a",
        ] {
            let error = Client::new(url, "key").map(|_| ()).expect_err(url);
            assert_eq!(error.kind(), Kind::Unsendable);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(Client::new("http://a", "a\nb").is_err());
    }

    #[test]
    fn a_key_is_never_shown() {
        let client = Client::new("http://a", "palisade_secret").unwrap_or_else(|error| panic!("{error}"));
        assert!(!format!("{client:?}").contains("secret"));
    }
}
