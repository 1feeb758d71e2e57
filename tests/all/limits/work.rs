//! Fuel, wall-clock time and output.

use std::time::{Duration, Instant};

use palisade::policy::{ByteSize, LimitsRequest};
use palisade::{Command, Limit, Output, Sandbox, Stdin};
use palisade_tests::*;

both!(
    a_loop_runs_out_of_fuel,
    a_loop_of_host_calls_runs_out_of_fuel,
    fuel_is_the_same_for_the_same_run,
    a_deep_path_costs_more_than_a_shallow_one,
    time_ends_whatever_a_guest_does,
    nobody_reads_the_output,
    printing_for_ever_ends,
    exactly_the_limit_of_output_passes,
    usage_is_told,
);

/// What the scheduler of a busy machine may add.
const SLACK: Duration = Duration::from_secs(5);

fn with_fuel(fuel: u64) -> Sandbox {
    limited(LimitsRequest {
        fuel: Some(fuel),
        time: Some(Duration::from_secs(60)),
        ..LimitsRequest::default()
    })
}

async fn a_loop_runs_out_of_fuel(abi: Abi) {
    let outcome = guest(abi, &with_fuel(50_000_000), &["spin"]).await;
    outcome.reaches(Limit::Fuel);
    let used = outcome.usage.fuel.expect("it is metered");
    assert!((49_000_000..=50_000_000).contains(&used), "{used}");
}

async fn a_loop_of_host_calls_runs_out_of_fuel(abi: Abi) {
    guest(abi, &with_fuel(20_000_000), &["nap"]).await.reaches(Limit::Fuel);
    guest(abi, &with_fuel(20_000_000), &["read-forever"])
        .await
        .reaches(Limit::Fuel);
}

#[tokio::test]
async fn every_cheap_host_call_burns_fuel() {
    let calls = [
        ("sched_yield", "", ""),
        (
            "clock_time_get",
            "i32 i64 i32",
            "(i32.const 0) (i64.const 0) (i32.const 0)",
        ),
        ("random_get", "i32 i32", "(i32.const 0) (i32.const 65536)"),
        (
            "poll_oneoff",
            "i32 i32 i32 i32",
            "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)",
        ),
        ("fd_renumber", "i32 i32", "(i32.const 0) (i32.const 0)"),
    ];
    for (function, params, arguments) in calls {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "{function}" (func $f (param {params}) (result i32)))
               (memory (export "memory") 1) (func (export "_start") (loop $l (drop (call $f {arguments})) (br $l))))"#
        );
        let outcome = run(&with_fuel(5_000_000), &wat(function, &text)).await.unwrap();
        outcome.reaches(Limit::Fuel);
    }
}

#[tokio::test]
async fn bulk_operations_burn_fuel() {
    let text = r#"(module (memory 256) (func (export "_start")
        (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $l))))"#;
    let outcome = run(&with_fuel(1_000_000_000), &wat("fill", text)).await.unwrap();
    outcome.reaches(Limit::Fuel);
}

async fn fuel_is_the_same_for_the_same_run(abi: Abi) {
    let sandbox = sandbox(palisade::SandboxSpec::new(palisade::policy::Policy::strict()));
    let mut used = Vec::new();
    for _ in 0..3 {
        let outcome = guest(abi, &sandbox, &["cpu", "10000"]).await;
        used.push(outcome.exits(0).usage.fuel.expect("it is metered"));
    }
    assert!(used.iter().all(|fuel| *fuel == used[0] && *fuel > 10_000), "{used:?}");
}

async fn a_deep_path_costs_more_than_a_shallow_one(abi: Abi) {
    let sandbox = with_fuel(1_000_000_000);
    let (deep, shallow) = ("/d".repeat(100), format!("/{}", "d".repeat(199)));
    let mut used = Vec::new();
    for path in [deep, shallow] {
        sandbox.workspace().create_dir_all(&path).unwrap();
        let outcome = guest(abi, &sandbox, &["fs", &format!("stat {path}")]).await;
        used.push(outcome.exits(0).usage.fuel.expect("it is metered"));
    }
    assert!(used[0] >= used[1] + 90 * 100, "{used:?}");
}

/// Calls `function` of `wasi:cli/environment`, and does nothing with its list.
fn asking(function: &str, item: &str) -> palisade::Program {
    let text = format!(
        r#"(component
            (import "wasi:cli/environment@0.2.0" (instance $environment
                (export "{function}" (func (result (list {item}))))))
            (core module $heap
                (memory (export "memory") 8)
                (global $end (mut i32) (i32.const 8))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $end)
                    (global.set $end (i32.and
                        (i32.add (i32.add (global.get $end) (local.get 3)) (i32.const 7))
                        (i32.const -8)))))
            (core instance $heap (instantiate $heap))
            (core func $ask (canon lower (func $environment "{function}")
                (memory (core memory $heap "memory")) (realloc (core func $heap "realloc"))))
            (core module $main
                (import "" "ask" (func $ask (param i32)))
                (func (export "run") (result i32) (call $ask (i32.const 0)) (i32.const 0)))
            (core instance $main (instantiate $main (with "" (instance (export "ask" (func $ask))))))
            (func $run (result (result)) (canon lift (core func $main "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    wat(function, &text)
}

#[tokio::test]
async fn what_a_component_is_told_of_itself_is_paid_for() {
    const LONG: usize = 64 << 10;
    let fuel_of = async |program: &palisade::Program, length: usize| {
        let text = "x".repeat(length);
        let sandbox = sandbox(spec().env("TEXT", &text));
        let outcome = sandbox.run(Command::new(program).args([&text])).await.unwrap();
        outcome.exits(0).usage.fuel.expect("it is metered")
    };
    for (function, item) in [
        ("get-arguments", "string"),
        ("get-environment", "(tuple string string)"),
    ] {
        let program = asking(function, item);
        let (long, short) = (fuel_of(&program, LONG).await, fuel_of(&program, 1).await);
        assert!(
            long >= short + (LONG as u64 - 16) / 16,
            "{function}: {long} and {short}"
        );
    }
}

async fn time_ends_whatever_a_guest_does(abi: Abi) {
    let limit = Duration::from_millis(300);
    let sandbox = limited(LimitsRequest {
        time: Some(limit),
        ..LimitsRequest::default()
    });
    // Compiling is no part of a program's time.
    guest(abi, &sandbox, &["args"]).await;
    for args in [&["spin"][..], &["sleep", "60000"], &["nap"], &["stdin"], &["fs"]] {
        let (_writer, silent) = tokio::io::duplex(1);
        let started = Instant::now();
        let outcome = sandbox
            .run(command(abi, args).stdin(Stdin::reader(silent)))
            .await
            .unwrap();
        outcome.reaches(Limit::Time);
        assert!(
            started.elapsed() < limit + SLACK,
            "{args:?} took {:?}",
            started.elapsed()
        );
        assert!(outcome.usage.elapsed >= limit, "{args:?}: {:?}", outcome.usage);
    }
}

async fn nobody_reads_the_output(abi: Abi) {
    let limits = LimitsRequest {
        time: Some(Duration::from_millis(300)),
        ..LimitsRequest::default()
    };
    let sandbox = limited(limits);
    let mut process = sandbox
        .spawn(command(abi, &["print-forever"]).stdout(Output::Pipe))
        .unwrap();
    let _unread = process.take_stdout();
    let outcome = process.wait().await.unwrap();
    outcome.reaches(Limit::Time);
    assert!(
        outcome.usage.written <= ByteSize::from_bytes(256 << 10),
        "{:?}",
        outcome.usage
    );
}

async fn printing_for_ever_ends(abi: Abi) {
    let output = ByteSize::from_bytes(300 << 10);
    let sandbox = limited(LimitsRequest {
        output: Some(output),
        ..LimitsRequest::default()
    });
    let outcome = guest(abi, &sandbox, &["print-forever"]).await;
    assert_eq!(outcome.reaches(Limit::Output).stdout.len() as u64, output.as_bytes());
    assert_eq!(outcome.usage.written, output);
    let outcome = guest(abi, &sandbox, &["print-forever", "err"]).await;
    assert_eq!(outcome.reaches(Limit::Output).stderr.len() as u64, output.as_bytes());
}

async fn exactly_the_limit_of_output_passes(abi: Abi) {
    let run = async |bytes: u64| {
        let limits = LimitsRequest {
            output: Some(ByteSize::from_bytes(bytes)),
            ..LimitsRequest::default()
        };
        guest(abi, &limited(limits), &["both", "12345", "6789"]).await
    };
    run(11).await.exits(0);
    run(10).await.reaches(Limit::Output);
}

async fn usage_is_told(abi: Abi) {
    let sandbox = sandbox(spec());
    let text = "x".repeat(1000);
    let outcome = guest(
        abi,
        &sandbox,
        &["fs", &format!("write /a {text}"), "read /a", "read /a"],
    )
    .await;
    let usage = outcome.exits(0).usage;
    assert!(usage.fuel.is_some_and(|fuel| fuel > 1000), "{usage:?}");
    assert!((2000..2100).contains(&usage.read.as_bytes()), "{usage:?}");
    // The file, and the two answers.
    assert!((3000..3100).contains(&usage.written.as_bytes()), "{usage:?}");
    assert!(
        usage.peak_memory >= ByteSize::from_bytes(64 << 10) && usage.peak_memory < ByteSize::from_mib(64),
        "{usage:?}"
    );
    assert!(
        usage.host_time > Duration::ZERO && usage.host_time <= usage.elapsed + Duration::from_millis(5),
        "{usage:?}"
    );
}

#[tokio::test]
async fn fuel_is_not_told_where_it_is_not_counted() {
    let sandbox = sandbox(palisade::SandboxSpec::new(palisade::policy::Policy::trusted()));
    let outcome = guest(Abi::P1, &sandbox, &["cpu", "1000"]).await;
    assert_eq!(outcome.exits(0).usage.fuel, None);
}
