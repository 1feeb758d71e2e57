//! Memories and tables, summed over the sandbox.

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Ending, Limit, Output, Sandbox, SandboxSpec};
use palisade_tests::*;
use tokio::io::AsyncReadExt;

both!(
    a_guest_which_handles_the_refusal_ends_by_itself,
    a_guest_which_does_not_is_ended_by_the_limit,
    two_processes_share_the_limit,
);

const PAGE: u64 = 65_536;

fn with_memory(memory: ByteSize) -> Sandbox {
    limited(LimitsRequest {
        memory: Some(memory),
        ..LimitsRequest::default()
    })
}

async fn a_guest_which_handles_the_refusal_ends_by_itself(abi: Abi) {
    let sandbox = with_memory(ByteSize::from_mib(8));
    let outcome = guest(abi, &sandbox, &["grow", "1"]).await;
    let told = outcome.exits(0).out();
    let pages: u64 = told
        .trim()
        .trim_start_matches("refused at ")
        .trim_end_matches(" pages")
        .parse()
        .expect(&told);
    assert!((100..=128).contains(&pages), "{told}");
    assert_eq!(outcome.limits_hit, [Limit::Memory]);
    assert!(outcome.usage.peak_memory <= ByteSize::from_mib(8));
    assert!(outcome.usage.peak_memory.as_bytes() >= pages * PAGE);
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    assert_eq!(sandbox.usage().peak_memory, outcome.usage.peak_memory);
}

async fn a_guest_which_does_not_is_ended_by_the_limit(abi: Abi) {
    let sandbox = with_memory(ByteSize::from_mib(16));
    guest(abi, &sandbox, &["allocate-trap"]).await.reaches(Limit::Memory);
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    guest(abi, &sandbox, &["hold", "8000000"]).await.exits(0);
}

async fn two_processes_share_the_limit(abi: Abi) {
    let sandbox = with_memory(ByteSize::from_mib(24));
    let mut holder = sandbox
        .spawn(command(abi, &["hold", "12000000", "60000"]).stdout(Output::Pipe))
        .unwrap();
    let mut out = holder.take_stdout().expect("it was asked for");
    out.read_u8().await.expect("it says that it holds the memory");
    guest(abi, &sandbox, &["hold", "12000000"]).await.reaches(Limit::Memory);
    holder.kill();
    assert_eq!(holder.wait().await.unwrap().ending, Ending::Killed);
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    guest(abi, &sandbox, &["hold", "12000000"]).await.exits(0);
}

/// A module whose `_start` traps unless `condition` holds.
fn asserting(parts: &str, condition: &str) -> String {
    format!(r#"(module {parts} (func (export "_start") (if (i32.eqz {condition}) (then (unreachable)))))"#)
}

#[tokio::test]
async fn what_a_program_starts_with_counts() {
    let sandbox = with_memory(ByteSize::from_mib(1));
    for parts in [
        "(memory 17)",
        "(memory 9) (memory 8)",
        "(table 99999 funcref) (memory 8)",
    ] {
        let outcome = run(&sandbox, &wat("large", &asserting(parts, "(i32.const 1)")))
            .await
            .unwrap();
        outcome.reaches(Limit::Memory);
        assert_eq!(sandbox.usage().memory.as_bytes(), 0, "{parts}");
    }
    run(&sandbox, &wat("fits", &asserting("(memory 16)", "(i32.const 1)")))
        .await
        .unwrap()
        .exits(0);
}

#[tokio::test]
async fn memories_and_tables_are_summed() {
    let sandbox = with_memory(ByteSize::from_mib(1));
    let refused = |grow: &str| format!("(i32.eq (i32.const -1) {grow})");
    let cases = [
        ("(memory $a 8) (memory $b 8)", refused("(memory.grow $b (i32.const 1))")),
        (
            "(memory 12) (table $t 0 funcref)",
            refused("(table.grow $t (ref.null func) (i32.const 99999))"),
        ),
        (
            "(table $s 90000 funcref) (table $t 0 funcref)",
            refused("(table.grow $t (ref.null func) (i32.const 90000))"),
        ),
        (
            "(memory $a 8) (memory $b 7)",
            "(i32.eq (i32.const 7) (memory.grow $b (i32.const 1)))".into(),
        ),
    ];
    for (parts, condition) in cases {
        let outcome = run(&sandbox, &wat("sum", &asserting(parts, &condition))).await.unwrap();
        outcome.exits(0);
        assert_eq!(sandbox.usage().memory.as_bytes(), 0, "{parts}");
    }
}

#[tokio::test]
async fn a_growth_that_fails_for_another_reason_takes_nothing() {
    let sandbox = with_memory(ByteSize::from_mib(1));
    let text = asserting(
        "(memory $a 1 2) (memory $b 0)",
        "(i32.and (i32.eq (i32.const -1) (memory.grow $a (i32.const 5))) (i32.eq (i32.const 0) (memory.grow $b (i32.const 15))))",
    );
    run(&sandbox, &wat("maximum", &text)).await.unwrap().exits(0);
}

/// A pooled slot may not show what its last tenant wrote.
#[tokio::test]
async fn a_fresh_instance_reads_zeros() {
    let sandbox = sandbox(spec());
    let text = r#"(module (memory 64) (table $t 100 funcref) (elem declare func $dirty)
        (func $dirty (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 4194304))
            (table.fill $t (i32.const 0) (ref.func $dirty) (i32.const 100)))
        (func (export "_start") (local $at i32)
            (loop $next
                (if (i64.ne (i64.const 0) (i64.load (local.get $at))) (then (unreachable)))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 4194304))))
            (if (i32.eqz (ref.is_null (table.get $t (i32.const 99)))) (then (unreachable)))
            (call $dirty)))"#;
    let program = wat("tenant", text);
    for _ in 0..50 {
        run(&sandbox, &program).await.unwrap().exits(0);
    }
    for abi in Abi::BOTH {
        for _ in 0..5 {
            let outcome = guest(abi, &sandbox, &["zeros", "50"]).await;
            assert_eq!(outcome.exits(0).out(), "zero\n");
        }
    }
}

/// Growths that fail, mixed with such that do not: only what is held counts, whatever failed.
#[tokio::test]
async fn growths_that_fail_give_nothing_back() {
    let text = r#"(module (memory 1) (table $t 1 funcref)
        (func (export "_start")
            (loop $more
                (drop (table.grow $t (ref.null func) (i32.const -1)))
                (drop (memory.grow (i32.const -1)))
                (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 128)))))
            (unreachable)))"#;
    for policy in [Policy::standard(), Policy::trusted()] {
        let metering = policy.metering();
        let limits = LimitsRequest {
            memory: Some(ByteSize::from_mib(32)),
            ..LimitsRequest::default()
        };
        let sandbox = sandbox(SandboxSpec::new(policy).limits(limits));
        let outcome = run(&sandbox, &wat("refused", text)).await.unwrap();
        outcome.reaches(Limit::Memory);
        assert!(outcome.usage.peak_memory <= ByteSize::from_mib(32), "{metering:?}");
        assert!(outcome.usage.peak_memory > ByteSize::from_mib(16), "{metering:?}");
        assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    }
}

/// Growths by a 64-bit number can overflow on their way to the limit, so that nobody is asked.
#[tokio::test]
async fn memories_and_tables_of_64_bits_are_refused() {
    let sandbox = sandbox(spec());
    for parts in ["(memory i64 1)", "(table i64 1 funcref)"] {
        let error = run(&sandbox, &wat("wide", &asserting(parts, "(i32.const 1)")))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), palisade::Kind::InvalidInput);
        assert!(error.to_string().contains("64"), "{error}");
    }
}
