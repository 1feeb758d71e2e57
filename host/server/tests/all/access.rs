//! Who is let in, and what each role may do.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use palisade_server::{Role, Settings};
use serde_json::{Value, json};

use crate::client::{ECHO, Running};

/// Every route, with the least role that may ask for it, in an order in which an admin can ask for all.
const ROUTES: &[(&str, &str, Option<Role>)] = &[
    ("GET", "/healthz", None),
    ("GET", "/readyz", None),
    ("GET", "/v1/openapi.json", None),
    ("GET", "/metrics", Some(Role::Reader)),
    ("GET", "/v1/usage", Some(Role::Reader)),
    ("GET", "/v1/sandboxes/{id}/usage", Some(Role::Reader)),
    ("GET", "/", None),
    ("GET", "/docs", None),
    ("GET", "/page/{file}", None),
    ("GET", "/v1/about", Some(Role::Reader)),
    ("GET", "/v1/keys", Some(Role::Admin)),
    ("POST", "/v1/keys", Some(Role::Admin)),
    ("DELETE", "/v1/keys/{key}", Some(Role::Admin)),
    ("GET", "/v1/policies", Some(Role::Reader)),
    ("GET", "/v1/policies/{name}", Some(Role::Operator)),
    ("POST", "/v1/policies/check", Some(Role::Reader)),
    ("GET", "/v1/events", Some(Role::Reader)),
    ("GET", "/v1/sandboxes/{id}/events", Some(Role::Reader)),
    ("GET", "/v1/tools", Some(Role::Reader)),
    ("PUT", "/v1/tools/{tool}", Some(Role::Admin)),
    ("GET", "/v1/tools/{tool}", Some(Role::Reader)),
    ("GET", "/v1/sandboxes", Some(Role::Reader)),
    ("POST", "/v1/sandboxes", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}", Some(Role::Reader)),
    ("PATCH", "/v1/sandboxes/{id}", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/sessions", Some(Role::Reader)),
    ("POST", "/v1/sandboxes/{id}/sessions", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/sessions/{session}", Some(Role::Reader)),
    (
        "POST",
        "/v1/sandboxes/{id}/sessions/{session}/call",
        Some(Role::Operator),
    ),
    ("DELETE", "/v1/sandboxes/{id}/sessions/{session}", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/call", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/calls", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/processes", Some(Role::Reader)),
    ("POST", "/v1/sandboxes/{id}/processes", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/processes/{process}", Some(Role::Reader)),
    (
        "GET",
        "/v1/sandboxes/{id}/processes/{process}/output",
        Some(Role::Operator),
    ),
    ("GET", "/v1/sandboxes/{id}/processes/{process}/wait", Some(Role::Reader)),
    (
        "POST",
        "/v1/sandboxes/{id}/processes/{process}/stdin",
        Some(Role::Operator),
    ),
    (
        "POST",
        "/v1/sandboxes/{id}/processes/{process}/signal",
        Some(Role::Operator),
    ),
    ("GET", "/v1/sandboxes/{id}/snapshots", Some(Role::Reader)),
    ("POST", "/v1/sandboxes/{id}/snapshots", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/snapshots/{snapshot}", Some(Role::Reader)),
    ("PATCH", "/v1/sandboxes/{id}/snapshots/{snapshot}", Some(Role::Operator)),
    (
        "GET",
        "/v1/sandboxes/{id}/snapshots/{snapshot}/diff",
        Some(Role::Reader),
    ),
    (
        "POST",
        "/v1/sandboxes/{id}/snapshots/{snapshot}/verify",
        Some(Role::Operator),
    ),
    ("PUT", "/v1/sandboxes/{id}/snapshot-names/{name}", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/expire", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/rollback", Some(Role::Operator)),
    ("POST", "/v1/snapshots/collect", Some(Role::Admin)),
    ("POST", "/v1/snapshots/scrub", Some(Role::Admin)),
    (
        "DELETE",
        "/v1/sandboxes/{id}/snapshots/{snapshot}",
        Some(Role::Operator),
    ),
    (
        "DELETE",
        "/v1/sandboxes/{id}/snapshot-names/{name}",
        Some(Role::Operator),
    ),
    ("PUT", "/v1/sandboxes/{id}/files", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/files", Some(Role::Reader)),
    ("GET", "/v1/sandboxes/{id}/files/stat", Some(Role::Reader)),
    ("GET", "/v1/sandboxes/{id}/files/list", Some(Role::Reader)),
    ("POST", "/v1/sandboxes/{id}/files/directory", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/files/move", Some(Role::Operator)),
    ("PUT", "/v1/sandboxes/{id}/files/tar", Some(Role::Operator)),
    ("GET", "/v1/sandboxes/{id}/files/tar", Some(Role::Reader)),
    ("DELETE", "/v1/sandboxes/{id}/files", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/suspend", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/resume", Some(Role::Operator)),
    ("POST", "/v1/sandboxes/{id}/stop", Some(Role::Operator)),
    ("DELETE", "/v1/sandboxes/{id}", Some(Role::Operator)),
    ("POST", "/v1/tools/{tool}/disable", Some(Role::Admin)),
    ("POST", "/v1/tools/{tool}/enable", Some(Role::Admin)),
    ("DELETE", "/v1/tools/{tool}", Some(Role::Admin)),
];

fn body_of(path: &str) -> Value {
    let call = json!({"tool": "echo", "function": "twice", "arguments": {"number": 2}});
    match path.rsplit('/').next() {
        Some("call") if path.contains("{session}") => json!({"function": "twice", "arguments": {"number": 2}}),
        Some("sessions") => json!({"tool": "echo"}),
        Some("keys") => json!({"role": "reader"}),
        Some("call") => call,
        Some("calls") => json!({ "one": call }),
        Some("processes") => json!({"program": "/exit.wasm", "stdin": "pipe", "detached": true}),
        Some("signal") => json!({"signal": "kill"}),
        Some("directory") => json!({"path": "/new"}),
        Some("rollback") => json!({"to": "default"}),
        Some("{name}") if path.contains("/snapshot-names") => json!({"snapshot": "default"}),
        Some("move") => json!({"from": "/file", "to": "/new"}),
        _ => json!({}),
    }
}

/// Which file or directory is meant, where one is.
fn query_of(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("files" | "stat") => "?path=/file",
        Some("list" | "tar") => "?path=/",
        _ => "",
    }
}

/// The id of a key which nobody uses.
fn key_to_remove(server: &Running) -> String {
    server.keys.create(Role::Reader).unwrap().0.to_string()
}

/// The status with which `key` is answered.
async fn status(server: &Running, key: Option<&str>, method: &str, path: &str) -> u16 {
    let id = server.sandbox().await;
    let sandbox = server.host.sandbox(id.parse().unwrap()).unwrap();
    sandbox.workspace().write("/file", b"").unwrap();
    if path.contains("/processes") {
        let program = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap();
        sandbox.workspace().write("/exit.wasm", &program).unwrap();
    }
    if path.contains("{process}") {
        let at = format!("/v1/sandboxes/{id}/processes");
        server.post(&at, body_of(&at)).await.expect(201);
    }
    if path.contains("{session}") {
        let at = format!("/v1/sandboxes/{id}/sessions");
        server.post(&at, body_of(&at)).await.expect(201);
    }
    if ["{snapshot}", "rollback", "snapshot-names"]
        .iter()
        .any(|part| path.contains(part))
    {
        let at = format!("/v1/sandboxes/{id}/snapshots");
        server.post(&at, json!({"name": "default"})).await.expect(201);
    }
    let at = path
        .replace("{id}", &id)
        .replace("{snapshot}", "default")
        .replace("{process}", "1")
        .replace("{session}", "1")
        .replace("{file}", "app.js")
        .replace("{tool}", "echo")
        .replace("{name}", "default")
        .replace("{key}", &key_to_remove(server))
        + query_of(path);
    let (media, body) = match method {
        "PUT" if path.contains("/files") => ("application/octet-stream", Bytes::new()),
        "PUT" if path.contains("/tools") => ("application/wasm", Bytes::from(wat::parse_str(ECHO).unwrap())),
        _ if path.ends_with("/check") => ("application/toml", Bytes::new()),
        _ if path.ends_with("/stdin") => ("application/octet-stream", Bytes::new()),
        _ => ("application/json", Bytes::from(body_of(path).to_string())),
    };
    let mut request = server
        .request(method.parse().unwrap(), &at)
        .header("content-type", media);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let request = request.body(Full::new(body)).unwrap();
    if path.ends_with("/events") {
        return server.status(request).await.as_u16();
    }
    let answer = server.send(request).await;
    let status = answer.status.as_u16();
    if status == 401 {
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    if answer
        .headers
        .get("content-type")
        .is_some_and(|media| media == "application/json")
    {
        answer.expect(status);
    }
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_its_role_and_no_lesser_one() {
    let server = Running::start().await;
    for role in [Role::Admin, Role::Operator, Role::Reader] {
        server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
        let (_, key) = server.keys.create(role).unwrap();
        for (method, path, least) in ROUTES {
            let status = status(&server, Some(&key), method, path).await;
            let allowed = least.is_none_or(|least| role >= least);
            let as_expected = if allowed {
                (200..300).contains(&status)
            } else {
                status == 403
            };
            assert!(as_expected, "{role}: {method} {path}: {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_key_nobody_is_let_in() {
    let server = Running::start().await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let wrong = format!("{}0", &server.admin[..server.admin.len() - 1]);
    let wrong = if wrong == server.admin {
        wrong.replace("0", "1")
    } else {
        wrong
    };
    for key in [None, Some(""), Some("x"), Some(wrong.as_str())] {
        for (method, path, least) in ROUTES {
            let expected = if least.is_some() { 401 } else { 200 };
            assert_eq!(
                status(&server, key, method, path).await,
                expected,
                "{key:?}: {method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_route_and_says_how_to_come_in() {
    let server = Running::start().await;
    let document = server.get("/v1/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    for (method, path, _) in ROUTES {
        assert!(
            document["paths"][path][method.to_lowercase()].is_object(),
            "{method} {path}"
        );
    }
    let methods = document["paths"].as_object().unwrap().values();
    let count: usize = methods.map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(count, ROUTES.len());
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_how_it_fails() {
    let server = Running::start().await;
    let document = server.get("/v1/openapi.json").await.expect(200);
    let error = &document["components"]["responses"]["Error"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(error, "#/components/schemas/ErrorBody");
    for (method, path, _) in ROUTES {
        let responses = &document["paths"][path][method.to_lowercase()]["responses"];
        let told = &responses["default"]["$ref"];
        assert_eq!(told, "#/components/responses/Error", "{method} {path}: {responses}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_answered_as_its_get_is_without_a_body() {
    let server = Running::start().await;
    let key = server.keys.create(Role::Reader).unwrap().1;
    for (method, path, _) in ROUTES {
        let path = path.replace("{id}", &server.sandbox().await).replace("{tool}", "none");
        // Those of events have no end.
        if *method != "GET" || path.ends_with("/events") {
            continue;
        }
        let get = server.ask(&key, Method::GET, &path, None).await;
        let head = server.ask(&key, Method::HEAD, &path, None).await;
        assert_eq!((get.status, head.body.len()), (head.status, 0), "{path}");
        assert_eq!(
            get.headers.get("content-type"),
            head.headers.get("content-type"),
            "{path}"
        );
    }
    let open = server.ask("", Method::HEAD, "/v1/tools", None).await;
    assert_eq!((open.status.as_u16(), open.body.len()), (401, 0));
    let sandbox = server.sandbox().await;
    let none = server
        .ask(&key, Method::HEAD, &format!("/v1/sandboxes/{sandbox}/call"), None)
        .await;
    assert_eq!(none.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_a_slash_too_many_is_none() {
    let server = Running::start().await;
    let sandbox = server.sandbox().await;
    for path in [
        "/healthz/",
        "/v1/tools/",
        "/v1/sandboxes/",
        "//v1/tools",
        &format!("/v1/sandboxes/{sandbox}/"),
    ] {
        assert_eq!(
            server.get(path).await.expect(404)["message"],
            "there is no such path",
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_whether_it_is_ready_learns_nothing_of_the_machine() {
    let server = Running::start().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    std::fs::write(server.host.state_dir().join("tools/tools.toml"), "damaged").unwrap();
    let error = server.get("/readyz").await.expect(503);
    assert_eq!(
        (&error["kind"], &error["message"]),
        (&json!("unavailable"), &json!("it cannot work now"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_key_stops_within_two_seconds() {
    let server = Running::start().await;
    let (id, key) = server.keys.create(Role::Reader).unwrap();
    server.ask(&key, Method::GET, "/v1/tools", None).await.expect(200);
    // As another process does it.
    std::fs::remove_file(server.host.state_dir().join(format!("keys/{id}.toml"))).unwrap();
    let started = Instant::now();
    while server.ask(&key, Method::GET, "/v1/tools", None).await.status != 401 {
        assert!(started.elapsed() < Duration::from_secs(2), "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status of a request which names a host, and perhaps an origin.
async fn ask_as(server: &Running, host: &str, origin: Option<&str>) -> u16 {
    let mut request = hyper::Request::get("/healthz").header("host", host);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let answer = server.send(request.body(Full::default()).unwrap()).await;
    answer.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_another_host_is_refused_on_loopback() {
    let server = Running::start().await;
    let port = server.address.port();
    let ask = async |host: &str, origin: Option<&str>| ask_as(&server, host, origin).await;
    let local = format!("localhost:{port}");
    assert_eq!(ask(&local, None).await, 200);
    assert_eq!(ask("127.0.0.1", None).await, 200);
    assert_eq!(ask(&local, Some(&format!("http://{local}"))).await, 200);
    assert_eq!(ask("evil.test", None).await, 403);
    assert_eq!(ask(&format!("evil.test:{port}"), None).await, 403);
    assert_eq!(ask(&local, Some("http://evil.test")).await, 403);
    assert_eq!(ask(&local, Some("null")).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_the_host_counts_where_hosts_are_named() {
    let open = Running::on(Ipv4Addr::UNSPECIFIED, Settings::default()).await;
    assert_eq!(ask_as(&open, "evil.test", None).await, 200);
    let hosts = vec!["tools.test".parse().unwrap()];
    let settings = Settings {
        hosts,
        ..Settings::default()
    };
    for address in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
        let named = Running::on(address, settings.clone()).await;
        assert_eq!(ask_as(&named, "evil.test", None).await, 403);
        assert_eq!(ask_as(&named, "tools.test", None).await, 200);
        assert_eq!(ask_as(&named, "tools.test", Some("https://tools.test")).await, 200);
        assert_eq!(ask_as(&named, "tools.test", Some("https://evil.test")).await, 403);
    }
}
