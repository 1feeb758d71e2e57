//! Programs: what they are given, what they print, how they end, and which are refused.

use palisade::policy::LimitsRequest;
use palisade::{Command, Ending, Kind, Output, Program, Stdin};
use palisade_tests::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

both!(
    arguments_arrive_as_they_were_given,
    the_environment_is_what_was_granted,
    input_is_read_while_it_is_written,
    output_arrives_while_the_program_runs,
    the_two_outputs_are_apart,
    a_closed_pipe_fails_the_writes_and_not_the_host,
    a_trap_is_an_outcome,
    a_full_stack_is_a_trap,
    nothing_of_the_host_is_there_unasked,
);

async fn arguments_arrive_as_they_were_given(abi: Abi) {
    let outcome = guest(abi, &sandbox(spec()), &["args", "a", "two words", "", "ü\n"]).await;
    assert_eq!(outcome.exits(0).out(), "a\ntwo words\n\nü\n\n", "{}", outcome.told());
}

async fn the_environment_is_what_was_granted(abi: Abi) {
    let sandbox = sandbox(spec().env("B", "2").env("A", "a=b c"));
    assert_eq!(
        guest(abi, &sandbox, &["env"]).await.exits(0).lines(),
        ["A=a=b c", "B=2"]
    );
}

async fn input_is_read_while_it_is_written(abi: Abi) {
    let (mut writer, reader) = tokio::io::duplex(64);
    let command = command(abi, &["stdin"])
        .stdin(Stdin::reader(reader))
        .stdout(Output::Pipe);
    let mut process = sandbox(spec()).spawn(command).unwrap();
    let mut out = process.take_stdout().expect("it was asked for");
    let mut buffer = [0; 64];
    for line in ["one\n", "two\n", "three\n"] {
        writer.write_all(line.as_bytes()).await.unwrap();
        let read = out.read(&mut buffer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..read]), line);
    }
    drop(writer);
    assert_eq!(out.read(&mut buffer).await.unwrap(), 0);
    process.wait().await.unwrap().exits(0);
}

async fn output_arrives_while_the_program_runs(abi: Abi) {
    let sandbox = sandbox(spec());
    let mut process = sandbox
        .spawn(command(abi, &["hold", "1", "60000"]).stdout(Output::Pipe))
        .unwrap();
    let mut out = process.take_stdout().expect("it was asked for");
    let mut buffer = [0; 64];
    let read = out.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..read], b"holding 1\n");
    assert_eq!(sandbox.processes(), [process.id()]);
    process.kill();
    assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
}

async fn the_two_outputs_are_apart(abi: Abi) {
    let outcome = guest(abi, &sandbox(spec()), &["both", "out", "err"]).await;
    assert_eq!(
        (&*outcome.stdout, &*outcome.stderr),
        (&b"out\n"[..], &b"err\n"[..]),
        "{}",
        outcome.told()
    );
}

async fn a_closed_pipe_fails_the_writes_and_not_the_host(abi: Abi) {
    let process = sandbox(spec())
        .spawn(command(abi, &["print-forever"]).stdout(Output::Pipe))
        .unwrap();
    let outcome = process.wait().await.unwrap();
    assert!(
        matches!(outcome.ending, Ending::Exited(_) | Ending::Trapped(_)),
        "{}",
        outcome.told()
    );
}

async fn a_trap_is_an_outcome(abi: Abi) {
    let sandbox = sandbox(spec());
    for what in ["unreachable", "memory", "panic", "abort"] {
        guest(abi, &sandbox, &["trap", what]).await.traps();
    }
    guest(abi, &sandbox, &["args"]).await.exits(0);
}

async fn a_full_stack_is_a_trap(abi: Abi) {
    guest(abi, &sandbox(spec()), &["recurse"]).await.traps();
}

async fn nothing_of_the_host_is_there_unasked(abi: Abi) {
    let sandbox = sandbox(spec());
    assert_eq!(guest(abi, &sandbox, &["env"]).await.exits(0).out(), "");
    assert_eq!(
        script(abi, &sandbox, &["ls /", "read /etc/passwd"]).await,
        ["ok ", "ENOENT"].map(str::trim)
    );
    for asked in [&["connect", "127.0.0.1:80"][..], &["thread"]] {
        let outcome = guest(abi, &sandbox, asked).await;
        assert!(outcome.exits(0).out().starts_with("refused"), "{}", outcome.told());
    }
}

const CODES: [u8; 10] = [0, 1, 2, 125, 126, 127, 128, 130, 137, 255];

#[tokio::test]
async fn a_module_ends_with_every_exit_code() {
    let sandbox = sandbox(spec());
    for code in CODES {
        guest(Abi::P1, &sandbox, &["exit", &code.to_string()]).await.exits(code);
    }
}

#[tokio::test]
async fn a_component_ends_with_every_exit_code() {
    let program = Program::from_file(palisade_guests::path("exit-code.wasm")).unwrap();
    let sandbox = sandbox(spec());
    for code in CODES {
        let command = Command::new(&program).arg(code.to_string()).stderr(Output::Capture);
        sandbox.run(command).await.unwrap().exits(code);
    }
}

#[tokio::test]
async fn an_exit_code_keeps_its_low_eight_bits() {
    let start = |code| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {code}))))"#
        )
    };
    let sandbox = sandbox(spec());
    for (code, seen) in [(256, 0), (-1, 255), (300, 44)] {
        run(&sandbox, &wat("exit", &start(code))).await.unwrap().exits(seen);
    }
}

/// Text, and what the error must name.
const REFUSED: &[(&str, &str)] = &[
    (
        r#"(module (import "env" "foo" (func)) (func (export "_start")))"#,
        "env::foo",
    ),
    (
        r#"(module (import "wasi_snapshot_preview1" "sock_connect" (func)) (func (export "_start")))"#,
        "sock_connect",
    ),
    (
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)) (func (export "_start")))"#,
        "fd_write",
    ),
    (
        r#"(module (import "env" "memory" (memory 1)) (func (export "_start")))"#,
        "env::memory",
    ),
    (
        r#"(module (import "\1b[31m" "\n\u{202e}" (func)) (func (export "_start")))"#,
        "\\u{1b}",
    ),
    ("(module)", "_start"),
    (r#"(module (func (export "main")))"#, "_start"),
    (r#"(module (func (export "_start") (param i32)))"#, "_start"),
    (r#"(module (global (export "_start") i32 (i32.const 0)))"#, "_start"),
    (r#"(module (memory 1 1 shared) (func (export "_start")))"#, "shared"),
    (
        r#"(module (memory 0x10000) (memory 0x10000) (memory i64 0x7fffffff) (func (export "_start")))"#,
        "memory",
    ),
    ("(component)", "wasi:cli/run"),
    (
        r#"(component (import "evil:host/reach@1.0.0" (instance (export "f" (func)))))"#,
        "evil:host/reach",
    ),
];

#[tokio::test]
async fn what_cannot_be_run_is_refused_by_name() {
    let sandbox = sandbox(spec());
    for (text, named) in REFUSED {
        let error = run(&sandbox, &wat("bad", text)).await.expect_err(text);
        let message = error.to_string();
        assert_eq!(error.kind(), Kind::InvalidInput, "{text}: {message}");
        assert!(message.contains(named), "{text}: {message}");
        assert!(!message.contains(['\n', '\u{1b}']), "{message:?}");
    }
    assert_eq!(sandbox.usage().processes, 0);
}

#[tokio::test]
async fn an_interface_which_is_not_provided_is_refused_by_name() {
    let text = r#"(component
        (import "evil:host/reach@1.0.0" (instance $evil (export "f" (func))))
        (core module $m (func (export "run") (result i32) i32.const 0))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $export (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $export)))"#;
    let error = run(&sandbox(spec()), &wat("reach", text)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("evil:host/reach"), "{error}");
}

#[tokio::test]
async fn no_prefix_of_a_program_is_one() {
    let text = r#"(module (memory (export "memory") 1) (func (export "_start") (nop)))"#;
    let whole = wat::parse_str(text).unwrap();
    let sandbox = sandbox(spec());
    for length in 0..whole.len() {
        let Ok(program) = Program::from_bytes("cut", &whole[..length]) else {
            continue;
        };
        let ended = run(&sandbox, &program).await;
        assert_eq!(
            ended.expect_err("it has no end").kind(),
            Kind::InvalidInput,
            "{length} bytes"
        );
    }
}

#[test]
fn what_is_not_webassembly_is_refused_at_the_door() {
    for bytes in [
        &b""[..],
        b"\0asm",
        b"#!/bin/sh\n",
        b"\x7fELF\x02\x01\x01\0\0",
        b"\0asm\x02\0\0\0",
        b"(module)",
    ] {
        assert_eq!(
            Program::from_bytes("no", bytes).unwrap_err().kind(),
            Kind::InvalidInput,
            "{bytes:?}"
        );
    }
    assert_eq!(Program::from_file("/no/such/file").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(Program::from_file("/dev/zero").unwrap_err().kind(), Kind::InvalidInput);
}

#[tokio::test]
async fn exceptions_are_thrown_and_caught() {
    let text = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (tag $t (param i32))
        (func (export "_start")
            (call $exit (block $caught (result i32)
                (try_table (catch $t $caught) (throw $t (i32.const 7)))
                (i32.const 1)))))"#;
    run(&sandbox(spec()), &wat("throws", text)).await.unwrap().exits(7);
    let uncaught = r#"(module (tag $t) (func (export "_start") (throw $t)))"#;
    run(&sandbox(spec()), &wat("uncaught", uncaught)).await.unwrap().traps();
}

#[tokio::test]
async fn absurd_modules_do_no_harm() {
    let deep = format!(
        "(module (func (export \"_start\") {}{}))",
        "block ".repeat(60_000),
        "end ".repeat(60_000)
    );
    let params = format!(
        "(module (func {}) (func (export \"_start\")))",
        "(param i32)".repeat(5_000)
    );
    let memories = format!("(module {} (func (export \"_start\")))", "(memory 1)".repeat(200));
    let tables = format!(
        "(module {} (func (export \"_start\")))",
        "(table 1 funcref)".repeat(200)
    );
    let locals = format!("(module (func (export \"_start\") (local {})))", "i64 ".repeat(60_000));
    let table = "(module (table 4000000000 funcref) (func (export \"_start\")))".to_owned();
    let sandbox = sandbox(spec());
    for (name, text) in [
        ("deep", deep),
        ("params", params),
        ("memories", memories),
        ("tables", tables),
        ("locals", locals),
        ("table", table),
    ] {
        let ended = run(&sandbox, &wat(name, &text)).await;
        assert!(
            !ended.as_ref().is_err_and(|error| error.kind() != Kind::InvalidInput),
            "{name}: {ended:?}"
        );
    }
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
}

/// Calls of every shape a guest can get wrong: none may panic in the host, whatever the pointers.
#[tokio::test]
async fn no_pointer_makes_a_host_function_panic() {
    let functions = [
        ("args_get", "i32 i32"),
        ("clock_time_get", "i32 i64 i32"),
        ("environ_sizes_get", "i32 i32"),
        ("fd_fdstat_get", "i32 i32"),
        ("fd_filestat_get", "i32 i32"),
        ("fd_filestat_set_size", "i32 i64"),
        ("fd_filestat_set_times", "i32 i64 i64 i32"),
        ("fd_prestat_dir_name", "i32 i32 i32"),
        ("fd_pread", "i32 i32 i32 i64 i32"),
        ("fd_pwrite", "i32 i32 i32 i64 i32"),
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_readdir", "i32 i32 i32 i64 i32"),
        ("fd_renumber", "i32 i32"),
        ("fd_seek", "i32 i64 i32 i32"),
        ("fd_write", "i32 i32 i32 i32"),
        ("path_filestat_get", "i32 i32 i32 i32 i32"),
        ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
        ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
        ("path_readlink", "i32 i32 i32 i32 i32 i32"),
        ("path_symlink", "i32 i32 i32 i32 i32"),
        ("poll_oneoff", "i32 i32 i32 i32"),
        ("random_get", "i32 i32"),
        ("sock_recv", "i32 i32 i32 i32 i32 i32"),
    ];
    let sandbox = limited(LimitsRequest {
        time: Some(std::time::Duration::from_secs(2)),
        ..Default::default()
    });
    for (function, params) in functions {
        for value in ["0", "-1", "3", "65535", "2147483647", "-2147483648"] {
            let arguments: String = params
                .split(' ')
                .map(|ty| format!("({ty}.const {})", if ty == "i64" { "-1" } else { value }))
                .collect();
            let text = format!(
                r#"(module (import "wasi_snapshot_preview1" "{function}" (func $f (param {params}) (result i32)))
                   (memory (export "memory") 1) (func (export "_start") (drop (call $f {arguments}))))"#
            );
            let ended = run(&sandbox, &wat(function, &text)).await;
            assert!(ended.is_ok(), "{function}({value}): {ended:?}");
        }
    }
    assert_eq!(sandbox.state(), palisade::State::Ready);
}
