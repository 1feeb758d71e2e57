//! `palisade serve` and `palisade key`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::palisade::Palisade;
use crate::server::Server;

impl Server {
    /// What is answered, from its status on.
    fn ask(&self, key: &str, head: &str, body: &str) -> String {
        self.ask_as(self.address(), key, head, body)
    }

    /// The same, by a name of the server.
    fn ask_as(&self, host: &str, key: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.strip_prefix("HTTP/1.1 ").unwrap().to_owned()
    }
}

#[test]
fn it_serves_those_with_a_key_until_it_is_told_to_stop() {
    let palisade = Palisade::new();
    let server = Server::start(&palisade, &["--policy", "strict", "--policy", "default"]);
    let key = server.local_key();
    assert!(server.ask("x", "GET /v1/policies", "").starts_with("401 "));
    let answer = server.ask(&key, "GET /v1/policies", "");
    assert!(
        answer.starts_with("200 ") && answer.contains(r#""default":"strict""#),
        "{answer}"
    );
    let answer = server.ask(&key, "POST /v1/sandboxes", "{}");
    assert!(
        answer.starts_with("201 ") && answer.contains(r#""policy":"strict""#),
        "{answer}"
    );
    assert_eq!(server.end(Signal::TERM), Some(143));
    let server = Server::start(&palisade, &[]);
    assert_eq!(server.local_key(), key);
    assert_eq!(server.end(Signal::INT), Some(130));
}

/// What a server which is started like this logs while these requests are made, each with a key, a head and a body, and
/// the key of its machine.
fn log_of(args: &[&str], level: Option<&str>, requests: &[(Option<&str>, &str, &str)]) -> (String, String) {
    let palisade = Palisade::new();
    let mut command = palisade.command(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    match level {
        Some(level) => command.env("PALISADE_LOG", level),
        None => command.env_remove("PALISADE_LOG"),
    };
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Server::of(piped.spawn().unwrap());
    let mut stderr = server.child.stderr.take().unwrap();
    let read = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).map(|_| log)
    });
    let local = server.local_key();
    for (key, head, body) in requests {
        server.ask(key.unwrap_or(&local), head, body);
    }
    server.end(Signal::TERM);
    (read.join().unwrap().unwrap(), local)
}

#[test]
fn each_request_has_a_line_on_standard_error() {
    let (log, _) = log_of(&[], None, &[(None, "GET /healthz", "")]);
    assert!(log.contains("answered") && log.contains("route=\"/healthz\""), "{log}");
    let (log, _) = log_of(
        &["--json"],
        None,
        &[(None, "GET /v1/tools", ""), (None, "GET /healthz", "")],
    );
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().filter(|line| line["message"] == "answered");
    let routes: Vec<&Value> = answered.map(|line| &line["route"]).collect();
    assert_eq!(routes, ["/v1/tools", "/healthz"]);
    for line in &lines {
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
        assert_eq!(line["request"].as_str().unwrap().len(), 16, "{line}");
    }
    assert_eq!(
        (&lines[0]["status"], lines[0]["key"].as_str().unwrap().len()),
        (&json!(200), 16)
    );
}

#[test]
fn no_form_of_the_log_has_keys_bodies_arguments_or_values_of_variables() {
    let requests = [
        (Some("hidden-key"), "GET /v1/tools", ""),
        (None, "POST /v1/sandboxes", r#"{"env": {"LANG": "hidden-value"}}"#),
        (None, "POST /v1/sandboxes", r#"{"hidden-name": "hidden-value"}"#),
        (None, "POST /v1/sandboxes", "hidden-body"),
        (
            None,
            "POST /v1/sandboxes/0123456789abcdef/call",
            r#"{"tool": "hidden-tool", "arguments": {"a": "hidden"}}"#,
        ),
        (None, "GET /v1/sandboxes/hidden-path?hidden=query", ""),
        (None, "GET /v1/tools/hidden-path", ""),
    ];
    for args in [&[][..], &["--json"]] {
        let (log, local) = log_of(args, Some("debug"), &requests);
        assert!(log.matches("answered").count() >= requests.len(), "{log}");
        let secret = local.rsplit_once('_').unwrap().1;
        assert!(!log.contains("hidden") && !log.contains(secret), "{log}");
    }
}

#[test]
fn it_is_asked_for_by_the_names_it_was_given() {
    let palisade = Palisade::new();
    let server = Server::start(&palisade, &["--host-name", "tools.test", "--host-name", "192.0.2.1"]);
    let key = server.local_key();
    for (host, status) in [("tools.test", "200 "), ("192.0.2.1:80", "200 "), ("evil.test", "403 ")] {
        let answer = server.ask_as(host, &key, "GET /v1/tools", "");
        assert!(answer.starts_with(status), "{host}: {answer}");
    }
    palisade.expect(&["serve", "--host-name", "tools.test:80"], 125, &["tools.test:80"]);
    drop(server);
    let config = palisade.state.path().join("palisade.toml");
    std::fs::write(&config, "host-names = [\"tools.test\"]\n").unwrap();
    let server = Server::start(&palisade, &["--config", config.to_str().unwrap()]);
    let answer = server.ask_as("tools.test", &key, "GET /v1/tools", "");
    assert!(answer.starts_with("200 "), "{answer}");
}

#[test]
fn the_limits_of_the_host_hold_for_its_clients() {
    let palisade = Palisade::new();
    let config = palisade.state.path().join("palisade.toml");
    std::fs::write(&config, "[ceilings]\nmemory = \"1 GiB\"\n").unwrap();
    let server = Server::start(&palisade, &["--config", config.to_str().unwrap()]);
    let answer = server.ask(
        &server.local_key(),
        "POST /v1/sandboxes",
        r#"{"limits": {"memory": "2 GiB"}}"#,
    );
    assert!(
        answer.starts_with("403 ") && answer.contains("ceilings.memory"),
        "{answer}"
    );
}

#[test]
fn beyond_this_machine_it_needs_a_key_which_somebody_made() {
    let palisade = Palisade::new();
    // It makes the local key, which does not count.
    drop(Server::start(&palisade, &[]));
    palisade.expect(&["serve", "--listen", "0.0.0.0:0"], 125, &["palisade key create"]);
    palisade.expect(&["serve", "--policy", "nowhere.toml"], 125, &["nowhere.toml"]);
    palisade.expect(&["serve", "--policy", "strict", "--policy", "strict"], 125, &["strict"]);
}

#[test]
fn keys_are_made_listed_and_removed() {
    let palisade = Palisade::new();
    let json = |args: &[&str]| -> Value {
        let output = palisade.expect(&[&["key", "--json"], args].concat(), 0, &[]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let made = json(&["create", "--role", "reader"]);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with(&format!("palisade_{id}_")), "{key}");
    let listed = json(&["list"]);
    assert_eq!(
        (&listed["keys"][0]["id"], &listed["keys"][0]["role"]),
        (&made["id"], &made["role"])
    );
    assert!(!listed.to_string().contains(key));
    assert_eq!(listed["keys"][0]["local"], false);
    let server = Server::start(&palisade, &[]);
    let local = server.local_key();
    let listed = json(&["list"]);
    let of_local: Vec<&Value> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|key| key["local"] == true)
        .collect();
    assert_eq!((of_local.len(), &of_local[0]["role"]), (1, &"admin".into()));
    assert!(local.contains(of_local[0]["id"].as_str().unwrap()));
    let told = palisade.expect(&["key", "list"], 0, &[]).stdout;
    assert_eq!(String::from_utf8(told).unwrap().matches("  local\n").count(), 1);
    assert!(server.ask(key, "GET /v1/tools", "").starts_with("200 "));
    assert!(server.ask(key, "POST /v1/sandboxes", "{}").starts_with("403 "));
    json(&["remove", id]);
    palisade.expect(&["key", "remove", id], 125, &["no key"]);
    let output = palisade.expect(&["key", "create", "--role", "operator"], 0, &["the role operator"]);
    assert!(output.stdout.starts_with(b"palisade_"), "{output:?}");
}

/// A collector, and what the first request to it has, once it is there.
fn collector() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let length = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            let announced = text
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.split_once("\r\n"));
            let body = request.windows(4).position(|four| four == b"\r\n\r\n");
            if let (Some((announced, _)), Some(body)) = (announced, body)
                && request.len() >= body + 4 + announced.parse::<usize>().unwrap()
            {
                break;
            }
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        String::from_utf8_lossy(&request).into_owned()
    });
    (url, taken)
}

#[test]
fn a_collector_gets_spans_from_the_flag_or_the_configuration() {
    let palisade = Palisade::new();
    for way in ["flag", "file"] {
        let (url, taken) = collector();
        let server = match way {
            "flag" => Server::start(&palisade, &["--otlp", &url]),
            _ => {
                let folder = tempfile::tempdir().unwrap();
                let config = folder.path().join("palisade.toml");
                std::fs::write(&config, format!("otlp = \"{url}\"\n")).unwrap();
                Server::start(&palisade, &["--config", config.to_str().unwrap()])
            }
        };
        let key = server.local_key();
        server.ask(&key, "GET /v1/policies", "");
        assert_eq!(server.end(Signal::TERM), Some(143));
        let request = taken.join().unwrap();
        assert!(request.starts_with("POST /v1/traces "), "{way}: {request}");
        assert!(
            request.contains("/v1/policies") && !request.contains(&key),
            "{way}: {request}"
        );
    }
    palisade.expect(&["serve", "--otlp", "https://example.org"], 125, &["--otlp"]);
}
