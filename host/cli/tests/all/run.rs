//! `palisade run`, and what is common to all commands.

use std::fs::DirBuilder;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::palisade::{Palisade, guest};

fn abis() -> [String; 2] {
    [guest("guest.p1.wasm"), guest("guest.p2.wasm")]
}

#[test]
fn every_exit_code_is_passed_through() {
    let palisade = Palisade::new();
    for code in [0, 1, 2, 124, 125, 126, 127, 128, 137, 255] {
        let text = code.to_string();
        palisade.expect(&["run", &guest("guest.p1.wasm"), "exit", &text], code, &[]);
        palisade.expect(&["run", &guest("exit-code.wasm"), &text], code, &[]);
    }
}

#[test]
fn a_limit_has_one_line_which_names_it_and_the_usage() {
    let palisade = Palisade::new();
    for guest in abis() {
        let stopped = |flag: &str, value: &str, args: &[&str], code, said: &str| {
            let all = [["run", flag, value, &guest].as_slice(), args].concat();
            let output = palisade.expect(&all, code, &[said, "used "]);
            let error = String::from_utf8_lossy(&output.stderr);
            let lines = error.lines().filter(|line| line.starts_with("palisade: "));
            assert_eq!(lines.count(), 1, "{error}");
        };
        stopped("--timeout", "300ms", &["spin"], 124, "limit of time (300ms)");
        stopped("--timeout", "300ms", &["sleep", "60000"], 124, "limit of time (300ms)");
        stopped("--fuel", "1000000", &["spin"], 137, "limit of fuel (1,000,000)");
        stopped("--memory", "8MiB", &["allocate-trap"], 137, "limit of memory (8 MiB)");
        stopped("--output", "1KiB", &["print-forever"], 137, "limit of output (1 KiB)");
    }
}

#[test]
fn streams_go_both_ways_byte_by_byte() {
    let palisade = Palisade::new();
    for guest in abis() {
        let mut command = palisade.command(&["run", &guest, "stdin"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let bytes: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
        let sent = bytes.clone();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&sent));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success() && output.stdout == bytes);

        let output = palisade.expect(&["run", &guest, "both", "to-out", "to-err"], 0, &["to-err"]);
        assert!(String::from_utf8_lossy(&output.stdout).contains("to-out"));
    }
}

#[test]
fn directories_are_seen_as_they_were_asked_for() {
    let palisade = Palisade::new();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "text").unwrap();
    let host = directory.path().display();
    for guest in abis() {
        let run = |dir: &str, script: &[&str]| {
            let all = [["run", "--dir", dir, &guest, "fs"].as_slice(), script].concat();
            String::from_utf8(palisade.expect(&all, 0, &[]).stdout).unwrap()
        };
        assert_eq!(
            run(&format!("{host}::/in:ro"), &["read /in/file", "write /in/file x"]),
            "ok text\nEROFS\n"
        );
        assert_eq!(
            run(&format!("{host}::/in"), &["write /in/new x", "read /in/new"]),
            "ok\nok x\n"
        );
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("file")).unwrap(), "text");
    assert_eq!(std::fs::read_to_string(directory.path().join("new")).unwrap(), "x");
}

#[test]
fn what_was_not_granted_is_told_with_the_smallest_grant() {
    let palisade = Palisade::new();
    let guest = guest("guest.p1.wasm");
    let read = ["run", "--usage", &guest, "fs", "read /etc/passwd"];
    palisade.expect(
        &read,
        0,
        &["denied by mounts: read /etc", "smallest grant", "/etc read-only"],
    );
    let strict = [
        "run", "--policy", "strict", "--dir", ".::/x", "--env", "A=B", &guest, "args",
    ];
    palisade.expect(
        &strict,
        126,
        &["denied by mounts", "denied by env.allow", "smallest grant"],
    );
    palisade.expect(&["run", "--memory", "1TiB", &guest, "args"], 126, &["ceilings.memory"]);
}

#[test]
fn bad_input_is_one_clear_line_and_leaves_nothing() {
    let palisade = Palisade::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = palisade.state.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let component = std::fs::read(palisade_guests::path("guest.p2.wasm")).unwrap();
    let module = std::fs::read(palisade_guests::path("guest.p1.wasm")).unwrap();
    let foreign = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x09\x01\x03env\x01f\0\0";
    for (path, code, said) in [
        (file("empty", b""), 125, "is empty"),
        (file("text", b"hello, world"), 125, "not a WebAssembly program"),
        (file("elf", b"\x7fELF\x02\x01\x01\0\0\0"), 125, "native binary"),
        (file("short", &module[..module.len() / 2]), 125, "not a module"),
        (file("half", &component[..component.len() / 2]), 125, "not a component"),
        (file("foreign", foreign), 125, "`env::f`"),
        (
            palisade.state.path().to_string_lossy().into_owned(),
            125,
            "not a regular file",
        ),
        (
            palisade
                .state
                .path()
                .join("none\u{1b}[31m")
                .to_string_lossy()
                .into_owned(),
            127,
            "No such file",
        ),
    ] {
        let output = palisade.expect(&["run", &path], code, &["palisade: ", said]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    let guest = guest("guest.p1.wasm");
    for args in [
        ["run", "--memory", "lots", &guest].as_slice(),
        &["run", "--timeout", "-1s", &guest],
        &["run", "--dir", "/nowhere/at/all::/x", &guest],
        &["run", "--dir", ".::../x", &guest],
        &["run", "--env", "=x", &guest],
        &["run", "--policy", "nothing-like-it", &guest],
        &["run"],
        &["walk"],
    ] {
        palisade.expect(args, 125, &[]);
    }
    let scratch: PathBuf = palisade.state.path().join("state/scratch");
    assert_eq!(std::fs::read_dir(scratch).map_or(0, Iterator::count), 0);
}

#[test]
fn json_has_everything_in_one_object() {
    let palisade = Palisade::new();
    for guest in abis() {
        let output = palisade.expect(&["--json", "run", &guest, "both", "out", "err"], 0, &[]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(told["ending"]["exited"], 0);
        assert!(told["stdout"].as_str().unwrap().starts_with("out"), "{told}");
        assert!(told["stderr"].as_str().unwrap().starts_with("err"), "{told}");
        assert!(told["usage"]["fuel"].as_u64().unwrap() > 1000, "{told}");
    }
    let output = palisade.expect(&["--json", "run", "missing.wasm"], 127, &[]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["error"]["kind"], "not-found");
}

#[test]
fn a_trap_says_where() {
    let palisade = Palisade::new();
    for guest in abis() {
        palisade.expect(
            &["run", &guest, "trap", "unreachable"],
            134,
            &["the program trapped: ", "unreachable"],
        );
        palisade.expect(&["run", &guest, "recurse"], 134, &["the program trapped: "]);
    }
}

#[test]
fn policies_are_checked_with_every_problem_and_its_place() {
    let palisade = Palisade::new();
    let file = palisade.state.path().join("policy.toml");
    std::fs::write(
        &file,
        "[limits]\nmemroy = \"1 GiB\"\ntime = 5\n[network]\nmode = \"on\"\n",
    )
    .unwrap();
    let output = palisade.call(&["policy", "check", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for text in ["limits.memroy", "limits.time", "network.mode", ":2:", "memory"] {
        assert!(told.contains(text), "no {text:?} in {told}");
    }
    for name in ["strict", "default", "trusted"] {
        palisade.expect(&["policy", "show", name], 0, &[]);
    }
}

#[test]
fn a_signal_ends_what_is_not_yet_open() {
    let palisade = Palisade::new();
    // Each is told, and nobody reads on: opening stands still when the pipe is full.
    let scratch = palisade.state.path().join("state/scratch");
    DirBuilder::new().recursive(true).mode(0o700).create(&scratch).unwrap();
    for number in 0..2000 {
        std::fs::write(scratch.join(format!("{number:016x}.lock")), "").unwrap();
    }
    let mut child = palisade
        .command(&["run", &guest("guest.p1.wasm"), "args"])
        .env("PALISADE_LOG", "info")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stderr.as_mut().unwrap().read_exact(&mut first).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > Duration::from_secs(10) {
            child.kill().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.signal(), Some(15), "{status}");
}

#[test]
fn a_policy_which_is_no_regular_file_is_refused_at_once() {
    let palisade = Palisade::new();
    let pipe = palisade.state.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for path in [pipe.to_str().unwrap(), "/dev/zero"] {
        let said = [path, "not a regular file"];
        palisade.expect(&["run", "--policy", path, &guest("guest.p1.wasm"), "args"], 125, &said);
        palisade.expect(&["policy", "check", path], 125, &said);
        palisade.expect(&["--config", path, "config", "show"], 125, &said);
    }
}

#[test]
fn doctor_runs_a_program() {
    let palisade = Palisade::new();
    let output = palisade.call(&["doctor"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("a program was compiled and run"), "{told}");
}
