//! Scripts: files whose functions an interpreter offers. The interpreter here gives back what it is given: a script is
//! its own description, and a call answers with its arguments.

use std::time::Duration;

use palisade::policy::{ByteSize, LimitsRequest, Policy};
use palisade::{Bytes, Call, Ending, Error, Host, HostConfig, Kind, Sandbox, SandboxSpec, Tool};
use palisade_tests::*;
use serde_json::{Value, json};

const ECHO: &str = r#"(component
    (core module $m
        (memory (export "memory") 64)
        (global $next (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at))
        (func $ok (param i32 i32) (result i32)
            (i32.store (i32.const 4) (local.get 0)) (i32.store (i32.const 8) (local.get 1)) (i32.const 0))
        (func (export "describe") (param i32 i32) (result i32) (call $ok (local.get 0) (local.get 1)))
        (func (export "call") (param i32 i32 i32 i32 i32 i32) (result i32)
            ;; The function called `broken` answers with its name, which is no JSON.
            (if (i32.eq (i32.load8_u (local.get 2)) (i32.const 98))
                (then (return (call $ok (local.get 2) (local.get 3)))))
            (if (i32.eq (i32.load8_u (local.get 2)) (i32.const 115)) (then (loop (br 0))))
            (i32.store8 (i32.const 0) (i32.eq (i32.load8_u (local.get 2)) (i32.const 102)))
            (call $ok (local.get 4) (local.get 5))))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
    (func $describe (param "source" string) (result (result string (error string)))
        (canon lift (core func $i "describe") (memory $memory) (realloc $realloc)))
    (func $call (param "source" string) (param "function" string) (param "arguments" string)
        (result (result string (error string)))
        (canon lift (core func $i "call") (memory $memory) (realloc $realloc)))
    (instance $interpreter (export "describe" (func $describe)) (export "call" (func $call)))
    (export "palisade:script/interpreter@0.1.0" (instance $interpreter)))"#;

const LONG: Duration = Duration::from_secs(60);

/// A host with an interpreter and a sandbox to look at scripts in.
struct Bench {
    host: Host,
    state: tempfile::TempDir,
    interpreter: Tool,
    sandbox: Sandbox,
}

impl Bench {
    async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let host = Host::open(HostConfig::new(state.path())).unwrap();
        let interpreter = host.tools().add("echo", wat("echo", ECHO)).await.unwrap();
        let sandbox = host.create(spec()).unwrap();
        Self {
            host,
            state,
            interpreter,
            sandbox,
        }
    }

    async fn add(&self, name: &str, source: impl Into<String>) -> Result<Tool, Error> {
        let tools = self.host.tools();
        tools
            .add_script(name, source.into(), &self.interpreter, &self.sandbox)
            .await
    }

    async fn call(&self, tool: &Tool, function: &str, arguments: Value) -> Result<Value, Error> {
        let outcome = self.sandbox.call(Call::new(tool, function, arguments)).await?;
        assert_eq!(outcome.ending, Ending::Returned, "{outcome:?}");
        Ok(outcome.value.unwrap())
    }
}

/// A script with one function, whose arguments have this schema.
fn script(parameters: Value) -> String {
    described(json!([{"name": "give", "docs": "Gives it back.", "parameters": parameters, "result": {}}]))
}

fn described(functions: Value) -> String {
    json!({"docs": null, "functions": functions, "skipped": []}).to_string()
}

fn any() -> Value {
    json!({"type": "object"})
}

#[tokio::test]
async fn the_functions_of_a_script_are_called_as_those_of_a_component() {
    let bench = Bench::new().await;
    let tool = bench.add("given", script(any())).await.unwrap();
    assert_eq!(tool.function("give").unwrap().docs.as_deref(), Some("Gives it back."));
    assert_eq!(tool.interpreter(), Some(bench.interpreter.digest()));
    let answer = json!({"a": [1, 2.5, "x", null, {"b": true}], "long": "ä\n".repeat(10_000)});
    assert_eq!(bench.call(&tool, "give", answer.clone()).await.unwrap(), answer);

    let session = bench.sandbox.open_session(&tool, LONG, &Default::default()).unwrap();
    let outcome = session.call("give", json!({"a": 1}), Bytes::Base64).await.unwrap();
    assert_eq!(outcome.value, Some(json!({"a": 1})));
    let error = session.call("take", json!({}), Bytes::Base64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn arguments_are_checked_before_anything_runs() {
    let bench = Bench::new().await;
    let schema = json!({
        "type": "object",
        "properties": {
            "count": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^-?[0-9]+$"}]},
            "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
            "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "boolean"}], "minItems": 2, "maxItems": 2},
            "map": {"type": "object", "additionalProperties": {"type": "null"}},
            "way": {"enum": ["up", "down", 3]},
            "bytes": {"type": "string", "contentEncoding": "base64"},
            "some": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
        },
        "required": ["count"],
        "additionalProperties": false,
    });
    let tool = bench.add("given", script(schema)).await.unwrap();
    for good in [
        json!({"count": 1}),
        json!({"count": "-123456789012345678901234567890"}),
        json!({"count": 1.0, "items": [{"name": "a", "other": 1}], "pair": [1, true], "map": {"x": null}}),
        json!({"count": 1, "way": 3, "bytes": "AAE=", "some": null}),
        json!({"count": 1, "some": [1, 2]}),
    ] {
        assert_eq!(bench.call(&tool, "give", good.clone()).await.unwrap(), good);
    }
    for (bad, message) in [
        (json!([]), "give: $: expected an object, found an array of 0"),
        (
            json!({}),
            "give: $.count: expected an integer or a string of digits, found nothing",
        ),
        (
            json!({"count": true}),
            "give: $.count: expected an integer or a string of digits, found true",
        ),
        (
            json!({"count": 1.5}),
            "give: $.count: expected an integer or a string of digits, found 1.5",
        ),
        (
            json!({"count": "1e3"}),
            r#"give: $.count: expected an integer or a string of digits, found "1e3""#,
        ),
        (
            json!({"count": 1, "cuont": 2}),
            r#"give: $: expected a known name, such as "count", found "cuont""#,
        ),
        (
            json!({"count": 1, "items": [{"name": "a"}, {}]}),
            "give: $.items[1].name: expected a string, found nothing",
        ),
        (
            json!({"count": 1, "pair": [1]}),
            "give: $.pair: expected an array of 2, found an array of 1",
        ),
        (
            json!({"count": 1, "pair": [1, 2]}),
            "give: $.pair[1]: expected true or false, found 2",
        ),
        (
            json!({"count": 1, "map": {"x": 0}}),
            "give: $.map.x: expected null, found 0",
        ),
        (
            json!({"count": 1, "way": "left"}),
            r#"give: $.way: expected "up" or "down" or 3, found "left""#,
        ),
        (
            json!({"count": 1, "bytes": "A"}),
            r#"give: $.bytes: expected base64 with its padding, found "A""#,
        ),
        (
            json!({"count": 1, "some": [1, "x"]}),
            r#"give: $.some[1]: expected an integer, found "x""#,
        ),
        (
            json!({"count": 1e30}),
            "give: $.count: expected an integer or a string of digits, found 1e+30",
        ),
        (
            json!({"count": 1, "some": "x"}),
            r#"give: $.some: expected an array or null, found "x""#,
        ),
    ] {
        let error = bench.call(&tool, "give", bad).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (Kind::InvalidInput, message)
        );
    }
}

#[tokio::test]
async fn what_an_interpreter_tells_is_not_believed() {
    let bench = Bench::new().await;
    let nested = (0..40).fold(json!({"type": "null"}), |inner, _| json!({"anyOf": [inner]}));
    let wide = json!({"anyOf": vec![json!({"type": "null"}); 2000]});
    let many: Vec<Value> = (0..300)
        .map(|number| json!({"name": format!("f{number}"), "docs": null, "parameters": any(), "result": null}))
        .collect();
    let function = |name: &str| json!({"name": name, "docs": null, "parameters": any(), "result": null});
    for (source, why) in [
        ("def f(): pass".to_owned(), "description"),
        ("[".repeat(100_000), "description"),
        (json!({"functions": []}).to_string(), "description"),
        (described(json!([{"name": "f"}])), "description"),
        (described(json!([])), "no function"),
        (described(json!(many)), "200 functions"),
        (described(json!([function("f"), function("f")])), "one name"),
        (described(json!([function("")])), "no name"),
        (described(json!([function("a\u{1b}[2J")])), "no name"),
        (described(json!([function(&"f".repeat(1000))])), "no name"),
        (script(json!({"$ref": "#"})), "$ref"),
        (script(json!({"type": "string", "pattern": "(a+)+$"})), "pattern"),
        (
            script(json!({"type": "object", "patternProperties": {}})),
            "patternProperties",
        ),
        (script(json!({"type": "thing"})), "thing"),
        (script(json!(true)), "object"),
        (script(json!({"enum": (0..2000).collect::<Vec<_>>()})), "parts"),
        (script(json!({"type": "object", "required": vec!["a"; 2000]})), "parts"),
        (script(json!({"type": "null", "default": vec![0; 2000]})), "parts"),
        (script(json!({"type": "null", "title": {"x": 1}})), "title"),
        (script(json!({"type": ["null", "string"]})), "type"),
        (script(json!({"type": "object", "properties": []})), "properties"),
        (script(json!({"enum": []})), "enum"),
        (script(json!({"enum": ["a"], "type": "integer"})), "enum"),
        (script(json!({"anyOf": []})), "anyOf"),
        (
            json!({"functions": [], "skipped": [{"name": "f", "reason": "\u{1b}x".repeat(100_000)}]}).to_string(),
            "f: ",
        ),
        (format!(r#"{{"functions": "{}"}}"#, "x".repeat(100_000)), "description"),
        (
            format!(
                r#"{{"functions": [], "skipped": [], "docs": [{}0]}}"#,
                r#"{"":0},"#.repeat(50_000)
            ),
            "memory",
        ),
        (
            described(json!([{"name": "f", "docs": null, "parameters": any(), "result": {"$ref": "#"}}])),
            "$ref",
        ),
        (described(json!([function("*")])), "no name"),
        (described(json!([function("a\u{202e}b")])), "no name"),
        (script(nested), "deep"),
        (script(wide), "parts"),
        (" ".repeat((1 << 20) + 1), "at most 1048576"),
    ] {
        let error = bench.add("bad", source).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        let message = error.to_string();
        assert!(message.contains(why) && message.len() < 5000, "{why}: {message}");
    }
    assert_eq!(bench.host.tools().list().unwrap().len(), 1);

    let functions = json!([function("broken"), function("failing"), function("spinning")]);
    let tool = bench.add("bent", described(functions)).await.unwrap();
    let call = |function: &str, arguments: Value| bench.sandbox.call(Call::new(&tool, function, arguments));
    let broken = call("broken", json!({})).await.unwrap();
    assert!(
        matches!(&broken.ending, Ending::Trapped(why) if why.contains("no JSON")),
        "{broken:?}"
    );
    assert_eq!(broken.value, None);
    // As any trap does, it ends a session.
    let session = bench.sandbox.open_session(&tool, LONG, &Default::default()).unwrap();
    let broken = session.call("broken", json!({}), Bytes::Base64).await.unwrap();
    assert!(matches!(broken.ending, Ending::Trapped(_)));
    let over = session.call("failing", json!({}), Bytes::Base64).await.unwrap_err();
    assert_eq!(over.kind(), Kind::Conflict);
    let failing = call("failing", json!({"a": 1})).await.unwrap();
    assert_eq!((failing.ending, failing.value), (Ending::Failed, Some(json!({"a": 1}))));
}

#[tokio::test]
async fn a_script_is_looked_at_under_the_limits_of_the_sandbox() {
    let bench = Bench::new().await;
    let spinning = ECHO.replace(
        r#"(func (export "describe") (param i32 i32) (result i32) (call $ok (local.get 0) (local.get 1)))"#,
        r#"(func (export "describe") (param i32 i32) (result i32) (loop (br 0)) unreachable)"#,
    );
    let spinning = bench
        .host
        .tools()
        .add("spinning", wat("spinning", &spinning))
        .await
        .unwrap();
    let limits = LimitsRequest {
        fuel: Some(1_000_000),
        ..LimitsRequest::default()
    };
    let sandbox = bench.host.create(spec().limits(limits)).unwrap();
    let added = bench
        .host
        .tools()
        .add_script("s", script(any()), &spinning, &sandbox)
        .await;
    let error = added.unwrap_err();
    assert!(error.to_string().contains("limit of fuel"), "{error}");
}

#[tokio::test]
async fn what_is_no_interpreter_interprets_nothing() {
    let bench = Bench::new().await;
    let adder = r#"(component (core module $m (func (export "f")))
        (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))"#;
    let adder = bench.host.tools().add("adder", wat("adder", adder)).await.unwrap();
    let script = bench.add("script", script(any())).await.unwrap();
    for tool in [adder, script] {
        let added = bench
            .host
            .tools()
            .add_script("s", "{}".into(), &tool, &bench.sandbox)
            .await;
        let error = added.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert!(error.to_string().contains("is no interpreter"), "{error}");
    }
}

#[tokio::test]
async fn scripts_are_kept_with_their_interpreter() {
    let bench = Bench::new().await;
    let first = bench.add("given", script(any())).await.unwrap();
    let second = bench
        .add(
            "given",
            script(json!({"type": "object", "additionalProperties": false})),
        )
        .await
        .unwrap();
    assert_ne!(first.digest(), second.digest());
    // Another component of the same kind, under the same name.
    let other = ECHO.replace("(i32.const 1024)", "(i32.const 2048)");
    bench.host.tools().add("echo", wat("echo", &other)).await.unwrap();
    bench.host.tools().remove("echo").await.unwrap();

    let again = Host::open(HostConfig::new(bench.state.path())).unwrap();
    let tool = again.tools().get("given").await.unwrap();
    assert_eq!(
        (tool.digest(), tool.interpreter()),
        (second.digest(), second.interpreter())
    );
    assert_eq!(tool.description(), second.description());
    let earlier = again
        .tools()
        .get(&format!("given@{}", first.digest().to_hex()))
        .await
        .unwrap();
    let sandbox = again.create(spec()).unwrap();
    let outcome = sandbox
        .call(Call::new(&earlier, "give", json!({"a": 1})))
        .await
        .unwrap();
    assert_eq!(outcome.value, Some(json!({"a": 1})));

    let file = bench
        .state
        .path()
        .join("tools")
        .join(format!("{}.script", second.digest().to_hex()));
    std::fs::write(file, script(any())).unwrap();
    let anew = Host::open(HostConfig::new(bench.state.path())).unwrap();
    assert_eq!(anew.tools().get("given").await.unwrap_err().kind(), Kind::Corrupt);

    anew.tools().remove("given").await.unwrap();
    let mut left: Vec<_> = std::fs::read_dir(bench.state.path().join("tools"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["lock", "tools.toml"]);
}

#[tokio::test]
async fn a_policy_grants_a_script_by_its_own_name() {
    let bench = Bench::new().await;
    let tool = bench.add("given", script(any())).await.unwrap();
    for (grants, granted) in [
        ("", false),
        ("[[tools]]\nname = \"echo\"\n", false),
        ("[[tools]]\nname = \"given\"\nfunctions = [\"take\"]\n", false),
        ("[[tools]]\nname = \"given\"\nfunctions = [\"give\"]\n", true),
    ] {
        let policy = Policy::from_toml(grants).unwrap();
        let sandbox = bench.host.create(SandboxSpec::new(policy)).unwrap();
        let called = sandbox.call(Call::new(&tool, "give", json!({}))).await;
        assert_eq!(
            called.map_err(|error| error.kind()).err(),
            (!granted).then_some(Kind::Denied),
            "{grants}"
        );
    }
}

/// Whoever adds a script may call it, and so choose both.
#[tokio::test]
async fn no_schema_takes_long_to_compare_with() {
    let bench = Bench::new().await;
    let numbers = json!({"enum": (0..900).collect::<Vec<_>>()});
    let alternatives = json!({"anyOf": vec![json!({"type": "string", "contentEncoding": "base64"}); 900]});
    let nested = (0..15).fold(json!({"type": "null"}), |inner, _| json!({"anyOf": [inner, inner]}));
    let arguments = [json!(vec![-1; 100_000]), json!(vec!["=".repeat(1000); 1000])];
    for (at, schema) in [numbers, alternatives].into_iter().enumerate() {
        let schema = json!({"anyOf": [{"type": "array", "items": schema}, {"type": "null"}]});
        let tool = bench.add("slow", script(schema)).await.unwrap();
        for arguments in &arguments {
            let started = std::time::Instant::now();
            let called = bench.sandbox.call(Call::new(&tool, "give", arguments.clone())).await;
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{at}: {:?}",
                started.elapsed()
            );
            assert_eq!(called.unwrap_err().kind(), Kind::InvalidInput);
        }
    }
    assert!(bench.add("nested", script(nested)).await.is_err());
}

#[tokio::test]
async fn a_short_answer_of_a_large_value_is_not_taken() {
    let bench = Bench::new().await;
    let tool = bench.add("large", script(json!({}))).await.unwrap();
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(32)),
        ..LimitsRequest::default()
    };
    let sandbox = bench.host.create(spec().limits(limits)).unwrap();
    let large = json!(vec![json!({"": 0}); 50_000]);
    let outcome = sandbox.call(Call::new(&tool, "give", large)).await.unwrap();
    assert!(
        matches!(&outcome.ending, Ending::Trapped(why) if why.contains("memory")),
        "{:?}",
        outcome.ending
    );
}

#[tokio::test]
async fn a_script_takes_no_calls_while_its_interpreter_is_disabled() {
    let bench = Bench::new().await;
    bench.add("given", script(any())).await.unwrap();
    bench.host.tools().set_enabled("echo", false).await.unwrap();
    let error = bench.host.tools().get("given").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    bench.host.tools().set_enabled("echo", true).await.unwrap();
    bench.host.tools().get("given").await.unwrap();
}
