//! What making a program ready may take.

use std::time::Duration;

use palisade::policy::ByteSize;
use palisade::{Host, HostConfig, Kind, Program};
use palisade_tests::*;

/// A host with a state directory of its own, which goes with it.
fn host_with(change: impl FnOnce(&mut HostConfig)) -> (Host, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(state.path());
    change(&mut config);
    (Host::open(config).unwrap(), state)
}

/// A program with a function of about so many bytes.
fn long(bytes: usize) -> Program {
    // Three bytes: a local, and its test for zero, dropped.
    let body = "(drop (i32.eqz (local.get 0)))".repeat(bytes / 4);
    wat(
        "long",
        &format!(r#"(module (func (export "_start") (local i32) {body}))"#),
    )
}

#[tokio::test]
async fn a_function_longer_than_any_honest_one_is_refused() {
    let sandbox = sandbox(spec());
    let error = run(&sandbox, &long(1_100_000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("at most 1048576"), "{error}");
    run(&sandbox, &long(1_000_000)).await.unwrap().exits(0);
}

#[tokio::test]
async fn one_within_a_component_too() {
    let body = "(drop (i32.eqz (local.get 0)))".repeat(300_000);
    let text = format!("(component (core module (func (local i32) {body})))");
    let error = run(&sandbox(spec()), &wat("nested", &text)).await.unwrap_err();
    assert!(error.to_string().contains("at most 1048576"), "{error}");
}

#[tokio::test]
async fn a_program_larger_than_the_host_takes_is_refused() {
    let (host, _state) = host_with(|config| config.max_program = ByteSize::from_bytes(1 << 10));
    let sandbox = host.create(spec()).unwrap();
    let error = run(&sandbox, &long(2000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("at most 1 KiB"), "{error}");
    run(&sandbox, &long(900)).await.unwrap().exits(0);
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_the_work_is_not_lost() {
    let (host, _state) = host_with(|config| config.compile_time = Duration::from_millis(50));
    let sandbox = host.create(spec()).unwrap();
    let program = long(1_000_000);
    let mut timeouts = 0;
    let outcome = loop {
        match run(&sandbox, &program).await {
            Ok(outcome) => break outcome,
            Err(error) => assert_eq!(error.kind(), Kind::Timeout, "{error}"),
        }
        timeouts += 1;
        assert!(timeouts < 2000, "it is never compiled");
    };
    outcome.exits(0);
    assert!(timeouts > 0, "it was compiled at once");
}

/// Whoever starts and kills the same program over and over has it compiled a few times, and not once for each.
#[tokio::test]
async fn a_killed_start_leaves_nothing_in_the_queue() {
    let (host, _state) = host_with(|_| {});
    let sandbox = host.create(spec()).unwrap();
    let program = long(900_000);
    for _ in 0..200 {
        let process = sandbox.spawn(palisade::Command::new(&program)).unwrap();
        tokio::task::yield_now().await;
        process.kill();
        assert_eq!(process.wait().await.unwrap().ending, palisade::Ending::Killed);
    }
    // Behind 200 compilations this would not be done while anybody waits.
    run(&sandbox, &long(1000)).await.unwrap().exits(0);
}

#[tokio::test]
async fn no_program_takes_the_whole_pool() {
    let instances = format!(
        "(component (core module $m) {})",
        "(core instance (instantiate $m))".repeat(65)
    );
    let memories = format!("(module {} (func (export \"_start\")))", "(memory 0)".repeat(9));
    let tables = format!(
        "(component (core module $m {}) {})",
        "(table 0 funcref)".repeat(13),
        "(core instance (instantiate $m))".repeat(5)
    );
    let sandbox = sandbox(spec());
    for (text, named) in [(instances, "instances"), (memories, "memories"), (tables, "tables")] {
        let error = run(&sandbox, &wat("greedy", &text)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}
