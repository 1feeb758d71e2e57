//! Sandboxes, policies and what is wrong with requests.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::Method;
use palisade::policy::Policy;
use palisade_server::{Policies, Role, Settings};
use serde_json::{Value, json};

use crate::client::{Answer, ECHO, Running, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_made_looked_at_suspended_and_removed() {
    let server = Running::start().await;
    let asked = json!({"env": {"A": "b"}, "limits": {"memory": "64 MiB", "time": "2s"}});
    let made = server.post("/v1/sandboxes", asked).await.expect(201);
    assert_eq!((&made["state"], &made["policy"]), (&json!("ready"), &json!("default")));
    assert_eq!(
        (&made["limits"]["memory"], &made["limits"]["time"]),
        (&json!("64 MiB"), &json!("2s"))
    );
    assert_eq!(
        (&made["usage"]["disk_bytes"], &made["processes"]),
        (&json!(0), &json!([]))
    );
    let path = format!("/v1/sandboxes/{}", made["id"].as_str().unwrap());
    for (what, state) in [("suspend", "suspended"), ("resume", "ready"), ("stop", "stopped")] {
        let told = server.post(&format!("{path}/{what}"), json!({})).await.expect(200);
        assert_eq!(told["state"], state);
    }
    server.post(&format!("{path}/resume"), json!({})).await.expect(409);
    assert_eq!(server.get(&path).await.expect(200)["state"], "stopped");
    assert!(
        server
            .ask(&server.admin, Method::DELETE, &path, None)
            .await
            .expect(204)
            .is_null()
    );
    server.get(&path).await.expect(404);
    server.get("/v1/sandboxes/x").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_named_and_says_what_it_denies() {
    let policies = Policies::new("default", Policy::standard()).with("strict", Policy::strict());
    let server = Running::with(Settings {
        policies,
        ..Settings::default()
    })
    .await;
    let listed = server.get("/v1/policies").await.expect(200);
    let names = [
        &listed["policies"][0]["name"],
        &listed["policies"][1]["name"],
        &listed["default"],
    ];
    assert_eq!(names, ["default", "strict", "default"]);
    let made = server
        .post("/v1/sandboxes", json!({"policy": "strict"}))
        .await
        .expect(201);
    assert_eq!(made["policy"], "strict");
    let asked = json!({"policy": "strict", "limits": {"memory": "100 GiB"}});
    let error = server.post("/v1/sandboxes", asked).await.expect(403);
    assert_eq!(
        (&error["kind"], &error["denials"][0]["rule"]),
        (&json!("denied"), &json!("ceilings.memory"))
    );
    let error = server.post("/v1/sandboxes", json!({"policy": "lax"})).await.expect(404);
    assert!(
        error["message"].as_str().unwrap().contains("default, strict"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_every_sandbox_once_in_order() {
    let server = Running::start().await;
    let mut made = BTreeSet::new();
    for _ in 0..7 {
        made.insert(server.sandbox().await);
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/sandboxes?limit=3".to_owned());
    loop {
        let page = server.get(&path).await.expect(200);
        let sandboxes = page["sandboxes"].as_array().unwrap();
        seen.extend(sandboxes.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/sandboxes?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made.into_iter().collect::<Vec<_>>());
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "page=2"] {
        server.get(&format!("/v1/sandboxes?{query}")).await.expect(400);
    }
    server.get("/v1/sandboxes?limit=1000").await.expect(200);
}

async fn create_once(server: &Running, key: &str, name: &str, body: &Value) -> Answer {
    let request = server
        .request(Method::POST, "/v1/sandboxes")
        .header("x-api-key", key)
        .header("idempotency-key", name)
        .header("content-type", "application/json");
    server
        .send(request.body(Full::new(body.to_string().into())).unwrap())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_which_is_repeated_makes_one_sandbox() {
    let server = Running::start().await;
    let (body, other) = (json!({}), json!({"policy": "default"}));
    let admin = server.admin.as_str();
    let first = create_once(&server, admin, "a", &body).await.expect(201);
    assert_eq!(
        create_once(&server, admin, "a", &body).await.expect(200)["id"],
        first["id"]
    );
    create_once(&server, admin, "a", &other).await.expect(409);
    assert_ne!(
        create_once(&server, admin, "b", &other).await.expect(201)["id"],
        first["id"]
    );
    let (_, operator) = server.keys.create(Role::Operator).unwrap();
    assert_ne!(
        create_once(&server, &operator, "a", &body).await.expect(201)["id"],
        first["id"]
    );
    create_once(&server, admin, &"x".repeat(256), &body).await.expect(400);
    create_once(&server, admin, "", &body).await.expect(400);
    let path = format!("/v1/sandboxes/{}", first["id"].as_str().unwrap());
    server.ask(admin, Method::DELETE, &path, None).await.expect(204);
    create_once(&server, admin, "a", &body).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn creations_at_one_time_with_one_name_make_one_sandbox() {
    let server = Running::start().await;
    let body = json!({});
    let asked = (0..20).map(|_| create_once(&server, &server.admin, "a", &body));
    let answers = join_all(asked).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, server.host.sandboxes().len()), (1, 1));
    assert!(answers.iter().all(|answer| answer.status.is_success()), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_bounded_and_names_each_variable_once() {
    let server = Running::start().await;
    let env = |bytes: usize| json!({"env": {"A": "x".repeat(bytes)}});
    server.post("/v1/sandboxes", env((128 << 10) - 3)).await.expect(201);
    let error = server.post("/v1/sandboxes", env((128 << 10) - 2)).await.expect(400);
    assert_eq!(
        error["message"],
        "the environment has 131073 bytes; at most 131072 are taken"
    );
    let twice = server
        .request(Method::POST, "/v1/sandboxes")
        .header("x-api-key", &server.admin)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(r#"{"env": {"A": "1", "A": "2"}}"#)));
    let error = server.send(twice.unwrap()).await.expect(400);
    assert!(
        error["message"].as_str().unwrap().contains(r#""A" is there twice"#),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_in_one_form() {
    let server = Running::start().await;
    let post = async |media: &str, body: &'static str| {
        let request = server
            .request(Method::POST, "/v1/sandboxes")
            .header("x-api-key", &server.admin);
        let request = request.header("content-type", media).header("x-request-id", "mine");
        let answer = server.send(request.body(Full::new(Bytes::from(body))).unwrap()).await;
        assert_ne!(answer.headers["x-request-id"], "mine");
        answer
    };
    let json = "application/json";
    let error = post(json, r#"{"limits": {"memroy": 1}}"#).await.expect(400);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("limits.memroy: unknown field"), "{message}");
    let error = post(json, r#"{"polcy": "x"}"#).await.expect(400);
    assert!(
        error["message"].as_str().unwrap().starts_with("polcy: unknown field"),
        "{error}"
    );
    let error = post(json, "{").await.expect(400);
    assert!(error["message"].as_str().unwrap().contains("line 1"), "{error}");
    assert_eq!(
        post("text/plain", "{}").await.expect(415)["kind"],
        "unsupported-media-type"
    );
    assert_eq!(server.get("/v2").await.expect(404)["kind"], "not-found");
    let answer = server.ask(&server.admin, Method::PUT, "/v1/sandboxes", None).await;
    let allowed = answer.headers["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    assert_eq!(answer.expect(405)["kind"], "method-not-allowed");
}

async fn patch(server: &Running, path: &str, body: Value) -> Answer {
    server.ask(&server.admin, Method::PATCH, path, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_labels_are_changed_together_or_not_at_all() {
    let server = Running::start().await;
    let asked = json!({"labels": {"owner": "me", "run": "7"}, "limits": {"memory": "64 MiB"}});
    let made = server.post("/v1/sandboxes", asked).await.expect(201);
    assert_eq!(made["labels"], json!({"owner": "me", "run": "7"}));
    assert_eq!(
        (&made["expires_at"], &made["idle_seconds"]),
        (&Value::Null, &Value::Null)
    );
    let path = format!("/v1/sandboxes/{}", made["id"].as_str().unwrap());
    let body = json!({"labels": {"run": null, "step": "2"}, "limits": {"memory": "96 MiB", "disk": "1 MiB"}, "idle_seconds": 900});
    let changed = patch(&server, &path, body).await.expect(200);
    assert_eq!(changed["labels"], json!({"owner": "me", "step": "2"}));
    assert_eq!(
        (
            &changed["limits"]["memory"],
            &changed["limits"]["disk"],
            &changed["idle_seconds"]
        ),
        (&json!("96 MiB"), &json!("1 MiB"), &json!(900))
    );
    for (body, status) in [
        (json!({"labels": {"a": "1"}, "limits": {"memory": "1000 GiB"}}), 403),
        (json!({"labels": {"a": "1"}, "limits": {"memory": 0}}), 400),
        (json!({"labels": {"no name": "1"}, "limits": {"memory": "1 MiB"}}), 400),
        (json!({"labels": {"a": 1}}), 400),
        (json!({"ttl_seconds": 0}), 400),
        (json!({"ttl_seconds": -1}), 400),
        (json!({"policy": "strict"}), 400),
    ] {
        patch(&server, &path, body).await.expect(status);
    }
    let now = server.get(&path).await.expect(200);
    assert_eq!(
        (&now["labels"], &now["limits"]),
        (&changed["labels"], &changed["limits"])
    );
    let (_, reader) = server.keys.create(Role::Reader).unwrap();
    let refused = server.ask(&reader, Method::PATCH, &path, Some(json!({}))).await;
    refused.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_are_found_by_their_labels() {
    let server = Running::start().await;
    for labels in [json!({"a": "1"}), json!({"a": "2", "b": ""}), json!({})] {
        server
            .post("/v1/sandboxes", json!({"labels": labels}))
            .await
            .expect(201);
    }
    for (asked, count) in [("a", 2), ("a=1", 1), ("b", 1), ("b=", 1), ("b=x", 0), ("c", 0)] {
        let page = server.get(&format!("/v1/sandboxes?label={asked}")).await.expect(200);
        assert_eq!(page["sandboxes"].as_array().unwrap().len(), count, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_whose_time_is_over_is_gone_with_its_processes_and_a_renewed_one_is_not() {
    let server = Running::start().await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let body = json!({"ttl_seconds": 1});
    let (made, renewed) = (
        server.post("/v1/sandboxes", body.clone()).await.expect(201),
        server.post("/v1/sandboxes", body).await.expect(201),
    );
    assert!(made["expires_at"].is_string(), "{made}");
    let path = |made: &Value| format!("/v1/sandboxes/{}", made["id"].as_str().unwrap());
    let told = patch(&server, &path(&renewed), json!({"ttl_seconds": 3600}))
        .await
        .expect(200);
    assert!(told["expires_at"].as_str() > made["expires_at"].as_str(), "{told}");
    let ended = server
        .post(
            &format!("{}/call", path(&made)),
            json!({"tool": "echo", "function": "spin"}),
        )
        .await
        .expect(200);
    assert_eq!(ended["ending"], "killed");
    let started = Instant::now();
    while server.get(&path(&made)).await.status != 404 {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.get(&path(&renewed)).await.expect(200);
    assert_eq!(
        server.get(&path(&renewed)).await.expect(200)["expires_at"],
        told["expires_at"]
    );
    let forever = patch(&server, &path(&renewed), json!({"ttl_seconds": null}))
        .await
        .expect(200);
    assert!(forever["expires_at"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn to_look_at_an_idle_sandbox_does_not_keep_it() {
    let server = Running::start().await;
    let made = server
        .post("/v1/sandboxes", json!({"idle_seconds": 1}))
        .await
        .expect(201);
    let path = format!("/v1/sandboxes/{}", made["id"].as_str().unwrap());
    let started = Instant::now();
    while server.get(&path).await.status != 404 {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
