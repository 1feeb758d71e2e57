//! Tools: what is registered, what is called, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use palisade::policy::{ByteSize, CallLimits, CallRequest, FileAccess, LimitsRequest, Policy};
use palisade::{
    Call, Ending, Event, Host, HostConfig, Kind, Limit, LogLevel, Outcome, Program, Sandbox, SandboxSpec, Tool,
};
use palisade_tests::*;
use serde_json::{Value, json};

/// A tool in its text form, with whatever functions a test needs.
const TEXT: &str = r#"(component
    (core module $m
        (memory (export "memory") 1)
        (global $next (mut i32) (i32.const 1024))
        (global $calls (mut i32) (i32.const 0))
        (data (i32.const 8) "\00\00\00\00\18\00\00\00\05\00\00\00") (data (i32.const 24) "wrong")
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (local.get $at) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
            (block $enough
                (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536))))))
            (local.get $at))
        (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func (export "count") (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (global.get $calls))
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))
        (func (export "check") (param i32) (result i32)
            (i32.store8 (i32.const 8) (local.get 0)) (i32.const 8))
        (func (export "trap") unreachable)
        (func (export "spin") (loop (br 0)))
        (func (export "many") (param i32) (result i32)
            (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (local.get 0)) (i32.const 0)))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
    (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
    (func (export "count") (result u32) (canon lift (core func $i "count")))
    (func (export "echo") (param "text" string) (result string)
        (canon lift (core func $i "echo") (memory $memory) (realloc $realloc)))
    (func (export "check") (param "fails" bool) (result (result (error string)))
        (canon lift (core func $i "check") (memory $memory) (realloc $realloc)))
    (func (export "trap") (canon lift (core func $i "trap")))
    (func (export "spin") (canon lift (core func $i "spin")))
    (func (export "many") (param "bytes" u32) (result (list u8))
        (canon lift (core func $i "many") (memory $memory) (realloc $realloc)))
    (type $secret' (resource (rep i32)))
    (export $secret "secret" (type $secret'))
    (func (export "reveal") (param "of" (borrow $secret)) (canon lift (core func $i "trap-borrow"))))"#;

fn component(text: &str) -> Program {
    wat("text", text)
}

fn text() -> String {
    TEXT.replace("trap-borrow", "spin-borrow").replace(
        r#"(func (export "spin") (loop (br 0)))"#,
        r#"(func (export "spin") (loop (br 0))) (func (export "spin-borrow") (param i32) unreachable)"#,
    )
}

async fn tool() -> Tool {
    host().tools().add("text", component(&text())).await.unwrap()
}

async fn call(function: &str, arguments: Value) -> palisade::Result<Outcome> {
    sandbox(spec())
        .call(Call::new(&tool().await, function, arguments))
        .await
}

async fn returned(function: &str, arguments: Value) -> Value {
    let outcome = call(function, arguments).await.unwrap();
    assert_eq!(outcome.ending, Ending::Returned, "{outcome:?}");
    outcome.value.unwrap()
}

fn host_of_its_own() -> (Host, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    (Host::open(HostConfig::new(state.path())).unwrap(), state)
}

/// A component with one function of this name.
fn named(function: &str) -> Program {
    component(&format!(
        r#"(component (core module $m (func (export "f") (result i32) (i32.const 7)))
            (core instance $i (instantiate $m))
            (func (export "{function}") (result u32) (canon lift (core func $i "f"))))"#
    ))
}

#[tokio::test]
async fn a_function_is_called_by_name_with_json() {
    assert_eq!(returned("add", json!({"a": 2, "b": 3})).await, json!(5));
    let text = "ü \u{1F600} \"quoted\" \0";
    assert_eq!(returned("echo", json!({"text": text})).await, json!(text));
    let outcome = call("add", json!({"a": u32::MAX, "b": 0})).await.unwrap();
    assert!(outcome.usage.fuel.is_some_and(|fuel| fuel > 0), "{outcome:?}");
}

#[tokio::test]
async fn an_error_of_a_tool_is_an_outcome() {
    let outcome = call("check", json!({"fails": true})).await.unwrap();
    assert_eq!((outcome.ending, outcome.value), (Ending::Failed, Some(json!("wrong"))));
    let outcome = call("check", json!({"fails": false})).await.unwrap();
    assert_eq!(outcome.ending, Ending::Returned);
    call("trap", json!({})).await.unwrap().traps();
}

#[tokio::test]
async fn bad_arguments_are_an_error_before_anything_runs() {
    for (arguments, told) in [
        (json!({"a": 1}), "b"),
        (json!({"a": 1, "b": -1}), "$.b"),
        (json!({"a": 1, "b": 2, "c": 3}), "c"),
        (json!({"a": 1, "b": "2"}), "$.b"),
        (json!([1, 2]), "object"),
    ] {
        let error = call("add", arguments.clone()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert!(error.to_string().contains(told), "{arguments}: {error}");
    }
    let error = call("ad", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("did you mean \"add\""), "{error}");
}

#[tokio::test]
async fn each_call_has_a_fresh_instance() {
    for _ in 0..3 {
        assert_eq!(returned("count", json!({})).await, json!(1));
    }
}

#[tokio::test]
async fn what_cannot_be_offered_is_told_with_its_reason() {
    let tool = tool().await;
    let skipped = &tool.description().skipped;
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(skipped[0].name, "reveal");
    assert!(skipped[0].reason.contains("resource"), "{skipped:?}");
    let error = call("reveal", json!({"of": 1})).await.unwrap_err();
    assert!(error.to_string().contains("resource"), "{error}");
}

#[tokio::test]
async fn functions_are_described_by_schemas() {
    let tool = tool().await;
    let add = &tool.function("add").unwrap().parameters;
    assert_eq!(add["type"], "object");
    assert_eq!(add["required"], json!(["a", "b"]));
    assert_eq!(add["additionalProperties"], json!(false));
    assert_eq!(add["properties"]["a"]["maximum"], json!(u32::MAX));
    assert_eq!(
        tool.function("echo").unwrap().result.as_ref().unwrap()["type"],
        "string"
    );
    assert_eq!(tool.function("trap").unwrap().result, None);
}

#[tokio::test]
async fn calls_have_the_limits_of_their_sandbox() {
    let limits = |limits| async move {
        let tool = tool().await;
        move |function: &'static str, arguments: Value| {
            let (tool, limits): (Tool, LimitsRequest) = (tool.clone(), LimitsRequest::clone(&limits));
            async move {
                limited(limits)
                    .call(Call::new(&tool, function, arguments))
                    .await
                    .unwrap()
            }
        }
    };
    let fuel = LimitsRequest {
        fuel: Some(1_000_000),
        ..LimitsRequest::default()
    };
    limits(fuel).await("spin", json!({})).await.reaches(Limit::Fuel);
    let time = LimitsRequest {
        time: Some(Duration::from_millis(50)),
        ..LimitsRequest::default()
    };
    limits(time).await("spin", json!({})).await.reaches(Limit::Time);
    let memory = LimitsRequest {
        memory: Some(ByteSize::from_mib(1)),
        ..LimitsRequest::default()
    };
    let long = "x".repeat(3 << 20);
    limits(memory).await("echo", json!({"text": long}))
        .await
        .reaches(Limit::Memory);
    let output = LimitsRequest {
        output: Some(ByteSize::from_bytes(1000)),
        ..LimitsRequest::default()
    };
    limits(output.clone()).await("many", json!({"bytes": 60_000}))
        .await
        .reaches(Limit::Output);
    let outcome = limits(output).await("many", json!({"bytes": 3})).await;
    assert_eq!(outcome.value, Some(json!("AAAA")));
}

/// A list whose length is a lie, or which is larger than anybody may ask the host to hold.
#[tokio::test]
async fn a_lying_answer_is_a_trap() {
    for bytes in [65_537_u32, u32::MAX] {
        call("many", json!({"bytes": bytes})).await.unwrap().traps();
    }
}

#[tokio::test]
async fn a_component_without_functions_is_no_tool() {
    let (host, _state) = host_of_its_own();
    let error = host.tools().add("empty", component("(component)")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    let module = host.tools().add("module", wat("module", "(module)")).await.unwrap_err();
    assert!(module.to_string().contains("a tool is a component"), "{module}");
    for name in ["", "A", "a b", "../x", "ä", &"x".repeat(65)] {
        let error = host.tools().add(name, named("f")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{name:?}");
    }
    assert!(host.tools().list().unwrap().is_empty());
}

#[tokio::test]
async fn an_import_which_is_not_provided_is_named() {
    let (host, _state) = host_of_its_own();
    let text = r#"(component (import "evil:host/reach@1.0.0" (instance (export "f" (func)))))"#;
    let error = host.tools().add("evil", component(text)).await.unwrap_err();
    assert!(error.to_string().contains("evil:host/reach"), "{error}");
}

#[tokio::test]
async fn a_host_which_starts_again_has_its_tools() {
    let (host, state) = host_of_its_own();
    let first = host.tools().add("f", named("f")).await.unwrap();
    drop(host);
    let host = Host::open(HostConfig::new(state.path())).unwrap();
    let tool = host.tools().get("f").await.unwrap();
    assert_eq!(
        (tool.digest(), tool.description()),
        (first.digest(), first.description())
    );
    let sandbox = host.create(spec()).unwrap();
    let outcome = sandbox.call(Call::new(&tool, "f", json!({}))).await.unwrap();
    assert_eq!(outcome.value, Some(json!(7)));
}

#[tokio::test]
async fn what_one_host_changes_another_sees() {
    let (one, state) = host_of_its_own();
    let two = Host::open(HostConfig::new(state.path())).unwrap();
    assert_eq!(two.tools().get("f").await.unwrap_err().kind(), Kind::NotFound);
    one.tools().add("f", named("f")).await.unwrap();
    two.tools().get("f").await.unwrap();
    one.tools().set_enabled("f", false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(two.tools().get("f").await.unwrap_err().kind(), Kind::Conflict);
    one.tools().set_enabled("f", true).await.unwrap();
    two.tools().get("f").await.unwrap();
    two.tools().remove("f").await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(one.tools().get("f").await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(one.tools().remove("f").await.unwrap_err().kind(), Kind::NotFound);
    let left = std::fs::read_dir(state.path().join("tools")).unwrap().count();
    assert_eq!(left, 2, "the list and its lock");
}

#[tokio::test]
async fn versions_stay_side_by_side() {
    let (host, _state) = host_of_its_own();
    let old = host.tools().add("f", named("old")).await.unwrap();
    let new = host.tools().add("f", named("new")).await.unwrap();
    let digest = |tool: &Tool| tool.digest().to_hex().to_string();
    let get = async |reference: String| host.tools().get(&reference).await.map(|tool| tool.digest());
    assert_eq!(get("f".into()).await.unwrap(), new.digest());
    assert_eq!(get(format!("f@{}", &digest(&old)[..8])).await.unwrap(), old.digest());
    assert_eq!(get("f@ffff".into()).await.unwrap_err().kind(), Kind::NotFound);
    let listed: Vec<_> = host
        .tools()
        .list()
        .unwrap()
        .iter()
        .map(|entry| (entry.digest, entry.current))
        .collect();
    assert_eq!(listed, [(old.digest(), false), (new.digest(), true)]);
    host.tools().add("f", named("old")).await.unwrap();
    assert_eq!(get("f".into()).await.unwrap(), old.digest());
    host.tools().remove(&format!("f@{}", digest(&old))).await.unwrap();
    assert_eq!(get("f".into()).await.unwrap(), new.digest());
}

#[tokio::test]
async fn a_call_which_has_begun_goes_on_when_its_tool_is_removed() {
    let (host, _state) = host_of_its_own();
    let tool = host.tools().add("text", component(&text())).await.unwrap();
    let sandbox = Arc::new(host.create(spec()).unwrap());
    let spinning = {
        let (sandbox, tool) = (Arc::clone(&sandbox), tool.clone());
        tokio::spawn(async move { sandbox.call(Call::new(&tool, "spin", json!({}))).await })
    };
    while sandbox.processes().is_empty() {
        tokio::task::yield_now().await;
    }
    host.tools().remove("text").await.unwrap();
    let outcome = sandbox
        .call(Call::new(&tool, "add", json!({"a": 1, "b": 1})))
        .await
        .unwrap();
    assert_eq!(outcome.value, Some(json!(2)));
    sandbox.stop().await.unwrap();
    assert_eq!(spinning.await.unwrap().unwrap().ending, Ending::Killed);
}

#[tokio::test]
async fn what_was_stored_and_is_damaged_is_told() {
    let (host, state) = host_of_its_own();
    let tool = host.tools().add("f", named("f")).await.unwrap();
    drop(host);
    let file = |ending: &str| {
        state
            .path()
            .join("tools")
            .join(format!("{}.{ending}", tool.digest().to_hex()))
    };
    let get = async || {
        let host = Host::open(HostConfig::new(state.path())).unwrap();
        let tool = host.tools().get("f").await?;
        let sandbox = host.create(spec()).unwrap();
        sandbox.call(Call::new(&tool, "f", json!({}))).await.map(drop)
    };
    get().await.unwrap();
    // It is compiled from the file only where it was not before.
    std::fs::remove_dir_all(state.path().join("artefacts")).unwrap();
    std::fs::write(file("wasm"), "damaged").unwrap();
    assert_eq!(get().await.unwrap_err().kind(), Kind::Corrupt);
    std::fs::write(file("json"), "damaged").unwrap();
    assert_eq!(get().await.unwrap_err().kind(), Kind::Corrupt);
    std::fs::write(state.path().join("tools/tools.toml"), "damaged").unwrap();
    assert_eq!(get().await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn what_a_tool_logs_is_an_event_and_is_output() {
    let text = r#"(component
        (import "wasi:logging/logging@0.1.0-draft" (instance $logging
            (type $level' (enum "trace" "debug" "info" "warn" "error" "critical"))
            (export "level" (type $level (eq $level')))
            (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
        (core module $libc (memory (export "memory") 1) (data (i32.const 0) "forged\0aline"))
        (core instance $libc (instantiate $libc))
        (alias core export $libc "memory" (core memory $memory))
        (core func $log (canon lower (func $logging "log") (memory $memory)))
        (core module $m (import "" "log" (func $log (param i32 i32 i32 i32 i32)))
            (func (export "say") (call $log (i32.const 3) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 11)))
            (func (export "flood") (loop (call $log (i32.const 3) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 11)) (br 0))))
        (core instance $i (instantiate $m (with "" (instance (export "log" (func $log))))))
        (func (export "say") (canon lift (core func $i "say")))
        (func (export "flood") (canon lift (core func $i "flood"))))"#;
    let (host, _state) = host_of_its_own();
    let tool = host.tools().add("log", component(text)).await.unwrap();
    let mut events = host.events();
    let limits = LimitsRequest {
        output: Some(ByteSize::from_bytes(1000)),
        ..LimitsRequest::default()
    };
    let sandbox = host.create(spec().limits(limits)).unwrap();
    let said = sandbox.call(Call::new(&tool, "say", json!({}))).await.unwrap();
    assert_eq!((said.ending, said.value), (Ending::Returned, None));
    let logged = std::iter::from_fn(|| events.try_next()).find_map(|delivery| match delivery {
        palisade::Delivery::Event(Event::GuestLogged {
            level,
            context,
            message,
            ..
        }) => Some((level, context, message)),
        _ => None,
    });
    assert_eq!(
        logged,
        Some((LogLevel::Warn, "forged".into(), "forged\\u{a}line".into()))
    );
    let flood = sandbox.call(Call::new(&tool, "flood", json!({}))).await.unwrap();
    flood.reaches(Limit::Output);
}

/// A tool of `tools/`, as it is shipped.
async fn shipped(name: &str) -> Tool {
    let component = Program::from_file(palisade_guests::path(&format!("{name}.wasm"))).unwrap();
    host().tools().add(name, component).await.unwrap()
}

/// A sandbox under a policy with these rules for tools, with a file `/notes` in it and a variable.
fn under(tools: &str) -> Sandbox {
    let policy = Policy::from_toml(&format!("{tools}\n[env]\nallow = [\"*\"]\n")).unwrap();
    let sandbox = sandbox(SandboxSpec::new(policy).env("SECRET", "s3cret").env("LANG", "C"));
    sandbox.workspace().write("/notes", b"one\ntwo\n").unwrap();
    sandbox
}

async fn read(sandbox: &Sandbox, request: CallRequest) -> palisade::Result<Outcome> {
    let call = Call::new(&shipped("files").await, "read", json!({"path": "/notes"}));
    sandbox.call(call.narrow(request)).await
}

async fn write(sandbox: &Sandbox, request: CallRequest) -> palisade::Result<Outcome> {
    let arguments = json!({"path": "/made", "text": "x"});
    let call = Call::new(&shipped("files").await, "write", arguments);
    sandbox.call(call.narrow(request)).await
}

fn files(access: FileAccess) -> CallRequest {
    CallRequest {
        files: Some(access),
        ..CallRequest::default()
    }
}

#[tokio::test]
async fn a_policy_says_which_tools_are_called() {
    for tools in [
        "",
        "tools = [{ name = 'other' }]",
        "tools = [{ name = 'files', functions = ['list'] }]",
    ] {
        let error = read(&under(tools), CallRequest::default()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{tools}: {error}");
        let denial = &error.denials()[0];
        assert!(denial.rule.starts_with("tools"), "{denial:?}");
        // What would do, does.
        let granted = under(&denial.smallest_grant.replace("; ", "\n"));
        read(&granted, CallRequest::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_tool_has_the_files_that_it_is_granted() {
    let all = under("tools = [{ name = 'files', files = 'read-write' }]");
    let outcome = read(&all, CallRequest::default()).await.unwrap();
    assert!(outcome.value.unwrap().to_string().contains("two"));
    assert_eq!(
        write(&all, CallRequest::default()).await.unwrap().ending,
        Ending::Returned
    );

    let reads = under("tools = [{ name = 'files', files = 'read-only' }]");
    assert_eq!(
        read(&reads, CallRequest::default()).await.unwrap().ending,
        Ending::Returned
    );
    let outcome = write(&reads, files(FileAccess::ReadWrite)).await.unwrap();
    assert_eq!(
        (&outcome.ending, outcome.denials[0].rule.as_str()),
        (&Ending::Failed, "tools"),
        "{outcome:?}"
    );
    assert!(reads.workspace().stat("/made").is_err());

    let nothing = under("tools = [{ name = 'files', files = 'none' }]");
    for request in [
        CallRequest::default(),
        files(FileAccess::ReadOnly),
        files(FileAccess::ReadWrite),
    ] {
        let outcome = read(&nothing, request).await.unwrap();
        assert_eq!(outcome.ending, Ending::Failed);
        let [denial] = &outcome.denials[..] else {
            panic!("{outcome:?}");
        };
        assert_eq!(denial.rule, "tools");
        assert!(denial.smallest_grant.contains("read-only"), "{denial:?}");
    }
    // Nothing is denied to one which asks for nothing.
    let text = under("tools = [{ name = 'text', files = 'none' }]");
    let count = Call::new(&shipped("text").await, "count", json!({"text": "a"}));
    let outcome = text.call(count).await.unwrap();
    assert_eq!((&outcome.ending, outcome.denials.len()), (&Ending::Returned, 0));
}

#[tokio::test]
async fn a_call_narrows_what_its_tool_is_granted() {
    let all = under("tools = [{ name = '*', files = 'read-write' }]");
    assert_eq!(
        write(&all, files(FileAccess::ReadOnly)).await.unwrap().ending,
        Ending::Failed
    );
    assert_eq!(
        read(&all, files(FileAccess::ReadOnly)).await.unwrap().ending,
        Ending::Returned
    );
    assert_eq!(
        read(&all, files(FileAccess::None)).await.unwrap().ending,
        Ending::Failed
    );
    assert_eq!(
        read(&all, CallRequest::default()).await.unwrap().ending,
        Ending::Returned
    );

    let limits = |limits| CallRequest {
        limits,
        ..CallRequest::default()
    };
    let tool = tool().await;
    let call = async |function: &str, arguments: Value, request: CallLimits| {
        let call = Call::new(&tool, function, arguments).narrow(limits(request));
        all.call(call).await.unwrap()
    };
    let fuel = CallLimits {
        fuel: Some(100_000),
        ..CallLimits::default()
    };
    call("spin", json!({}), fuel).await.reaches(Limit::Fuel);
    let time = CallLimits {
        time: Some(Duration::from_millis(30)),
        ..CallLimits::default()
    };
    call("spin", json!({}), time).await.reaches(Limit::Time);
    let memory = CallLimits {
        memory: Some(ByteSize::from_mib(1)),
        ..CallLimits::default()
    };
    let text = json!({"text": "x".repeat(2 << 20)});
    call("echo", text.clone(), memory).await.reaches(Limit::Memory);
    let output = CallLimits {
        output: Some(ByteSize::from_bytes(100)),
        ..CallLimits::default()
    };
    call("many", json!({"bytes": 1000}), output)
        .await
        .reaches(Limit::Output);
    assert_eq!(call("echo", text, CallLimits::default()).await.ending, Ending::Returned);
}

/// A limit which nothing would enforce is an error.
#[tokio::test]
async fn a_call_has_no_limit_of_fuel_where_none_is_counted() {
    let sandbox = sandbox(SandboxSpec::new(Policy::trusted()));
    let request = CallRequest {
        limits: CallLimits {
            fuel: Some(1),
            ..CallLimits::default()
        },
        ..CallRequest::default()
    };
    let error = read(&sandbox, request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("metering"), "{error}");
}

#[tokio::test]
async fn a_batch_has_an_outcome_for_each_call() {
    let sandbox = sandbox(spec());
    let tool = tool().await;
    let add = |a: u32| Call::new(&tool, "add", json!({"a": a, "b": 1}));
    let mut calls: Vec<(String, Call)> = (0..40).map(|at| (format!("add {at:02}"), add(at))).collect();
    calls.push(("trap".into(), Call::new(&tool, "trap", json!({}))));
    calls.push(("wrong".into(), Call::new(&tool, "add", json!({}))));
    let mut outcomes = sandbox.call_all(calls).await;
    assert_eq!(outcomes.len(), 42);
    outcomes.remove("trap").unwrap().unwrap().traps();
    assert_eq!(
        outcomes.remove("wrong").unwrap().unwrap_err().kind(),
        Kind::InvalidInput
    );
    let sums: Vec<Value> = outcomes
        .into_values()
        .map(|outcome| outcome.unwrap().value.unwrap())
        .collect();
    assert_eq!(sums, (1..=40).map(Value::from).collect::<Vec<_>>());
    assert_eq!(sandbox.usage().processes, 0);
}

/// Types and exports whose size is not that of the component.
#[tokio::test]
async fn what_is_large_on_purpose_is_refused_soon() {
    let (host, _state) = host_of_its_own();
    let lift = "(core module $m (func (export \"f\"))) (core instance $i (instantiate $m))";
    let one = "(canon lift (core func $i \"f\"))";
    let functions: String = (0..1500).map(|at| format!("(func (export \"f{at}\") {one})")).collect();
    let exports: String = (0..5000).map(|at| format!("(func (export \"f{at}\") {one})")).collect();
    let wide: String = (0..20_000).map(|at| format!("(param \"p{at}\" u8)")).collect();
    // Each type has the one before it twice: 2 to the power of 40 parts.
    let doubled: String = (1..40)
        .map(|at| format!("(type $t{at} (tuple $t{0} $t{0}))", at - 1))
        .collect();
    let nested: String = (1..90)
        .map(|at| format!("(type $t{at} (option $t{}))", at - 1))
        .collect();
    let taking = |types: &str, ty: &str| {
        format!(
            r#"(type $t0 (tuple u8 u8)) {types}
            (core module $l (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                (func (export "g") (param i32 i32)))
            (core instance $j (instantiate $l)) (alias core export $j "m" (core memory $mem))
            (func (export "g") (param "x" (list {ty}))
                (canon lift (core func $j "g") (memory $mem) (realloc (core func $j "r"))))"#
        )
    };
    for (what, text) in [
        ("functions", format!("{lift} {functions}")),
        ("exports", format!("{lift} {exports}")),
        ("doubled", taking(&doubled, "$t39")),
        ("nested", taking(&nested, "$t89")),
        ("wide", format!("{lift} (func (export \"wide\") {wide} {one})")),
    ] {
        let text = format!("(component {text})");
        let bytes = ::wat::parse_str(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        let component = Program::from_bytes(what, bytes).unwrap();
        let error = host.tools().add(what, component).await.expect_err(what);
        assert_eq!(error.kind(), Kind::InvalidInput, "{what}: {error}");
    }
    assert!(host.tools().list().unwrap().is_empty());
}

/// An argument or an answer which takes far more in the host's memory than in its own form.
#[tokio::test]
async fn values_which_grow_in_the_host_are_bounded() {
    let outcome = call("many", json!({"bytes": 60_000})).await.unwrap();
    assert_eq!(outcome.ending, Ending::Returned);
    // Each byte of a list takes some ten in the host; the guest's own memory is only claimed.
    let text = text().replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 1024)");
    let tool = host().tools().add("large", component(&text)).await.unwrap();
    let sandbox = sandbox(spec());
    let outcome = sandbox
        .call(Call::new(&tool, "many", json!({"bytes": 60_000_000})))
        .await
        .unwrap();
    outcome.reaches(Limit::Memory);

    // Of flags, the engine counts the names alone.
    let flags: String = (0..32).map(|at| format!("\"f{at}\" ")).collect();
    let text = text.replace("(result (list u8))", "(result (list $flags))").replace(
        "(func (export \"many\") (param \"bytes\"",
        &format!("(type $flags' (flags {flags})) (export $flags \"flags\" (type $flags'))\n(func (export \"many\") (param \"bytes\""),
    );
    let tool = host().tools().add("flags", component(&text)).await.unwrap();
    let outcome = sandbox
        .call(Call::new(&tool, "many", json!({"bytes": 1_000_000})))
        .await
        .unwrap();
    outcome.reaches(Limit::Memory);
}

#[tokio::test]
async fn names_and_docs_are_bounded() {
    let (host, _state) = host_of_its_own();
    let error = host.tools().add("long", named(&"f".repeat(257))).await.unwrap_err();
    assert!(error.to_string().contains("256 bytes"), "{error}");
    let docs = json!({"worlds": {"root": {"func_exports": {"f": {"docs": "x".repeat(100_000)}}}}}).to_string();
    let docs = docs.replace('"', "\\\"");
    let text = format!(
        r#"(component (@custom "package-docs" "\01{docs}") (core module $m (func (export "f")))
            (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))"#
    );
    let tool = host.tools().add("documented", component(&text)).await.unwrap();
    assert_eq!(
        tool.function("f").unwrap().docs.as_ref().map(String::len),
        Some(8 << 10)
    );
    for reference in ["documented@", &"x".repeat(1000)] {
        assert_eq!(
            host.tools().get(reference).await.unwrap_err().kind(),
            Kind::InvalidInput
        );
    }
}

/// A version says as much as it likes after a `+`.
#[tokio::test]
async fn imports_with_long_names_are_bounded() {
    let (host, _state) = host_of_its_own();
    let importing = |count: usize| {
        let version = |at| format!("0.2.{at}+{}", "m".repeat(50_000));
        let imports = (0..count).map(|at| format!("(import \"wasi:io/poll@{}\" (instance))", version(at)));
        component(&format!(
            r#"(component {} (core module $m (func (export "f")))
                (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))"#,
            imports.collect::<String>()
        ))
    };
    let tool = host.tools().add("some", importing(10)).await.unwrap();
    assert_eq!(tool.description().imports.len(), 10);
    let error = host.tools().add("many", importing(100)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("description"), "{error}");
}

#[tokio::test]
async fn what_a_dead_process_left_is_removed_and_what_is_disabled_stays_so() {
    let (host, state) = host_of_its_own();
    let tools = state.path().join("tools");
    for name in [".new-0123456789abcdef", &format!("{}.wasm", "0".repeat(64))] {
        std::fs::write(tools.join(name), "left").unwrap();
    }
    let tool = host.tools().add("f", named("f")).await.unwrap();
    assert_eq!(
        std::fs::read_dir(&tools).unwrap().count(),
        4,
        "the list, its lock, the component, what it offers"
    );
    host.tools().set_enabled("f", false).await.unwrap();
    host.tools().add("f", named("f")).await.unwrap();
    assert_eq!(host.tools().get("f").await.unwrap_err().kind(), Kind::Conflict);

    // It is held, but has to be compiled anew.
    host.tools().remove("f").await.unwrap();
    let canonical = SandboxSpec::new(Policy::from_toml("canonical-nans = true\ntools = [{ name = 'f' }]").unwrap());
    let sandbox = host.create(canonical).unwrap();
    let error = sandbox.call(Call::new(&tool, "f", json!({}))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}
