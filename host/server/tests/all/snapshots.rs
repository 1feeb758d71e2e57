//! Snapshots over HTTP.

use hyper::Method;
use palisade::Sandbox;
use serde_json::{Value, json};

use crate::client::{Answer, Running};

struct Fixture {
    server: Running,
    sandbox: Sandbox,
    path: String,
}

impl Fixture {
    async fn new() -> Self {
        let server = Running::start().await;
        let id = server.sandbox().await;
        Self {
            sandbox: server.host.sandbox(id.parse().unwrap()).unwrap(),
            path: format!("/v1/sandboxes/{id}"),
            server,
        }
    }

    fn write(&self, path: &str, text: &str) {
        self.sandbox.workspace().write(path, text.as_bytes()).unwrap();
    }

    async fn take(&self, asked: Value) -> Value {
        self.post("/snapshots", asked).await.expect(201)
    }

    async fn get(&self, below: &str) -> Answer {
        self.server.get(&format!("{}{below}", self.path)).await
    }

    async fn post(&self, below: &str, body: Value) -> Answer {
        self.server.post(&format!("{}{below}", self.path), body).await
    }

    async fn ask(&self, method: Method, below: &str, body: Option<Value>) -> Answer {
        let path = format!("{}{below}", self.path);
        self.server.ask(&self.server.admin, method, &path, body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_taken_listed_changed_and_deleted() {
    let fixture = Fixture::new().await;
    fixture.write("/file", "one");
    let first = fixture.take(json!({"name": "first", "labels": {"of": "a test"}})).await;
    assert_eq!(
        (&first["files"], &first["bytes"], &first["parent"]),
        (&json!(1), &json!(3), &Value::Null)
    );
    fixture.write("/file", "three");
    let second = fixture
        .take(json!({"durability": "soon", "description": "again"}))
        .await;
    assert_eq!((&second["parent"], &second["changed"]), (&first["id"], &json!(1)));

    let page = fixture.get("/snapshots?limit=1").await.expect(200);
    assert_eq!(
        (&page["snapshots"][0]["id"], &page["next"]),
        (&second["id"], &second["id"])
    );
    let next = format!("/snapshots?after={}", page["next"].as_str().unwrap());
    let page = fixture.get(&next).await.expect(200);
    assert_eq!((&page["snapshots"], &page["next"]), (&json!([first]), &Value::Null));
    assert_eq!(fixture.get("/snapshots/first").await.expect(200), first);

    let change = json!({"pinned": true, "labels": {"of": null, "new": "label"}});
    let changed = fixture
        .ask(Method::PATCH, "/snapshots/first", Some(change))
        .await
        .expect(200);
    assert_eq!(
        (&changed["labels"], &changed["pinned"]),
        (&json!({"new": "label"}), &json!(true))
    );
    fixture.ask(Method::DELETE, "/snapshots/first", None).await.expect(409);
    let change = json!({"pinned": false});
    fixture
        .ask(Method::PATCH, "/snapshots/first", Some(change))
        .await
        .expect(200);

    let target = json!({"snapshot": second["id"]});
    let named = fixture
        .ask(Method::PUT, "/snapshot-names/last-stable", Some(target))
        .await
        .expect(200);
    assert_eq!(named["names"], json!(["last-stable"]));
    fixture
        .ask(Method::DELETE, "/snapshot-names/last-stable", None)
        .await
        .expect(204);
    fixture.get("/snapshots/last-stable").await.expect(404);
    fixture.ask(Method::DELETE, "/snapshots/first", None).await.expect(204);
    fixture.get("/snapshots/first").await.expect(404);
    let verified = fixture.post("/snapshots/000000/verify", json!({})).await;
    verified.expect(404);
    let short = &second["id"].as_str().unwrap()[..12];
    let verified = fixture
        .post(&format!("/snapshots/{short}/verify"), json!({}))
        .await
        .expect(200);
    assert_eq!(verified["damaged"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_told_by_names_and_by_lines() {
    let fixture = Fixture::new().await;
    fixture.write("/poem", "one\ntwo\nthree\n");
    fixture.take(json!({"name": "before"})).await;
    fixture.write("/poem", "one\n2\nthree\n");
    fixture.write("/new", "x");
    fixture.take(json!({"name": "after"})).await;
    let told = fixture.get("/snapshots/after/diff?path=/poem").await.expect(200);
    let found = |path: &str| {
        let differences = told["differences"].as_array().unwrap();
        differences.iter().find(|one| one["path"] == path).cloned().unwrap()
    };
    assert_eq!(
        found("/poem"),
        json!({"path": "/poem", "kind": "content", "size_before": 14, "size_after": 12})
    );
    assert_eq!(
        (&found("/new")["kind"], &found("/new")["size_before"]),
        (&json!("added"), &Value::Null)
    );
    assert_eq!(
        told["text"],
        "--- a/poem\n+++ b/poem\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    );
    let back = fixture.get("/snapshots/before/diff?from=after").await.expect(200);
    assert!(
        back["differences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["kind"] == "removed")
    );
    let from_nothing = fixture.get("/snapshots/before/diff?limit=1").await.expect(200);
    assert_eq!(
        (
            from_nothing["differences"].as_array().unwrap().len(),
            &from_nothing["truncated"]
        ),
        (1, &json!(false))
    );
    fixture.get("/snapshots/after/diff?from=nothing").await.expect(404);
    fixture.get("/snapshots/after/diff?path=/none").await.expect(404);
    fixture.get("/snapshots/after/diff?limit=0").await.expect(400);
    fixture.sandbox.workspace().write("/binary", &[0xff; 9]).unwrap();
    fixture.take(json!({"name": "binary"})).await;
    fixture.get("/snapshots/binary/diff?path=/binary").await.expect(501);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_back_wholly_or_in_part() {
    let fixture = Fixture::new().await;
    for path in ["/a", "/b", "/log"] {
        fixture.write(path, "1");
    }
    let taken = fixture.take(json!({"name": "good"})).await;
    for path in ["/a", "/b", "/log"] {
        fixture.write(path, "two");
    }
    let read = || ["/a", "/b", "/log"].map(|path| fixture.sandbox.workspace().read(path, 9).unwrap());
    let done = fixture
        .post("/rollback", json!({"to": "good", "paths": ["/a"]}))
        .await
        .expect(200);
    assert_eq!(read(), [&b"1"[..], b"two", b"two"]);
    assert_eq!((&done["to"], &done["outside"]), (&taken["id"], &json!([])));
    assert_eq!(done["before"]["labels"]["before-rollback-to"], taken["id"]);
    let kinds = |done: &Value| -> Vec<String> {
        let differences = done["undone"]["differences"].as_array().unwrap();
        differences
            .iter()
            .map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(&done), ["/a"]);
    fixture
        .post("/rollback", json!({"to": "good", "keep": ["/log"]}))
        .await
        .expect(200);
    assert_eq!(read(), [&b"1"[..], b"1", b"two"]);
    let undo = json!({"to": done["before"]["id"], "durability": "soon"});
    fixture.post("/rollback", undo).await.expect(200);
    assert_eq!(read(), [&b"two"[..]; 3]);
    fixture.post("/rollback", json!({"to": "bad"})).await.expect(404);
    fixture
        .post("/rollback", json!({"to": "good", "paths": ["/../a"]}))
        .await
        .expect(400);
    fixture.post("/rollback", json!({})).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_ones_expire_and_their_room_is_given_back() {
    let fixture = Fixture::new().await;
    for number in 0..5 {
        fixture.write("/file", &number.to_string());
        fixture.take(json!({"labels": {"number": number.to_string()}})).await;
    }
    let kept = json!({"last": 1, "labels": {"number": "2"}});
    let expired = fixture.post("/expire", kept).await.expect(200);
    assert_eq!(expired["deleted"].as_array().unwrap().len(), 3);
    assert_eq!(
        fixture.get("/snapshots").await.expect(200)["snapshots"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let server = &fixture.server;
    let collected = server.post("/v1/snapshots/collect", json!({})).await.expect(200);
    assert!(collected["freed_bytes"].is_u64());
    let scrubbed = server.post("/v1/snapshots/scrub", json!({})).await.expect(200);
    assert_eq!((&scrubbed["damaged"], &scrubbed["snapshots"]), (&json!(0), &json!([])));
}
