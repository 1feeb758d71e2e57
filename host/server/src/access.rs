//! Who may do what: one table of all routes, and the check before each of them.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Body as HttpBody;
use matchit::{Match, Params};
use palisade::{Kind, SandboxId};
use percent_encoding::percent_decode_str;
use utoipa::openapi::OpenApi;

use crate::api::Api;
use crate::askers::until_sent;
use crate::error::{Cause, Failure};
use crate::headers::only;
use crate::linger::Left;
use crate::patience::timeout;
use crate::{KeyId, Role, traces};

/// Who may ask for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Anyone,
    AtLeast(Role),
}

/// What bounds the time of a request after its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// The setting.
    Setting,
    /// The limits of what it does, or waits for: of a guest, of compiling, or of files which come and go.
    Work,
}

/// One route, and who may ask for it.
pub(crate) struct Rule {
    method: Method,
    path: &'static str,
    who: Who,
    time: Time,
}

impl Rule {
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }
}

const fn rule(method: Method, path: &'static str, who: Who, time: Time) -> Rule {
    Rule {
        method,
        path,
        who,
        time,
    }
}

/// Who asks, for the routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub key: KeyId,
    pub role: Role,
}

const READER: Who = Who::AtLeast(Role::Reader);
const OPERATOR: Who = Who::AtLeast(Role::Operator);
const ADMIN: Who = Who::AtLeast(Role::Admin);

/// Every route of the server.
pub(crate) const TABLE: &[Rule] = &[
    rule(Method::GET, "/healthz", Who::Anyone, Time::Setting),
    rule(Method::GET, "/readyz", Who::Anyone, Time::Setting),
    rule(Method::GET, "/v1/openapi.json", Who::Anyone, Time::Setting),
    rule(Method::GET, "/metrics", READER, Time::Setting),
    rule(Method::GET, "/v1/usage", READER, Time::Setting),
    rule(Method::GET, "/", Who::Anyone, Time::Setting),
    rule(Method::GET, "/docs", Who::Anyone, Time::Setting),
    rule(Method::GET, "/page/{file}", Who::Anyone, Time::Setting),
    rule(Method::GET, "/v1/about", READER, Time::Setting),
    rule(Method::GET, "/v1/keys", ADMIN, Time::Setting),
    rule(Method::POST, "/v1/keys", ADMIN, Time::Setting),
    rule(Method::DELETE, "/v1/keys/{key}", ADMIN, Time::Setting),
    rule(Method::GET, "/v1/policies", READER, Time::Setting),
    rule(Method::GET, "/v1/policies/{name}", OPERATOR, Time::Setting),
    rule(Method::POST, "/v1/policies/check", READER, Time::Setting),
    rule(Method::GET, "/v1/sandboxes", READER, Time::Setting),
    rule(Method::POST, "/v1/sandboxes", OPERATOR, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}", READER, Time::Setting),
    rule(Method::PATCH, "/v1/sandboxes/{id}", OPERATOR, Time::Setting),
    rule(Method::DELETE, "/v1/sandboxes/{id}", OPERATOR, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}/usage", READER, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/suspend", OPERATOR, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/resume", OPERATOR, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/stop", OPERATOR, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/call", OPERATOR, Time::Work),
    rule(Method::POST, "/v1/sandboxes/{id}/calls", OPERATOR, Time::Work),
    rule(Method::GET, "/v1/sandboxes/{id}/sessions", READER, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/sessions", OPERATOR, Time::Setting),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/sessions/{session}",
        READER,
        Time::Setting,
    ),
    rule(
        Method::DELETE,
        "/v1/sandboxes/{id}/sessions/{session}",
        OPERATOR,
        Time::Setting,
    ),
    rule(
        Method::POST,
        "/v1/sandboxes/{id}/sessions/{session}/call",
        OPERATOR,
        Time::Work,
    ),
    rule(Method::GET, "/v1/sandboxes/{id}/events", READER, Time::Setting),
    rule(Method::GET, "/v1/events", READER, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}/processes", READER, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/processes", OPERATOR, Time::Work),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/processes/{process}",
        READER,
        Time::Setting,
    ),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/processes/{process}/output",
        OPERATOR,
        Time::Setting,
    ),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/processes/{process}/wait",
        READER,
        Time::Work,
    ),
    rule(
        Method::POST,
        "/v1/sandboxes/{id}/processes/{process}/stdin",
        OPERATOR,
        Time::Work,
    ),
    rule(
        Method::POST,
        "/v1/sandboxes/{id}/processes/{process}/signal",
        OPERATOR,
        Time::Setting,
    ),
    rule(Method::GET, "/v1/sandboxes/{id}/files", READER, Time::Setting),
    rule(Method::PUT, "/v1/sandboxes/{id}/files", OPERATOR, Time::Work),
    rule(Method::DELETE, "/v1/sandboxes/{id}/files", OPERATOR, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}/files/stat", READER, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}/files/list", READER, Time::Setting),
    rule(
        Method::POST,
        "/v1/sandboxes/{id}/files/directory",
        OPERATOR,
        Time::Setting,
    ),
    rule(Method::POST, "/v1/sandboxes/{id}/files/move", OPERATOR, Time::Setting),
    rule(Method::GET, "/v1/sandboxes/{id}/files/tar", READER, Time::Work),
    rule(Method::PUT, "/v1/sandboxes/{id}/files/tar", OPERATOR, Time::Work),
    rule(Method::GET, "/v1/sandboxes/{id}/snapshots", READER, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/snapshots", OPERATOR, Time::Work),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/snapshots/{snapshot}",
        READER,
        Time::Setting,
    ),
    rule(
        Method::PATCH,
        "/v1/sandboxes/{id}/snapshots/{snapshot}",
        OPERATOR,
        Time::Setting,
    ),
    rule(
        Method::DELETE,
        "/v1/sandboxes/{id}/snapshots/{snapshot}",
        OPERATOR,
        Time::Setting,
    ),
    rule(
        Method::GET,
        "/v1/sandboxes/{id}/snapshots/{snapshot}/diff",
        READER,
        Time::Setting,
    ),
    rule(
        Method::POST,
        "/v1/sandboxes/{id}/snapshots/{snapshot}/verify",
        OPERATOR,
        Time::Work,
    ),
    rule(
        Method::PUT,
        "/v1/sandboxes/{id}/snapshot-names/{name}",
        OPERATOR,
        Time::Setting,
    ),
    rule(
        Method::DELETE,
        "/v1/sandboxes/{id}/snapshot-names/{name}",
        OPERATOR,
        Time::Setting,
    ),
    rule(Method::POST, "/v1/sandboxes/{id}/expire", OPERATOR, Time::Setting),
    rule(Method::POST, "/v1/sandboxes/{id}/rollback", OPERATOR, Time::Work),
    rule(Method::POST, "/v1/snapshots/collect", ADMIN, Time::Work),
    rule(Method::POST, "/v1/snapshots/scrub", ADMIN, Time::Work),
    rule(Method::GET, "/v1/tools", READER, Time::Setting),
    rule(Method::GET, "/v1/tools/{tool}", READER, Time::Setting),
    rule(Method::PUT, "/v1/tools/{tool}", ADMIN, Time::Work),
    rule(Method::DELETE, "/v1/tools/{tool}", ADMIN, Time::Setting),
    rule(Method::POST, "/v1/tools/{tool}/enable", ADMIN, Time::Setting),
    rule(Method::POST, "/v1/tools/{tool}/disable", ADMIN, Time::Setting),
];

/// A route which a request is for.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// In the [`TABLE`].
    pub place: usize,
    /// The sandbox which the request uses, so that it is not idle. To look at one is not to use it, but for what is in
    /// its files.
    used: Option<SandboxId>,
}

impl Route {
    /// What a request for `path` is for, where that is in the [`TABLE`].
    pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
        let Match { value, params } = PLACES.at(path).ok()?;
        // Where GET is answered, HEAD is.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let place = value.iter().copied().find(|place| TABLE[*place].method == method)?;
        Some(Self {
            place,
            used: used(&TABLE[place], &params),
        })
    }

    pub(crate) fn rule(self) -> &'static Rule {
        &TABLE[self.place]
    }
}

/// The places in the [`TABLE`] by path.
static PLACES: LazyLock<matchit::Router<Vec<usize>>> = LazyLock::new(places);

fn places() -> matchit::Router<Vec<usize>> {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for (place, rule) in TABLE.iter().enumerate() {
        places.entry(rule.path).or_default().push(place);
    }
    let mut router = matchit::Router::new();
    for (path, places) in places {
        router.insert(path, places).expect("no two paths are for one request");
    }
    router
}

fn used(rule: &Rule, params: &Params<'_, '_>) -> Option<SandboxId> {
    let looks = rule.method == Method::GET && !rule.path.starts_with("/v1/sandboxes/{id}/files");
    if looks || !rule.path.starts_with("/v1/sandboxes/{id}") {
        return None;
    }
    percent_decode_str(params.get("id")?).decode_utf8().ok()?.parse().ok()
}

/// Compares the table with the routes which there are.
///
/// # Errors
/// [`Kind::Internal`], with every route that is not in the table, and every entry which is no route.
pub(crate) fn check(table: &[Rule], document: &OpenApi) -> palisade::Result<()> {
    let routes = routes_of(document);
    let is_in =
        |(method, path): &&(Method, String)| table.iter().any(|rule| rule.method == method && rule.path == path);
    let mut wrong: Vec<String> = routes
        .iter()
        .filter(|route| !is_in(route))
        .map(|(method, path)| format!("nobody says who may ask for {method} {path}"))
        .collect();
    for Rule { method, path, .. } in table {
        if !routes.iter().any(|(known, at)| known == method && at == path) {
            wrong.push(format!("{method} {path} is no route"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(palisade::Error::new(Kind::Internal, wrong.join("; ")))
}

fn routes_of(document: &OpenApi) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::OPTIONS, &item.options),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
            (Method::TRACE, &item.trace),
        ] {
            if operation.is_some() {
                routes.push((method, path.clone()));
            }
        }
    }
    routes
}

/// Has a request answered, if the table and its key allow that.
pub(crate) async fn guard<B>(
    api: &Api,
    route: Option<Route>,
    asker: &OnceLock<KeyId>,
    request: Request<B>,
    answer: impl AsyncFnOnce(Request<Body>) -> Response,
) -> Response
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let Some(route) = route else {
        return unrouted(request.uri().path());
    };
    let rule = route.rule();
    let Who::AtLeast(least) = rule.who else {
        return in_time(api, rule.time, answer(request.map(Body::new))).await;
    };
    let key = match presented(request.headers()) {
        Some(text) => api.keys.check(text).await,
        None => None,
    };
    let Some((key, role)) = key else {
        let message = "a key is needed, and there is none or not a good one";
        return Failure::new(Cause::Unauthenticated, message).into_response();
    };
    asker.get_or_init(|| key);
    traces::adopt_parent(request.headers());
    let Some(open) = api.askers.open(key) else {
        return Failure::of(Kind::Exhausted, "the key has as many requests open as it may").into_response();
    };
    let (mut request, left) = Left::of(request);
    if role < least {
        left.discard().await;
        let message = format!("this takes the role {least}, and the key has {role}");
        return Failure::new(Cause::Forbidden, message).into_response();
    }
    request.extensions_mut().insert(Asker { key, role });
    let used = route.used.and_then(|sandbox| api.lives.enter(sandbox));
    let response = in_time(api, rule.time, answer(request.map(Body::new))).await;
    if !response.status().is_success() {
        left.discard().await;
    }
    until_sent((open, used), response)
}

/// The answer to a request for what is not in the [`TABLE`]. It comes to no route, whatever the router would make of it.
fn unrouted(path: &str) -> Response {
    let Ok(Match { value, .. }) = PLACES.at(path) else {
        return Failure::of(Kind::NotFound, "there is no such path").into_response();
    };
    let mut allowed: Vec<&str> = value.iter().map(|place| TABLE[*place].method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let failure = Failure::new(Cause::NoSuchMethod, "the path does not have this method");
    ([(header::ALLOW, allowed.join(", "))], failure).into_response()
}

async fn in_time(api: &Api, time: Time, work: impl Future<Output = Response>) -> Response {
    match time {
        Time::Work => work.await,
        Time::Setting => match timeout(api.settings.request_time, work).await {
            Ok(response) => response,
            Err(_) => Failure::of(Kind::Timeout, "it took longer than a request may").into_response(),
        },
    }
}

/// The one key which a request shows.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = only(headers, "authorization").ok()? {
        let (scheme, key) = value.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    only(headers, "x-api-key").ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router;

    #[test]
    fn every_route_is_in_the_table_and_every_entry_is_a_route() {
        check(TABLE, &router::document()).unwrap();
    }

    #[test]
    fn a_route_without_an_entry_and_an_entry_without_a_route_are_refused() {
        let error = check(&TABLE[1..], &router::document()).unwrap_err();
        assert!(error.to_string().contains("who may ask for GET /healthz"), "{error}");
        let mut table: Vec<Rule> = TABLE
            .iter()
            .map(|known| rule(known.method.clone(), known.path, known.who, known.time))
            .collect();
        table.push(rule(Method::PUT, "/v1/grants", ADMIN, Time::Setting));
        let error = check(&table, &router::document()).unwrap_err();
        assert_eq!(error.to_string(), "PUT /v1/grants is no route");
    }

    #[test]
    fn readers_change_nothing_and_only_admins_change_tools_and_keys_and_see_to_the_store() {
        for rule in TABLE {
            let changes_tools = rule.path.starts_with("/v1/tools") && rule.method != Method::GET;
            let is_for_admins = ["/v1/keys", "/v1/snapshots/"]
                .iter()
                .any(|part| rule.path.starts_with(part));
            let expected = match (&rule.method, changes_tools || is_for_admins) {
                (_, true) => ADMIN,
                // It looks at a text.
                (&Method::POST, _) if rule.path == "/v1/policies/check" => READER,
                (&Method::GET, _) if rule.who == Who::Anyone => Who::Anyone,
                // What is read of it is gone.
                (&Method::GET, _) if rule.path.ends_with("/output") => OPERATOR,
                // It has the values of variables, and paths of the host.
                (&Method::GET, _) if rule.path == "/v1/policies/{name}" => OPERATOR,
                (&Method::GET, _) => READER,
                _ => OPERATOR,
            };
            assert_eq!(rule.who, expected, "{} {}", rule.method, rule.path);
        }
        let open: Vec<&str> = TABLE
            .iter()
            .filter(|rule| rule.who == Who::Anyone)
            .map(|rule| rule.path)
            .collect();
        assert_eq!(
            open,
            ["/healthz", "/readyz", "/v1/openapi.json", "/", "/docs", "/page/{file}"]
        );
    }

    #[test]
    fn a_request_uses_the_sandbox_which_it_changes_or_reads_files_of() {
        let used = |method: Method, path: &str| Route::of(&method, path).unwrap().used;
        let id: SandboxId = "0123456789abcdef".parse().unwrap();
        assert_eq!(used(Method::POST, &format!("/v1/sandboxes/{id}/call")), Some(id));
        assert_eq!(used(Method::HEAD, &format!("/v1/sandboxes/{id}/files")), Some(id));
        let escaped = id.to_string().replace('a', "%61");
        assert_eq!(used(Method::PATCH, &format!("/v1/sandboxes/{escaped}")), Some(id));
        assert_eq!(used(Method::GET, &format!("/v1/sandboxes/{id}/events")), None);
        assert_eq!(used(Method::POST, "/v1/sandboxes/x/call"), None);
        assert!(Route::of(&Method::PUT, "/v1/sandboxes").is_none());
        assert!(Route::of(&Method::GET, "/v1/sandboxes/").is_none());
    }

    #[test]
    fn a_key_comes_in_either_header() {
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            presented(&headers).map(str::to_owned)
        };
        assert_eq!(of("authorization", "Bearer x").as_deref(), Some("x"));
        assert_eq!(of("authorization", "bearer x").as_deref(), Some("x"));
        assert_eq!(of("x-api-key", "x").as_deref(), Some("x"));
        assert_eq!(of("authorization", "Basic x"), None);
        assert_eq!(of("cookie", "x"), None);
        let mut twice = HeaderMap::new();
        twice.append("x-api-key", "x".parse().unwrap());
        assert_eq!(presented(&twice), Some("x"));
        twice.append("x-api-key", "y".parse().unwrap());
        assert_eq!(presented(&twice), None);
    }
}
