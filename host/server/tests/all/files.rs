//! The files of a sandbox.

use std::io::Read;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use palisade::policy::{Access, Policy};
use palisade::{Kind, SandboxSpec, Workspace};
use palisade_server::Settings;
use serde_json::{Value, json};
use tar::{EntryType, Header};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Answer, Running, SOON};

/// A sandbox, and a client for its files.
struct Files {
    server: Running,
    id: String,
    workspace: Workspace,
}

impl Files {
    async fn start() -> Self {
        Self::with(Settings::default(), json!({})).await
    }

    async fn with(settings: Settings, limits: Value) -> Self {
        let server = Running::with(settings).await;
        let made = server
            .post("/v1/sandboxes", json!({ "limits": limits }))
            .await
            .expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        Self::of(server, id)
    }

    fn of(server: Running, id: String) -> Self {
        let workspace = server.host.sandbox(id.parse().unwrap()).unwrap().workspace().clone();
        Self { server, id, workspace }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/sandboxes/{}/files{rest}", self.id)
    }

    async fn ask(&self, method: Method, rest: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let request = self.server.request(method, &self.path(rest));
        let request = request.header("x-api-key", &self.server.admin);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        self.server.send(request.body(Full::new(body.into())).unwrap()).await
    }

    async fn get(&self, rest: &str) -> Answer {
        self.ask(Method::GET, rest, &[], "").await
    }

    async fn put(&self, rest: &str, body: impl Into<Bytes>) -> Answer {
        self.ask(Method::PUT, rest, &[], body).await
    }

    async fn delete(&self, rest: &str) -> Answer {
        self.ask(Method::DELETE, rest, &[], "").await
    }

    async fn post(&self, rest: &str, body: Value) -> Answer {
        self.server.post(&self.path(rest), body).await
    }

    /// The names in the root, in order.
    fn names(&self) -> Vec<String> {
        let entries = self.workspace.list("/").unwrap().into_iter();
        let mut names: Vec<String> = entries.map(|entry| entry.name).collect();
        names.sort();
        names
    }

    async fn wait_for_names(&self, what: impl Fn(&[String]) -> bool) {
        let started = Instant::now();
        while !what(&self.names()) {
            assert!(started.elapsed() < SOON, "there are {:?}", self.names());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Begins to send a file of a million bytes, and does not go on.
    async fn begin_to_put(&self, rest: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address).await.unwrap();
        let head = format!(
            "PUT {} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-length: 1000000\r\n\r\n",
            self.path(rest),
            self.server.admin
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[1; 300_000]).await.unwrap();
        stream
    }

    async fn used(&self) -> (u64, u64) {
        let shown = self.server.get(&format!("/v1/sandboxes/{}", self.id)).await.expect(200);
        let usage = &shown["usage"];
        (usage["disk_bytes"].as_u64().unwrap(), usage["files"].as_u64().unwrap())
    }
}

/// Bytes which show where they are from.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_and_comes_out_as_it_was() {
    let files = Files::start().await;
    let large = Bytes::from(pattern(20_000_003));
    let made = files
        .put("?path=/a/b/large&parents=true", large.clone())
        .await
        .expect(201);
    assert_eq!(
        (&made["kind"], &made["size_bytes"]),
        (&json!("file"), &json!(20_000_003))
    );
    let answer = files.get("?path=/a/b/large").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == large);
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    assert_eq!(answer.headers["content-length"], "20000003");
    assert_eq!(answer.headers["accept-ranges"], "bytes");
    assert!(answer.headers["last-modified"].to_str().unwrap().ends_with(" GMT"));
    assert!(answer.headers["etag"].to_str().unwrap().starts_with("W/\""));
    let head = files
        .ask(Method::HEAD, "?path=/a/b/large", &[("range", "bytes=0-1")], "")
        .await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], "20000003");
    assert_eq!(head.headers["etag"], answer.headers["etag"]);
    files.put("?path=/a/b/large", "small").await.expect(200);
    let answer = files.get("?path=/a/b/large").await;
    assert_ne!(head.headers["etag"], answer.headers["etag"]);
    assert_eq!(answer.body, "small");
    files.put("?path=/empty", "").await.expect(201);
    assert_eq!(files.get("?path=/empty").await.body, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_file_is_answered_where_one_is_asked_for() {
    let files = Files::start().await;
    let bytes = pattern(200_000);
    files.put("?path=/file", bytes.clone()).await.expect(201);
    for (range, told, part) in [
        ("bytes=0-0", "bytes 0-0/200000", 0..1),
        ("bytes=65530-65540", "bytes 65530-65540/200000", 65_530..65_541),
        ("bytes=1000-", "bytes 1000-199999/200000", 1_000..200_000),
        ("bytes=199999-300000", "bytes 199999-199999/200000", 199_999..200_000),
        ("bytes=-70000", "bytes 130000-199999/200000", 130_000..200_000),
        ("bytes=-300000", "bytes 0-199999/200000", 0..200_000),
    ] {
        let answer = files.ask(Method::GET, "?path=/file", &[("range", range)], "").await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.headers["content-range"], told);
        assert!(answer.body == bytes[part], "{range}");
    }
    for range in ["bytes=200000-", "bytes=-0"] {
        let answer = files.ask(Method::GET, "?path=/file", &[("range", range)], "").await;
        assert_eq!(answer.headers["content-range"], "bytes */200000");
        assert_eq!(answer.expect(416)["kind"], "range-not-satisfiable");
    }
    for range in ["bytes=2-1", "bytes=0-1,5-6", "bytes", "lines=1-2", "bytes=x-"] {
        let answer = files.ask(Method::GET, "?path=/file", &[("range", range)], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 200_000), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_which_breaks_off_leaves_the_old_file_and_no_other() {
    let files = Files::start().await;
    files.put("?path=/file", "old").await.expect(201);
    let stream = files.begin_to_put("?path=/file").await;
    files.wait_for_names(|names| names.len() == 2).await;
    drop(stream);
    files.wait_for_names(|names| names.len() == 1).await;
    assert_eq!(files.get("?path=/file").await.body, "old");
    assert_eq!(files.used().await, (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_which_does_not_go_on_is_not_waited_for() {
    let settings = Settings {
        request_time: Duration::from_secs(1),
        ..Settings::default()
    };
    let files = Files::with(settings, json!({})).await;
    let mut stream = files.begin_to_put("?path=/file").await;
    let mut answer = [0; 13];
    let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer);
    tokio::time::timeout(SOON, read).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408 ");
    files.wait_for_names(<[String]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_may_take_longer_than_a_request_while_it_goes_on() {
    let request_time = Duration::from_secs(2);
    let settings = Settings {
        request_time,
        ..Settings::default()
    };
    let files = Files::with(settings, json!({})).await;
    let mut stream = files.begin_to_put("?path=/file").await;
    let started = Instant::now();
    for _ in 0..7 {
        stream.write_all(&[1; 100_000]).await.unwrap();
        tokio::time::sleep(request_time / 5).await;
    }
    assert!(started.elapsed() > request_time);
    files.wait_for_names(|names| names == ["file"]).await;
    assert_eq!(files.workspace.stat("/file").unwrap().size, 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_limit_ends_an_upload() {
    let files = Files::with(Settings::default(), json!({"disk": "1 MiB"})).await;
    files.put("?path=/file", "old").await.expect(201);
    let error = files.put("?path=/file", vec![1; 4 << 20]).await.expect(429);
    assert_eq!(error["kind"], "exhausted");
    assert!(error["message"].as_str().unwrap().contains("\"/file\""), "{error}");
    assert_eq!((files.names(), files.used().await), (vec!["file".to_owned()], (3, 1)));
    files.put("?path=/file", vec![1; (1 << 20) - 3]).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_mount_is_read_and_every_change_names_its_denial() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("file"), "text").unwrap();
    let server = Running::start().await;
    let spec = SandboxSpec::new(Policy::standard()).mount(host.path(), "/ro".parse().unwrap(), Access::ReadOnly);
    let id = server.host.create(spec).unwrap().id().to_string();
    let files = Files::of(server, id);
    assert_eq!(files.get("?path=/ro/file").await.body, "text");
    assert_eq!(files.get("/stat?path=/ro/file").await.expect(200)["size_bytes"], 4);
    let tar = tar_of(&[("x", EntryType::Regular, "")]);
    for (answer, asked) in [
        (files.put("?path=/ro/file", "new").await, "write /ro/file"),
        (files.put("?path=/ro/a/b&parents=true", "new").await, "write /ro/a"),
        (files.delete("?path=/ro/file").await, "write /ro/file"),
        (files.post("/directory", json!({"path": "/ro/x"})).await, "write /ro/x"),
        (
            files.post("/move", json!({"from": "/ro/file", "to": "/ro/x"})).await,
            "write /ro/file",
        ),
        (files.put("/tar?path=/ro", tar).await, "write /ro/x"),
    ] {
        let error = answer.expect(403);
        let denial = &error["denials"][0];
        assert_eq!(error["kind"], "denied");
        assert_eq!(
            (&denial["rule"], &denial["asked"], &denial["smallest_grant"]),
            (&json!("mounts"), &json!(asked), &json!("mount /ro read-write"))
        );
    }
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read(host.path().join("file")).unwrap(), b"text");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_link_leads_out_of_the_sandbox() {
    let files = Files::start().await;
    files.workspace.symlink("/etc/passwd", "/out").unwrap();
    files.workspace.symlink("../../../../etc", "/up").unwrap();
    files.get("?path=/out").await.expect(404);
    files.get("?path=/up/passwd").await.expect(404);
    files.get("?path=/etc/passwd").await.expect(404);
    files.put("?path=/up/x", "").await.expect(404);
    assert_eq!(files.get("/stat?path=/out").await.expect(200)["kind"], "symlink");
    for path in ["/../etc/passwd", "/a/../../etc/passwd", "/%2e%2e/etc/passwd"] {
        files.workspace.create_dir_all("/a").unwrap();
        assert_eq!(files.get(&format!("?path={path}")).await.expect(403)["kind"], "denied");
        files.put(&format!("?path={path}"), "").await.expect(403);
    }
    for query in [
        "",
        "?path=",
        "?path=x",
        "?path=a/b",
        "?path=/a%00b",
        "?path=/a&x=y",
        "?path=/a&path=/b",
    ] {
        files.get(query).await.expect(400);
    }
    files.put("?path=/out", "mine").await.expect(200);
    assert_eq!(files.get("?path=/out").await.body, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_made_and_names_are_moved_and_removed() {
    let files = Files::start().await;
    let made = files.post("/directory", json!({"path": "/a/b"})).await.expect(201);
    assert_eq!(made["kind"], "directory");
    files.post("/directory", json!({"path": "/a/b"})).await.expect(200);
    files.put("?path=/a/b/%C3%BC%20%26%2B", "text").await.expect(201);
    files.post("/directory", json!({"path": "/a/b/ü &+"})).await.expect(409);
    files
        .post("/move", json!({"from": "/a/b/ü &+", "to": "/c"}))
        .await
        .expect(204);
    let shown = files.get("/stat?path=/c").await.expect(200);
    assert_eq!((&shown["size_bytes"], &shown["links"]), (&json!(4), &json!(1)));
    assert_eq!(shown["mode"].as_u64().unwrap() & 0o600, 0o600);
    let modified: jiff::Timestamp = shown["modified"].as_str().unwrap().parse().unwrap();
    assert!(modified.as_second() > 1_700_000_000, "{shown}");
    files
        .post("/move", json!({"from": "/none", "to": "/x"}))
        .await
        .expect(404);
    files.post("/move", json!({"from": "/c", "to": "/a"})).await.expect(409);
    files.post("/move", json!({"from": "/c"})).await.expect(400);
    for (answer, status) in [
        (files.get("?path=/a").await, 409),
        (files.put("?path=/a", "").await, 409),
        (files.put("?path=/none/x", "").await, 404),
        (files.get("/list?path=/c").await, 404),
        (files.get("/tar?path=/c").await, 404),
        (files.delete("?path=/none").await, 404),
        (files.delete("?path=/").await, 400),
    ] {
        answer.expect(status);
    }
    files.put("?path=/a/b/x", "").await.expect(201);
    files.delete("?path=/a").await.expect(204);
    files.delete("?path=/c").await.expect(204);
    assert_eq!(files.used().await, (0, 0));
    files
        .server
        .get("/v1/sandboxes/0000000000000000/files?path=/a")
        .await
        .expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_every_name_once_in_order() {
    let files = Files::start().await;
    files.workspace.create_dir_all("/dir/sub").unwrap();
    for name in ["b", "a", "d&d", "ü", "c"] {
        files.workspace.write(&format!("/dir/{name}"), name.as_bytes()).unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = files.get(&format!("/list?path=/dir&limit=2{after}")).await.expect(200);
        seen.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some("d&d") => after = "&after=d%26d".to_owned(),
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    let file = |name: &str| json!({"name": name, "kind": "file", "size_bytes": name.len()});
    let sub = json!({"name": "sub", "kind": "directory", "size_bytes": null});
    assert_eq!(seen, [file("a"), file("b"), file("c"), file("d&d"), sub, file("ü")]);
    for query in ["limit=0", "limit=1001", "limit=x", "page=1"] {
        files.get(&format!("/list?path=/dir&{query}")).await.expect(400);
    }
    files.get("/list?path=/none").await.expect(404);
}

/// A tar of members as they are, whatever is wrong with them; the text is the contents, or what a link leads to.
fn tar_of(members: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, kind, text) in members {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let contents = if is_link { "" } else { text };
        if is_link {
            header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
        }
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, contents.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_goes_out_and_comes_in_as_a_tar() {
    let files = Files::start().await;
    let long = "l".repeat(200);
    files.workspace.create_dir_all(&format!("/top/{long}/{long}")).unwrap();
    files.workspace.create_dir_all("/top/empty").unwrap();
    files
        .put(&format!("?path=/top/{long}/{long}/large"), pattern(3_000_000))
        .await
        .expect(201);
    files.put("?path=/top/small", "small").await.expect(201);
    files.workspace.symlink("small", "/top/link").unwrap();
    files
        .workspace
        .symlink(&format!("{long}/{long}/large"), "/top/far")
        .unwrap();
    let answer = files.get("/tar?path=/top").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"application/x-tar".parse().unwrap())
    );
    let mut archive = tar::Archive::new(&*answer.body);
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().to_str().unwrap().to_owned())
        .collect();
    let (deep, large) = (format!("{long}/{long}"), format!("{long}/{long}/large"));
    assert_eq!(names, ["empty", "far", "link", long.as_str(), &deep, &large, "small"]);

    let done = files.put("/tar?path=/copy/of", answer.body.clone()).await.expect(200);
    assert_eq!(done, json!({"files": 2, "directories": 3, "links": 2}));
    assert!(files.get("?path=/copy/of/far").await.body == pattern(3_000_000));
    assert_eq!(files.workspace.read_link("/copy/of/link").unwrap(), "small");
    assert!(files.workspace.list("/copy/of/empty").unwrap().is_empty());
    // Once more, over what is there.
    files.put("/tar?path=/copy/of", answer.body.clone()).await.expect(200);
    assert_eq!(files.get("/tar?path=/copy/of").await.body.len(), answer.body.len());
    files.put("/tar?path=/none", "").await.expect(200);
    assert_eq!(files.ask(Method::HEAD, "/tar?path=/top", &[], "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tar_which_leads_out_or_is_damaged_is_refused_by_its_member() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    let files = Files::start().await;
    files.workspace.create_dir_all("/top/there").unwrap();
    files.workspace.symlink("/", "/top/root").unwrap();
    for (members, status, told) in [
        (vec![("/abs", Regular, "x")], 400, "absolute"),
        (vec![("../out", Regular, "x")], 400, "leads out"),
        (vec![("a/../../out", Directory, "")], 400, "leads out"),
        (vec![("a\\b", Regular, "x")], 400, "backslash"),
        (vec![("./", Regular, "x")], 400, "that of the directory"),
        (vec![("device", Char, "")], 400, "neither"),
        (vec![("device", Block, "")], 400, "neither"),
        (vec![("pipe", Fifo, "")], 400, "neither"),
        (vec![("hard", Link, "there")], 400, "hard link"),
        (vec![("link", Symlink, "/etc")], 400, "leads out"),
        (vec![("link", Symlink, "../out")], 400, "leads out"),
        (vec![("link", Symlink, "there/../..")], 400, "leads out"),
        (
            vec![("link", Symlink, "there"), ("link/x", Regular, "x")],
            409,
            "no directory",
        ),
        (vec![("root/out", Regular, "x")], 409, "no directory"),
        (vec![("there", Regular, "x")], 409, "cannot write"),
        (vec![("there", Symlink, "x")], 409, "cannot link"),
        (
            vec![("file", Regular, "x"), ("file/x", Regular, "x")],
            409,
            "no directory",
        ),
    ] {
        let error = files.put("/tar?path=/top", tar_of(&members)).await.expect(status);
        let message = error["message"].as_str().unwrap();
        let member = format!("member {:?}: ", members.last().unwrap().0);
        assert!(message.starts_with(&member) && message.contains(told), "{message}");
    }
    assert_eq!(files.names(), ["top"]);

    let whole = tar_of(&[("first", Regular, "x"), ("second", Regular, &"x".repeat(2_000))]);
    for damaged in [&whole[..1_700], &whole[..1_100], b"no tar at all"] {
        let error = files.put("/tar?path=/top", damaged.to_vec()).await.expect(400);
        assert!(error["message"].as_str().unwrap().contains("cannot be read"), "{error}");
    }
    assert_eq!(files.workspace.stat("/top/second").unwrap_err().kind(), Kind::NotFound);
    // A name of two megabytes, and as much behind the end.
    let mut archive = tar::Builder::new(Vec::new());
    let (mut header, name) = (Header::new_gnu(), vec![b'x'; 2 << 20]);
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(name.len() as u64);
    header.set_cksum();
    archive.append(&header, &*name).unwrap();
    let mut trailing = whole.clone();
    trailing.resize(whole.len() + (2 << 20), 0);
    for large in [archive.into_inner().unwrap(), trailing] {
        let error = files.put("/tar?path=/top", large).await.expect(400);
        assert!(
            error["message"].as_str().unwrap().contains("between the contents"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_sandbox_end_a_tar() {
    let files = Files::with(Settings::default(), json!({"disk": "1 MiB", "files": 10})).await;
    let large = "x".repeat(2 << 20);
    let tar = tar_of(&[
        ("small", EntryType::Regular, "x"),
        ("large", EntryType::Regular, &large),
    ]);
    let error = files.put("/tar?path=/", tar).await.expect(429);
    assert_eq!(error["kind"], "exhausted");
    assert!(
        error["message"].as_str().unwrap().starts_with("member \"large\": "),
        "{error}"
    );
    assert_eq!(files.used().await, (1, 1));
    let names: Vec<String> = (0..10).map(|number| format!("d{number}")).collect();
    let members: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), EntryType::Directory, ""))
        .collect();
    let error = files.put("/tar?path=/", tar_of(&members)).await.expect(429);
    assert!(
        error["message"].as_str().unwrap().starts_with("member \"d9\": "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_which_take_nothing_do_not_keep_others_from_packing() {
    let settings = Settings {
        request_time: Duration::from_secs(1),
        ..Settings::default()
    };
    let files = Files::with(settings, json!({})).await;
    files.workspace.create_dir_all("/top").unwrap();
    files.workspace.write("/top/large", &vec![0; 32 << 20]).unwrap();
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(files.server.address).await.unwrap();
        let head = format!(
            "GET {} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\n\r\n",
            files.path("/tar?path=/top"),
            files.server.admin
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.readable().await.unwrap();
        idle.push(stream);
    }
    let started = Instant::now();
    loop {
        let answer = files.get("/tar?path=/top").await;
        match answer.status.as_u16() {
            200 => break assert!(answer.body.len() > 32 << 20),
            _ => drop(answer.expect(503)),
        }
        assert!(started.elapsed() < SOON, "nobody's turn ends");
    }
    // What it took meanwhile is no whole answer.
    let mut taken = Vec::new();
    let mut stream = idle.remove(0).into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    let read = tokio::task::spawn_blocking(move || stream.read_to_end(&mut taken).map(|_| taken));
    if let Ok(taken) = tokio::time::timeout(SOON, read).await.unwrap().unwrap() {
        assert!(!taken.ends_with(b"\r\n0\r\n\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_which_cannot_be_packed_is_told_of_and_so_is_a_path_which_is_none() {
    let files = Files::start().await;
    // Together they are longer than a path may be.
    let deep = |top: &str, levels| top.to_owned() + &format!("/{}", "x".repeat(250)).repeat(levels);
    let (long, other) = (deep("/a", 15), deep("/b", 2));
    files.workspace.create_dir_all(&long).unwrap();
    files.workspace.create_dir_all(&other).unwrap();
    files.workspace.rename("/b", &format!("{long}/b")).unwrap();
    let error = files.get(&format!("/tar?path={long}")).await.expect(400);
    assert_eq!(error["kind"], "invalid-input");
    files.get("/tar?path=").await.expect(400);
    let error = files.get("/stat?path=/%ff").await.expect(400);
    assert_eq!(error["message"], "the query is not UTF-8");
}
