//! Programs: whatever the bytes, they are refused or they run to an outcome, under tiny limits.

use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Command, Host, Kind, Output, Program, SandboxSpec, Stdin};
use rand::RngExt;

use super::Attempt;
use super::mutate::mutate;

/// Small programs with something of everything; the compiled guests join them where they are.
const TEXTS: [&str; 4] = [
    r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1 4) (data (i32.const 0) "\10\00\00\00\05\00\00\00") (data (i32.const 16) "hello")
        (func (export "_start") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
    r#"(module (import "wasi_snapshot_preview1" "path_open"
            (func $o (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $p (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir" (func $r (param i32 i32 i32 i64 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "../etc/passwd\00")
        (func (export "_start")
            (drop (call $o (i32.const 3) (i32.const 1) (i32.const 0) (i32.const 13) (i32.const 9)
                (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64)))
            (drop (call $r (i32.const 3) (i32.const 128) (i32.const 512) (i64.const 0) (i32.const 64)))
            (drop (call $p (i32.const 0) (i32.const 1024) (i32.const 2) (i32.const 64)))))"#,
    r#"(module (memory 1) (table $t 4 funcref) (tag $e (param i32)) (global $g (mut i64) (i64.const 1))
        (func $f (param i32) (result i32) (table.grow $t (ref.null func) (memory.grow (local.get 0))))
        (elem (i32.const 0) $f $f)
        (func (export "_start") (drop (block $c (result i32) (try_table (catch $e $c)
            (throw $e (call_indirect $t (param i32) (result i32) (i32.const 3) (i32.const 1)))) (i32.const 0)))))"#,
    r#"(component (core module $m (func (export "run") (result i32) i32.const 0))
        (core instance $i (instantiate $m)) (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $export (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $export)))"#,
];

pub(crate) fn start() -> Attempt {
    let seeds: Vec<Vec<u8>> = TEXTS
        .iter()
        .map(|text| wat::parse_str(text).expect("it is a fixed text"))
        .collect();
    let exit_code = palisade_guests::find("exit-code.wasm").and_then(|path| std::fs::read(path).ok());
    super::on_a_host(async move |host, random| {
        let others: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        // Whole guests take long to compile: they are rare, and mostly of use cut and bent.
        let mut bytes = match &exit_code {
            Some(bytes) if random.random_ratio(1, 50) => bytes.clone(),
            _ => seeds[random.random_range(0..seeds.len())].clone(),
        };
        mutate(random, &mut bytes, &others, 1 << 20);
        attempt(host, &bytes).await;
    })
}

async fn attempt(host: &Host, bytes: &[u8]) {
    let Ok(program) = Program::from_bytes("mutated", bytes) else {
        return;
    };
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(4)),
        fuel: Some(1_000_000),
        time: Some(Duration::from_millis(200)),
        output: Some(ByteSize::from_mib(1)),
        handles: Some(16),
        ..LimitsRequest::default()
    };
    let sandbox = host
        .create(SandboxSpec::new(Policy::strict()).limits(limits))
        .expect("the policy grants it");
    let command = Command::new(&program)
        .stdin(Stdin::Bytes(vec![7; 100]))
        .stdout(Output::Capture);
    if let Err(error) = sandbox.run(command).await {
        assert_eq!(
            error.kind(),
            Kind::InvalidInput,
            "{error}: {:02x?}",
            &bytes[..bytes.len().min(4000)]
        );
    }
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    sandbox.destroy().await.expect("its files can be removed");
}
