//! Sessions: an instance which is kept between calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use palisade::policy::{ByteSize, CallLimits, CallRequest, LimitsRequest, Policy};
use palisade::{Bytes, Ending, Kind, Limit, Outcome, Sandbox, SandboxSpec, Session, State, Tool};
use palisade_tests::*;
use serde_json::{Value, json};

/// A component which counts its calls, spins, traps, holds memory and sleeps.
const TEXT: &str = r#"(component
    (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $pollable (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
    (alias export $poll "pollable" (type $pollable))
    (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $pollable (eq $outer)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
    (core func $block (canon lower (func $poll "[method]pollable.block")))
    (core func $subscribe (canon lower (func $clock "subscribe-duration")))
    (core module $m
        (import "" "block" (func $block (param i32)))
        (import "" "subscribe" (func $subscribe (param i64) (result i32)))
        (memory 1)
        (global $calls (mut i32) (i32.const 0))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
        (func (export "work") (param i32)
            (loop $more
                (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                (br_if $more (i32.gt_s (local.get 0) (i32.const 0)))))
        (func (export "sleep") (param i64) (call $block (call $subscribe (local.get 0))))
        (func (export "spin") (loop (br 0)))
        (func (export "trap") unreachable))
    (core instance $i (instantiate $m (with "" (instance
        (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $i "grow")))
    (func (export "work") (param "rounds" u32) (canon lift (core func $i "work")))
    (func (export "sleep") (param "nanoseconds" u64) (canon lift (core func $i "sleep")))
    (func (export "spin") (canon lift (core func $i "spin")))
    (func (export "trap") (canon lift (core func $i "trap"))))"#;

const LONG: Duration = Duration::from_secs(60);

async fn tool() -> Tool {
    host().tools().add("session", wat("session", TEXT)).await.unwrap()
}

async fn open(sandbox: &Sandbox, idle: Duration) -> Session {
    sandbox
        .open_session(&tool().await, idle, &CallRequest::default())
        .unwrap()
}

async fn call(session: &Session, function: &str, arguments: Value) -> Outcome {
    session.call(function, arguments, Bytes::Base64).await.unwrap()
}

async fn count(session: &Session) -> Value {
    call(session, "count", json!({})).await.value.unwrap()
}

#[tokio::test]
async fn an_instance_is_kept_between_calls_and_apart_from_others() {
    let sandbox = sandbox(spec());
    let (one, other) = (open(&sandbox, LONG).await, open(&sandbox, LONG).await);
    for expected in 1..=3 {
        assert_eq!(count(&one).await, expected);
    }
    assert_eq!(count(&other).await, 1);
    assert_eq!(sandbox.processes(), [one.process(), other.process()]);
    drop((one, other));
    sandbox.stop().await.unwrap();
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
}

#[tokio::test]
async fn each_call_has_its_own_usage() {
    let session = open(&sandbox(spec()), LONG).await;
    let little = call(&session, "work", json!({"rounds": 10})).await.usage;
    let much = call(&session, "work", json!({"rounds": 10_000_000})).await.usage;
    let again = call(&session, "work", json!({"rounds": 10})).await.usage;
    assert_eq!(little.fuel, again.fuel);
    assert!(
        much.fuel > Some(10_000_000) && again.fuel < Some(1_000),
        "{much:?} {again:?}"
    );
    assert!(much.host_time > again.host_time, "{much:?} {again:?}");
}

#[tokio::test]
async fn a_trap_ends_it_and_a_bad_argument_does_not() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    for (function, arguments, kind) in [
        ("count", json!({"x": 1}), Kind::InvalidInput),
        ("conut", json!({}), Kind::NotFound),
    ] {
        let error = session.call(function, arguments, Bytes::Base64).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    assert_eq!(count(&session).await, 1);
    call(&session, "trap", json!({})).await.traps();
    let error = session.call("count", json!({}), Bytes::Base64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    assert!(sandbox.processes().is_empty());
}

#[tokio::test]
async fn it_ends_when_nobody_calls_it() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, Duration::from_millis(50)).await;
    assert_eq!(count(&session).await, 1);
    let started = Instant::now();
    soon(all_gone(&sandbox)).await;
    assert!(started.elapsed() >= Duration::from_millis(40));
    let error = session.call("count", json!({}), Bytes::Base64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
}

/// Who calls it runs it, so that a caller who goes away leaves a call to be run by somebody else.
#[tokio::test]
async fn a_call_which_nobody_waits_for_goes_on_and_a_dropped_session_ends() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    let sleep = call(&session, "sleep", json!({"nanoseconds": 200_000_000}));
    tokio::time::timeout(Duration::from_millis(20), sleep)
        .await
        .unwrap_err();
    let started = Instant::now();
    assert_eq!(count(&session).await, 1);
    assert!(started.elapsed() > Duration::from_millis(100), "it did not wait");
    let sleep = call(&session, "sleep", json!({"nanoseconds": 200_000_000}));
    tokio::time::timeout(Duration::from_millis(20), sleep)
        .await
        .unwrap_err();
    drop(session);
    assert_eq!(sandbox.processes().len(), 1);
    soon(all_gone(&sandbox)).await;
}

#[tokio::test]
async fn its_limits_are_for_all_its_calls() {
    let fuel = LimitsRequest {
        fuel: Some(30_000_000),
        ..LimitsRequest::default()
    };
    let session = open(&limited(fuel), LONG).await;
    let mut calls = 0;
    let last = loop {
        let outcome = call(&session, "work", json!({"rounds": 1_000_000})).await;
        if outcome.ending != Ending::Returned {
            break outcome;
        }
        calls += 1;
    };
    last.reaches(Limit::Fuel);
    assert!((1..30).contains(&calls), "{calls} calls");

    let memory = CallRequest {
        limits: CallLimits {
            memory: Some(ByteSize::from_mib(1)),
            ..CallLimits::default()
        },
        ..CallRequest::default()
    };
    let session = sandbox(spec()).open_session(&tool().await, LONG, &memory).unwrap();
    assert_eq!(call(&session, "grow", json!({"pages": 8})).await.value, Some(json!(1)));
    let refused = call(&session, "grow", json!({"pages": 8})).await;
    assert_eq!(
        (refused.value, refused.limits_hit),
        (Some(json!(-1)), vec![Limit::Memory])
    );
    assert!(call(&session, "grow", json!({"pages": 1})).await.limits_hit.is_empty());
}

/// A session which waits for calls does not use its time; one which waits in a call does.
#[tokio::test]
async fn only_the_time_of_calls_counts() {
    let time = LimitsRequest {
        time: Some(Duration::from_millis(400)),
        ..LimitsRequest::default()
    };
    let sandbox = limited(time);
    let session = open(&sandbox, LONG).await;
    for expected in 1..=3 {
        assert_eq!(count(&session).await, expected);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    call(&session, "sleep", json!({"nanoseconds": 10_000_000_000_u64}))
        .await
        .reaches(Limit::Time);
    let session = open(&sandbox, LONG).await;
    call(&session, "spin", json!({})).await.reaches(Limit::Time);
}

#[tokio::test]
async fn a_kill_ends_it_and_what_waits_is_told() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    assert_eq!(count(&session).await, 1);
    let spinning = session.call("spin", json!({}), Bytes::Base64);
    let waiting = session.call("count", json!({}), Bytes::Base64);
    let killed = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        session.kill();
    };
    let (spinning, waiting, ()) = tokio::join!(spinning, waiting, killed);
    assert_eq!(spinning.unwrap().ending, Ending::Killed);
    assert_eq!(waiting.unwrap_err().kind(), Kind::Conflict);
}

#[tokio::test]
async fn a_policy_says_which_of_its_functions_are_called() {
    let policy = |tools: &str| SandboxSpec::new(Policy::from_toml(tools).unwrap());
    let some = sandbox(policy("tools = [{ name = 'session', functions = ['count'] }]"));
    let session = open(&some, LONG).await;
    assert_eq!(count(&session).await, 1);
    let error = session
        .call("work", json!({"rounds": 1}), Bytes::Base64)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    assert_eq!(count(&session).await, 2);
    let none = sandbox(policy(""));
    let error = none
        .open_session(&tool().await, LONG, &CallRequest::default())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

/// A call which is begun, and then not polled.
async fn begin<F: Future + Unpin>(call: &mut F) {
    let polled = std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *call).poll(context).is_ready()));
    assert!(!polled.await, "it ended at once");
}

async fn all_gone(sandbox: &Sandbox) {
    while !sandbox.processes().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    let ended = tokio::time::timeout(Duration::from_secs(10), future).await;
    ended.expect("it does not end")
}

/// Nothing depends on a caller who goes on to poll: neither limits, nor a kill, nor other callers.
#[tokio::test]
async fn a_call_which_is_begun_and_not_polled_ends_all_the_same() {
    let time = LimitsRequest {
        time: Some(Duration::from_millis(400)),
        ..LimitsRequest::default()
    };
    let limited = limited(time);
    let session = open(&limited, LONG).await;
    assert_eq!(count(&session).await, 1);
    let mut spinning = Box::pin(session.call("spin", json!({}), Bytes::Base64));
    begin(&mut spinning).await;
    let error = soon(session.call("count", json!({}), Bytes::Base64)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    assert!(limited.processes().is_empty());
    spinning.await.unwrap().reaches(Limit::Time);

    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    assert_eq!(count(&session).await, 1);
    let mut spinning = Box::pin(session.call("spin", json!({}), Bytes::Base64));
    begin(&mut spinning).await;
    soon(sandbox.stop()).await.unwrap();
    assert_eq!((sandbox.processes().len(), sandbox.usage().memory.as_bytes()), (0, 0));
    assert_eq!(spinning.await.unwrap().ending, Ending::Killed);
}

#[tokio::test]
async fn a_call_which_waits_for_its_turn_and_is_not_polled_keeps_no_session_alive() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    assert_eq!(count(&session).await, 1);
    let mut first = Box::pin(session.call("sleep", json!({"nanoseconds": 50_000_000}), Bytes::Base64));
    let mut second = Box::pin(session.call("count", json!({}), Bytes::Base64));
    begin(&mut first).await;
    begin(&mut second).await;
    first.await.unwrap();
    soon(sandbox.stop()).await.unwrap();
    assert_eq!(second.await.unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn a_session_ends_with_the_runtime_that_opened_it() {
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    let (sandbox, session) = first.block_on(async {
        let sandbox = sandbox(spec());
        let session = open(&sandbox, LONG).await;
        assert_eq!(count(&session).await, 1);
        (sandbox, session)
    });
    drop(first);
    runtime().block_on(async {
        soon(sandbox.stop()).await.unwrap();
        assert_eq!((sandbox.processes().len(), sandbox.usage().memory.as_bytes()), (0, 0));
        let error = soon(session.call("count", json!({}), Bytes::Base64)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
    });
}

#[test]
fn a_session_can_be_called_from_outside_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (sandbox, session) = runtime.block_on(async {
        let sandbox = sandbox(spec());
        let session = open(&sandbox, LONG).await;
        (sandbox, session)
    });
    let mut sleep = Box::pin(session.call("sleep", json!({"nanoseconds": 20_000_000}), Bytes::Base64));
    let mut context = Context::from_waker(Waker::noop());
    let started = Instant::now();
    while sleep.as_mut().poll(&mut context).is_pending() {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(sandbox.state(), State::Running);
}

#[tokio::test]
async fn calls_which_are_refused_or_wait_for_their_turn_are_calls() {
    let sandbox = sandbox(spec());
    let session = open(&sandbox, Duration::from_millis(200)).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let error = session.call("count", json!({"x": 1}), Bytes::Base64).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    }
    let session = open(&sandbox, Duration::ZERO).await;
    let sleep = session.call("sleep", json!({"nanoseconds": 50_000_000}), Bytes::Base64);
    let count = session.call("count", json!({}), Bytes::Base64);
    let (sleep, count) = tokio::join!(sleep, count);
    // Nobody has to be quicker than a session which ends as soon as nobody calls it.
    if sleep.is_ok() {
        assert_eq!(count.unwrap().value, Some(json!(1)));
    }
}

#[tokio::test]
async fn making_the_instance_is_no_part_of_the_first_call() {
    const STARTS: &str = r#"(component
        (core module $m
            (func $init (local i32) (local.set 0 (i32.const 2000000))
                (loop $more (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
                    (br_if $more (i32.gt_s (local.get 0) (i32.const 0)))))
            (start $init)
            (func (export "f")))
        (core instance $i (instantiate $m))
        (func (export "f") (canon lift (core func $i "f"))))"#;
    let tool = host().tools().add("starts", wat("starts", STARTS)).await.unwrap();
    let sandbox = sandbox(spec());
    let session = sandbox.open_session(&tool, LONG, &CallRequest::default()).unwrap();
    let first = call(&session, "f", json!({})).await.usage;
    assert_eq!(first.fuel, call(&session, "f", json!({})).await.usage.fuel);
}

/// Calls which are dropped at all times, suspensions, stops and idle times: the table becomes empty, and nothing is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_done_with_sessions_nothing_of_them_stays() {
    let tool = tool().await;
    for round in 0..40_u64 {
        let sandbox = sandbox(spec());
        let idle = Duration::from_millis(round % 7 * 3);
        let session = Arc::new(sandbox.open_session(&tool, idle, &CallRequest::default()).unwrap());
        let callers: Vec<_> = (0..6)
            .map(|caller| tokio::spawn(drop_calls(Arc::clone(&session), caller, round)))
            .collect();
        drop(session);
        for step in 0..6 {
            tokio::time::sleep(Duration::from_micros(round * 7 % 900)).await;
            let turned = if step % 2 == 0 {
                sandbox.suspend()
            } else {
                sandbox.resume()
            };
            turned.unwrap();
        }
        if round % 3 == 0 {
            soon(sandbox.stop()).await.unwrap();
        }
        for caller in callers {
            soon(caller).await.unwrap();
        }
        soon(all_gone(&sandbox)).await;
        assert_eq!(
            (sandbox.usage().memory.as_bytes(), sandbox.usage().processes),
            (0, 0),
            "round {round}"
        );
    }
}

async fn drop_calls(session: Arc<Session>, caller: u64, round: u64) {
    for turn in 0..8 {
        let (function, arguments) = match (caller + turn) % 3 {
            0 => ("count", json!({})),
            1 => ("sleep", json!({"nanoseconds": 500_000})),
            _ => ("work", json!({"rounds": 100_000})),
        };
        let patience = Duration::from_micros((caller * 37 + turn * 411 + round * 13) % 3000);
        let _ = tokio::time::timeout(patience, session.call(function, arguments, Bytes::Base64)).await;
    }
}

/// The instance is another one, and knows nothing of the calls before.
#[tokio::test]
async fn a_session_goes_on_after_a_rollback_and_one_which_had_ended_does_not() {
    use palisade::snapshots::{Details, Durability, Scope};
    let sandbox = sandbox(spec());
    let session = open(&sandbox, LONG).await;
    let ended = open(&sandbox, LONG).await;
    assert_eq!((count(&session).await, count(&session).await), (json!(1), json!(2)));
    call(&ended, "trap", json!({})).await;
    let snapshots = sandbox.snapshots();
    let snapshot = snapshots.take(Details::default(), Durability::Soon).await.unwrap();
    let number = session.process();
    for _ in 0..2 {
        let (scope, details) = (Scope::default(), Details::default());
        snapshots
            .roll_back(snapshot.id, scope, details, Durability::Soon)
            .await
            .unwrap();
        assert!(session.ending().is_none() && ended.ending().is_some());
        assert_eq!(count(&session).await, json!(1));
        assert_eq!((session.process(), sandbox.processes().len()), (number, 1));
    }
    session.kill();
    while session.ending().is_none() {
        tokio::task::yield_now().await;
    }
    let (scope, details) = (Scope::default(), Details::default());
    snapshots
        .roll_back(snapshot.id, scope, details, Durability::Soon)
        .await
        .unwrap();
    assert!(session.ending().is_some() && sandbox.processes().is_empty());
}
