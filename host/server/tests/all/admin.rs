//! What a client needs to do all that the command does: keys, policies, and which tools are called.

use hyper::Method;
use palisade_server::{Policies, Role, Settings};
use serde_json::{Value, json};

use crate::client::{ECHO, Running};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_told_once_used_and_removed() {
    let server = Running::start().await;
    let made = server.post("/v1/keys", json!({"role": "reader"})).await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.expect(201);
    let key = made["key"].as_str().unwrap();
    let about = server.ask(key, Method::GET, "/v1/about", None).await.expect(200);
    assert_eq!((&about["key"], &about["role"]), (&made["id"], &json!("reader")));
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));

    let listed = server.get("/v1/keys").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(key));
    let listed = listed.expect(200);
    let ids: Vec<&Value> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["id"])
        .collect();
    assert!(ids.contains(&&made["id"]), "{listed}");

    let path = format!("/v1/keys/{}", made["id"].as_str().unwrap());
    server.ask(key, Method::DELETE, &path, None).await.expect(403);
    server.ask(&server.admin, Method::DELETE, &path, None).await.expect(204);
    server.ask(key, Method::GET, "/v1/about", None).await.expect(401);
    server.ask(&server.admin, Method::DELETE, &path, None).await.expect(404);
    // A whole key by mistake is not repeated.
    let error = server
        .ask(&server.admin, Method::DELETE, &format!("/v1/keys/{key}"), None)
        .await;
    assert!(!String::from_utf8_lossy(&error.body).contains(key));
    error.expect(400);
    server.post("/v1/keys", json!({"role": "owner"})).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_shown_as_it_is_applied() {
    let policy = palisade::policy::Policy::from_toml("description = \"small\"\n[limits]\nmemory = \"3 MiB\"\n");
    let server = Running::with(Settings {
        policies: Policies::new("small", policy.unwrap()),
        ..Settings::default()
    })
    .await;
    let listed = server.get("/v1/policies").await.expect(200);
    assert_eq!(listed["policies"], json!([{"name": "small", "description": "small"}]));
    let shown = server.get("/v1/policies/small").await.expect(200);
    assert_eq!(shown["values"]["limits"]["memory"], "3 MiB");
    assert!(
        shown["toml"].as_str().unwrap().contains("memory = \"3 MiB\""),
        "{shown}"
    );
    let error = server.get("/v1/policies/large").await.expect(404);
    assert!(error["message"].as_str().unwrap().contains("small"), "{error}");
}

async fn check(server: &Running, text: &str) -> Value {
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let request = server
        .request(Method::POST, "/v1/policies/check")
        .header("x-api-key", reader)
        .header("content-type", "application/toml");
    let body = http_body_util::Full::new(text.to_owned().into());
    server.send(request.body(body).unwrap()).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_which_is_wrong_is_an_answer_with_every_problem_and_its_place() {
    let server = Running::start().await;
    let report = check(&server, "[limits]\nmemroy = 1\ntime = \"soon\"\n").await;
    assert_eq!(report["ok"], false);
    let problems = report["problems"].as_array().unwrap();
    let places: Vec<_> = problems
        .iter()
        .map(|one| (&one["key"], &one["position"]["line"]))
        .collect();
    assert_eq!(
        places,
        [(&json!("limits.memroy"), &json!(2)), (&json!("limits.time"), &json!(3))]
    );
    let report = check(&server, "description = \"good\"").await;
    assert_eq!(report, json!({"ok": true, "description": "good", "problems": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_which_is_disabled_is_not_called_until_it_is_enabled() {
    let server = Running::start().await;
    let added = server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let version = format!("echo@{}", added["digest"].as_str().unwrap());
    let at = format!("/v1/sandboxes/{}/call", server.sandbox().await);
    let call = json!({"tool": "echo", "function": "twice", "arguments": {"number": 2}});
    for (path, status) in [
        ("echo/disable", 403),
        ("echo/enable", 200),
        (&format!("{version}/disable"), 403),
        (&format!("{version}/enable"), 200),
    ] {
        server.post(&format!("/v1/tools/{path}"), json!({})).await.expect(204);
        let called = server.post(&at, call.clone()).await;
        let refused = !called.status.is_success();
        assert_eq!(refused, status != 200, "{path}: {called:?}");
    }
    server.post("/v1/tools/nothing/disable", json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_needs_an_interpreter_which_is_there_and_another_name() {
    let server = Running::start().await;
    let put = async |path: &str, media: &str, body: &str| {
        let request = server
            .request(Method::PUT, path)
            .header("x-api-key", &server.admin)
            .header("content-type", media);
        let body = http_body_util::Full::new(body.to_owned().into());
        server.send(request.body(body).unwrap()).await
    };
    let error = put("/v1/tools/a?interpreter=python", "text/plain", "x = 1")
        .await
        .expect(404);
    assert!(error["message"].as_str().unwrap().contains("python"), "{error}");
    put("/v1/tools/a?interpreter=a", "text/plain", "").await.expect(400);
    put("/v1/tools/a?interpreter=python", "application/wasm", "")
        .await
        .expect(415);
    put("/v1/tools/a", "text/plain", "").await.expect(415);
}
