//! What sandboxes, and hosts, have used in all.

use std::time::{Duration, Instant};

use palisade::policy::{Access, ByteSize, CallRequest, LimitsRequest, Policy};
use palisade::testing::{Behaviour, host as fake_host, program};
use palisade::{Bytes, Command, EndingKind, Host, HostConfig, Kind, Limit, Sandbox, SandboxSpec, Totals, Usage};
use palisade_tests::*;
use serde_json::json;

const SPIN: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))"#;
const TRAP: &str = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;
/// A component whose function works for so many rounds.
const WORK: &str = r#"(component
    (core module $m
        (func (export "work") (param i32)
            (loop $more
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $more (i32.gt_s (local.get 0) (i32.const 0))))))
    (core instance $i (instantiate $m))
    (func (export "work") (param "rounds" u32) (canon lift (core func $i "work"))))"#;

/// What is told of one process as of all.
fn used(totals: &Totals) -> (Option<u64>, Duration, ByteSize, ByteSize) {
    (Some(totals.fuel), totals.host_time, totals.read, totals.written)
}

fn of(usage: &Usage) -> (Option<u64>, Duration, ByteSize, ByteSize) {
    (usage.fuel, usage.host_time, usage.read, usage.written)
}

/// Waits until the totals are as they should.
async fn until(sandbox: &Sandbox, are: impl Fn(&Totals) -> bool) -> Totals {
    let started = Instant::now();
    loop {
        let totals = sandbox.totals();
        if are(&totals) {
            return totals;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{totals:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

both!(what_processes_used_is_summed_up);

async fn what_processes_used_is_summed_up(abi: Abi) {
    let sandbox = sandbox(spec());
    assert_eq!(sandbox.totals(), Totals::default());
    let mut sum = Totals::default();
    for count in 1..=3_u64 {
        let outcome = guest(abi, &sandbox, &["fs", "write /a 0123456789", "read /a"]).await;
        outcome.exits(0);
        sum = sandbox.totals();
        assert!(sum.written >= ByteSize::from_bytes(10 * count), "{sum:?}");
        assert_eq!(sum.ended(EndingKind::Success), count);
        if count == 1 {
            assert_eq!(used(&sum), of(&outcome.usage));
        }
    }
    let outcome = sandbox.run(command(abi, &["no-such"])).await.unwrap();
    assert!(!outcome.is_success(), "{}", outcome.told());
    let totals = sandbox.totals();
    assert_eq!(Some(totals.fuel - sum.fuel), outcome.usage.fuel);
    assert_eq!((totals.ended(EndingKind::Failure), totals.all_ended()), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processor_time_of_a_program_which_computes_grows_while_it_does() {
    let sandbox = sandbox(spec());
    let process = sandbox.spawn(Command::new(&wat("spin", SPIN))).unwrap();
    let first = until(&sandbox, |totals| !totals.host_time.is_zero()).await;
    let more = until(&sandbox, |totals| totals.host_time > first.host_time).await;
    assert_eq!((sandbox.processes(), more.all_ended()), (vec![process.id()], 0));
    process.kill();
    let outcome = process.wait().await.unwrap();
    let totals = sandbox.totals();
    assert_eq!(used(&totals), of(&outcome.usage));
    assert_eq!((totals.ended(EndingKind::Killed), totals.all_ended()), (1, 1));
}

#[tokio::test]
async fn each_way_to_end_and_each_limit_has_its_count() {
    let sandbox = limited(LimitsRequest {
        fuel: Some(100_000),
        ..LimitsRequest::default()
    });
    run(&sandbox, &wat("spin", SPIN)).await.unwrap().reaches(Limit::Fuel);
    run(&sandbox, &wat("trap", TRAP)).await.unwrap().traps();
    let nothing = run(&sandbox, &wat("nothing", "(module)")).await;
    assert_eq!(nothing.unwrap_err().kind(), Kind::InvalidInput);
    let totals = sandbox.totals();
    let ended = EndingKind::ALL.map(|kind| totals.ended(kind));
    assert_eq!((ended, totals.all_ended()), ([0, 0, 1, 1, 0], 2));
    assert_eq!((totals.limits_hit(Limit::Fuel), totals.all_limits_hit()), (1, 1));
}

#[tokio::test]
async fn a_session_counts_with_each_call_and_with_its_end_not_again() {
    let sandbox = sandbox(spec());
    let tool = host().tools().add("work", wat("work", WORK)).await.unwrap();
    let session = sandbox
        .open_session(&tool, Duration::from_secs(60), &CallRequest::default())
        .unwrap();
    let call = async || {
        session
            .call("work", json!({"rounds": 10_000}), Bytes::Base64)
            .await
            .unwrap()
    };
    let first = call().await.usage.fuel.unwrap();
    let before = sandbox.totals().fuel;
    assert!(first > 10_000 && before >= first, "{first} {before}");
    call().await;
    let totals = sandbox.totals();
    assert_eq!((totals.fuel, totals.all_ended()), (before + first, 0));
    drop(session);
    let ended = until(&sandbox, |totals| totals.all_ended() == 1).await;
    assert_eq!((ended.fuel, ended.ended(EndingKind::Success)), (totals.fuel, 1));
}

#[tokio::test]
async fn denials_count_of_guests_of_calls_and_of_what_was_not_made() {
    let state = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let host = Host::open(HostConfig::new(state.path())).unwrap();
    let spec = SandboxSpec::new(Policy::standard()).mount(directory.path(), "/data".parse().unwrap(), Access::ReadOnly);
    let sandbox = host.create(spec).unwrap();
    let outcome = guest(Abi::P1, &sandbox, &["fs", "mkdir /data/x", "mkdir /data/y"]).await;
    let of_guest = outcome.denials.len() as u64;
    assert!(of_guest > 0, "{}", outcome.told());
    assert_eq!(sandbox.totals().denials, of_guest);
    let spec = SandboxSpec::new(Policy::strict()).env("A", "1").env("B", "1");
    let refused = host.create(spec).unwrap_err().denials().len() as u64;
    assert!(refused > 0);
    assert_eq!(host.totals().denials, of_guest + refused);
}

#[tokio::test]
async fn a_host_counts_what_is_gone_as_well() {
    let state = tempfile::tempdir().unwrap();
    let host = fake_host(state.path()).unwrap();
    for count in 1..=3 {
        let sandbox = host.create(spec()).unwrap();
        sandbox.run(Command::new(&program(Behaviour::Exit(0)))).await.unwrap();
        let process = sandbox.spawn(Command::new(&program(Behaviour::Hang))).unwrap();
        sandbox.destroy().await.unwrap();
        sandbox.destroy().await.unwrap();
        drop(process);
        assert_eq!(host.totals().ended(EndingKind::Success), count);
    }
    let live = host.create(spec()).unwrap();
    live.run(Command::new(&program(Behaviour::Exit(1)))).await.unwrap();
    assert_eq!(host.totals().ended(EndingKind::Failure), 1);
    assert!(host.sandboxes().len() == 1 && host.instances().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn places_in_the_pool_are_taken_while_programs_run() {
    let state = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(state.path());
    config.max_instances = 7;
    let host = Host::open(config).unwrap();
    let places = || host.instances().map(|places| (places.used, places.most));
    assert_eq!(places(), Some((0, 7)));
    let sandbox = host.create(spec()).unwrap();
    let process = sandbox.spawn(Command::new(&wat("spin", SPIN))).unwrap();
    until(&sandbox, |totals| !totals.host_time.is_zero()).await;
    assert_eq!(places(), Some((1, 7)));
    process.kill();
    process.wait().await.unwrap();
    assert_eq!(places(), Some((0, 7)));
}
