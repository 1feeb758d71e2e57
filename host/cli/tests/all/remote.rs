//! The verbs on another host: what they print and how they exit is as here.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::palisade::{Palisade, guest};
use crate::server::Server;

const POLICIES: &[&str] = &["--policy", "default", "--policy", "strict", "--policy", "trusted"];

/// What does not differ from run to run: neither what was used, nor whether compiling took long.
fn without_timings(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut told = String::new();
    for line in text
        .lines()
        .filter(|line| !line.contains("compiling, which is done once"))
    {
        let line = line.split("used ").next().unwrap_or_default();
        told.push_str(line);
        told.push('\n');
    }
    told
}

/// The answer in JSON, without usage, ids of requests, and the limit of output: a server has one for its answers.
fn without_usage(output: &[u8]) -> Value {
    let mut value: Value = serde_json::from_slice(output).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("usage");
    }
    if let Some(limits) = value.pointer_mut("/limits").and_then(Value::as_object_mut) {
        limits.remove("output");
    }
    if let Some(error) = value.pointer_mut("/error").and_then(Value::as_object_mut) {
        error.remove("request_id");
    }
    value
}

fn both(here: &mut Command, there: &mut Command) -> (Output, Output) {
    (here.output().unwrap(), there.output().unwrap())
}

/// Each verb, in an order in which all can be called.
fn verbs() -> Vec<(Vec<String>, i32)> {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let (p1, p2, text) = (guest("guest.p1.wasm"), guest("guest.p2.wasm"), guest("text.wasm"));
    let digest = ["tool", "call", "text", "digest", "algorithm=sha256", "text=hello"];
    let mut verbs = Vec::new();
    let mut add = |args: &[&str], code| verbs.push((words(args), code));
    for guest in [&p1, &p2] {
        add(&["run", guest, "args", "a", "ü b"], 0);
        add(&["run", guest, "exit", "1"], 1);
        add(&["run", "--env", "A=B=C", guest, "env"], 0);
        add(&["run", guest, "both", "to-out", "to-err"], 0);
        add(
            &["run", guest, "fs", "ls /", "read /etc/passwd", "write /x y", "read /x"],
            0,
        );
        add(&["run", "--usage", guest, "fs", "read /etc/passwd"], 0);
        add(&["run", "--timeout", "300ms", guest, "spin"], 124);
        add(&["run", "--fuel", "1000000", guest, "spin"], 137);
        add(&["run", "--output", "1KiB", guest, "print-forever"], 137);
        add(&["run", "--memory", "8MiB", guest, "allocate-trap"], 137);
    }
    add(&["run", "--policy", "strict", "--env", "A=B", &p1, "args"], 126);
    add(&["run", "--memory", "1TiB", &p1, "args"], 126);
    add(&["run", "--policy", "strict", &p1, "args"], 0);
    add(&["run", "/no/such/file.wasm"], 127);
    add(&["run", "/dev/null"], 125);
    add(&["tool", "add", &text], 0);
    add(&["tool", "add", "--name", "Bad Name", &text], 125);
    add(&["tool", "add", &p2], 125);
    add(&["tool", "list"], 0);
    add(&["tool", "show", "text"], 0);
    add(&["tool", "show", "txt"], 127);
    add(&digest, 0);
    add(&["tool", "call", "text", "digset"], 127);
    add(&["tool", "call", "text", "digest", "algorithm=sha256"], 125);
    add(&["tool", "call", "text", "digest", "algorithm=sha1", "text=x"], 125);
    add(&["tool", "disable", "text"], 0);
    add(&["tool", "list"], 0);
    add(&digest, 125);
    add(&["tool", "enable", "text"], 0);
    add(
        &[
            "tool",
            "call",
            "--fuel",
            "100",
            "text",
            "digest",
            "algorithm=sha256",
            "text=hello",
        ],
        137,
    );
    add(&["tool", "remove", "text"], 0);
    add(&["tool", "remove", "text"], 127);
    add(&["policy", "list"], 0);
    add(&["policy", "show", "strict"], 0);
    add(&["policy", "show", "lax"], 125);
    add(&["policy", "check", "/no/such.toml"], 125);
    add(&["key", "remove", "0123456789abcdef"], 125);
    add(&["key", "remove", "me"], 125);
    verbs
}

/// Where the words of an error may differ: another host has other things to offer instead, or counts otherwise.
fn may_differ(args: &[String]) -> bool {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    matches!(args.as_slice(), ["policy", "show", "lax"]) || args.contains(&"disable")
}

#[test]
fn every_verb_prints_and_exits_there_as_it_does_here() {
    let (here, there, elsewhere) = (Palisade::new(), Palisade::new(), Palisade::new());
    let server = Server::start(&there, POLICIES);
    let mut wrong = Vec::new();
    for (args, code) in verbs() {
        let args_of: Vec<&str> = args.iter().map(String::as_str).collect();
        for json in [false, true] {
            // A tool is there or gone after the first time.
            if json && args_of[0] == "tool" && ["remove"].contains(&args_of[1]) {
                continue;
            }
            let all = if json {
                [&["--json"], args_of.as_slice()].concat()
            } else {
                args_of.clone()
            };
            let (local, remote) = both(&mut here.command(&all), &mut server.command(&elsewhere, &all));
            let told = format!("{all:?}: {local:?} here, {remote:?} there");
            assert_eq!(
                (local.status.code(), remote.status.code()),
                (Some(code), Some(code)),
                "{told}"
            );
            let same = match json {
                true => without_usage(&local.stdout) == without_usage(&remote.stdout),
                false => {
                    let errors = (without_timings(&local.stderr), without_timings(&remote.stderr));
                    local.stdout == remote.stdout && errors.0 == errors.1
                }
            };
            if !same && !may_differ(&args) {
                wrong.push(told);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!elsewhere.state.path().join("state").exists(), "nothing is kept here");
    assert!(sandboxes(&server).is_empty());
}

/// The ids of the sandboxes of a server.
fn sandboxes(server: &Server) -> Vec<Value> {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    let key = server.local_key();
    let head = format!(
        "GET /v1/sandboxes HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    body["sandboxes"].as_array().unwrap().clone()
}

#[track_caller]
fn refused(command: &mut Command, code: i32, said: &str) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(said), "it does not say {said:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn what_is_about_this_machine_alone_takes_no_host() {
    let palisade = Palisade::new();
    for args in [
        &["serve"][..],
        &["config", "show"],
        &["completions", "bash"],
        &["tool", "new", "x"],
    ] {
        let all = [&["--host", "http://127.0.0.1:1"], args].concat();
        refused(&mut palisade.command(&all), 125, "takes no --host");
    }
    palisade.expect(&["config", "show"], 0, &[]);
    let mut set = palisade.command(&["config", "show"]);
    assert!(
        set.env("PALISADE_HOST", "http://127.0.0.1:1")
            .output()
            .unwrap()
            .status
            .success()
    );
    refused(
        &mut palisade.command(&["--key-file", "x", "tool", "list"]),
        125,
        "--host",
    );
}

#[test]
fn files_of_this_machine_are_not_mounted_elsewhere() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    let guest = guest("guest.p1.wasm");
    let run = |args: &[&str]| server.command(&elsewhere, &[&["run"], args, &[&guest, "args"]].concat());
    refused(
        &mut run(&["--dir", "."]),
        125,
        "leave out --host, or put the files into a sandbox there",
    );
    refused(&mut run(&["--policy", "./mine.toml"]), 125, "is a file of this machine");
    refused(
        &mut run(&["--policy", "strict"]),
        125,
        "no policy of that name: there are default",
    );
}

#[test]
fn a_host_knows_keys_and_their_roles() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    let made = server
        .command(&elsewhere, &["key", "create", "--role", "reader"])
        .output()
        .unwrap();
    let key = String::from_utf8(made.stdout).unwrap();
    let file = elsewhere.state.path().join("key");
    std::fs::write(&file, &key).unwrap();
    let with = |args: &[&str]| {
        let globals = ["--host", server.url(), "--key-file", file.to_str().unwrap()];
        elsewhere.command(&[&globals, args].concat())
    };
    let listed = with(&["tool", "list"]).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    refused(
        &mut with(&["key", "list"]),
        125,
        "takes the role admin, and the key has reader",
    );
    refused(
        &mut with(&["run", &guest("guest.p1.wasm"), "args"]),
        125,
        "takes the role operator",
    );
    let doctor = with(&["doctor"]).output().unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        doctor.status.success() && told.contains("has the role reader"),
        "{told}"
    );

    std::fs::write(&file, "palisade_0_0").unwrap();
    refused(&mut with(&["tool", "list"]), 125, "a key is needed");
    assert_eq!(with(&["doctor"]).output().unwrap().status.code(), Some(1));
    // A server of this machine gives its own.
    let mut own = there.command(&["--host", server.url(), "key", "list"]);
    assert!(own.output().unwrap().status.success());
    let mut other = elsewhere.command(&["--host", server.url(), "key", "list"]);
    refused(&mut other, 125, "is no server with this state directory");
}

#[test]
fn a_host_which_is_away_or_something_else_is_told_as_such() {
    let palisade = Palisade::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let at = |url: &str, args: &[&str]| {
        let mut command = palisade.command(args);
        command.env("PALISADE_HOST", url).env("PALISADE_KEY", "palisade_x");
        command
    };
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n");
        }
    });
    let run = ["run", &guest("guest.p1.wasm"), "args"];
    refused(&mut at(&url, &run), 125, "does not answer as palisade");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refused(
        &mut at(&format!("http://{free}"), &run),
        125,
        "cannot connect to http://127.0.0.1",
    );
    let output = at(&format!("http://{free}"), &["--json", "tool", "list"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["error"]["kind"], "unreachable");
    refused(&mut at("https://example.org", &run), 125, "no TLS");
    assert_eq!(
        at(&format!("http://{free}"), &["doctor"])
            .output()
            .unwrap()
            .status
            .code(),
        Some(1)
    );
}

#[test]
fn input_and_output_of_any_length_go_through_byte_by_byte() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    let mut command = server.command(&elsewhere, &["run", &guest("guest.p1.wasm"), "stdin"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(10 << 20).collect();
    let sent = bytes.clone();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert!(output.stdout == bytes);
}

#[test]
fn a_program_ends_when_nobody_takes_what_it_prints() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    let args = ["run", "--output", "1GiB", &guest("guest.p1.wasm"), "print-forever"];
    let mut child = server
        .command(&elsewhere, &args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100_000];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut some).unwrap();
    drop(stdout);
    assert_eq!(wait(&mut child), Some(141));
    assert!(sandboxes(&server).is_empty());
}

/// The exit code, soon.
fn wait(child: &mut std::process::Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_the_program_and_its_sandbox() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let args = ["run", &guest("guest.p1.wasm"), "print-forever"];
        let mut child = server
            .command(&elsewhere, &args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It runs, and stands still: nobody reads on.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 1_000]).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(wait(&mut child), Some(code));
        assert!(sandboxes(&server).is_empty());
    }
}

#[test]
fn what_a_killed_command_leaves_ends_and_goes() {
    let (there, elsewhere) = (Palisade::new(), Palisade::new());
    let server = Server::start(&there, &[]);
    let args = ["run", &guest("guest.p1.wasm"), "print-forever"];
    let mut child = server
        .command(&elsewhere, &args)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 1_000]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    loop {
        let left = sandboxes(&server);
        assert_eq!(left[0]["idle_seconds"], 60);
        if left[0]["processes"].as_array().unwrap().is_empty() {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
