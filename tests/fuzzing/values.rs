//! Values: whatever JSON a function is called with, it is refused with the place that is wrong, or the answer of a
//! function which gives back what it gets comes back the same when it is given again; as the schemas say.

use std::time::Duration;

use palisade::policy::{ByteSize, CallRequest, LimitsRequest, Policy};
use palisade::{Bytes, Call, Ending, Host, Kind, Outcome, Program, Result, Sandbox, SandboxSpec, Tool};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::types::{Kinds, Types};
use super::{Attempt, json, validator};

/// Functions of one component.
const FUNCTIONS: usize = 3;

/// Calls of each.
const CALLS: usize = 8;

/// Parameters beside the value where it is to go in by itself: with more than 16, all of them are in memory.
const OTHERS: usize = 17;

/// Values of any type in two ways: a list goes in and out as a pointer and a length, and parameters in memory are at the
/// place of a tuple which begins as they do.
const ECHO: &str = r#"
    (core module $m
        (memory (export "memory") 4)
        (global $next (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (local.get $at) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
            (block $enough
                (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (drop (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get 3) (i32.const 65536))))))
            (local.get $at))
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))
        (func (export "same") (param i32) (result i32) (local.get 0)))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))"#;

pub(crate) fn start() -> Attempt {
    super::on_a_host(async |host, random| attempt(host, random).await)
}

async fn attempt(host: &Host, random: &mut ChaCha8Rng) {
    let text = component(random);
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let program = Program::from_bytes("echo", bytes).expect("it is a component");
    let tool = host.tools().add("echo", program).await;
    let tool = tool.unwrap_or_else(|error| panic!("{error}: {text}"));
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(64)),
        time: Some(Duration::from_secs(30)),
        ..LimitsRequest::default()
    };
    let sandbox = host
        .create(SandboxSpec::new(Policy::standard()).limits(limits))
        .expect("the policy grants it");
    for function in &tool.description().functions {
        let echo = Echo {
            sandbox: &sandbox,
            tool: &tool,
            function: &function.name,
            parameters: &function.parameters,
            result: function.result.as_ref().expect("it gives back what it gets"),
        };
        for _ in 0..CALLS {
            echo.check(random).await;
        }
    }
    sandbox.destroy().await.expect("its files can be removed");
    host.tools().remove("echo").await.expect("it was added");
}

fn component(random: &mut ChaCha8Rng) -> String {
    let mut types = Types::default();
    let functions: String = (0..FUNCTIONS)
        .map(|at| {
            let ty = types.any(random, Kinds::Valued, 4);
            let (core, parameters, result) = match random.random_range(0..2) {
                0 => ("echo", format!("(param \"x\" (list {ty}))"), format!("(list {ty})")),
                _ => ("same", beside(&ty), format!("(tuple {ty} bool)")),
            };
            format!(
                r#"(func (export "echo{at}") {parameters} (result {result})
                    (canon lift (core func $i "{core}") (memory $memory) (realloc $realloc)))"#
            )
        })
        .collect();
    format!("(component {ECHO} {} {functions})", types.definitions)
}

/// The parameters of a value which is not in a list.
fn beside(ty: &str) -> String {
    let others = (0..OTHERS).map(|at| format!("(param \"p{at}\" bool)"));
    format!("(param \"x\" {ty}) {}", others.collect::<String>())
}

/// The arguments with which a function gives back this answer of its.
fn again(parameters: &Value, answer: &Value) -> Value {
    if parameters["properties"].get("p0").is_none() {
        return json!({ "x": answer });
    }
    let others = (1..OTHERS).map(|at| (format!("p{at}"), true.into()));
    let mut arguments = Value::Object(others.collect());
    (arguments["x"], arguments["p0"]) = (answer[0].clone(), answer[1].clone());
    arguments
}

struct Echo<'a> {
    sandbox: &'a Sandbox,
    tool: &'a Tool,
    function: &'a str,
    parameters: &'a Value,
    result: &'a Value,
}

impl Echo<'_> {
    async fn check(&self, random: &mut ChaCha8Rng) {
        let arguments = arguments(random, self.parameters);
        let bytes = [Bytes::Base64, Bytes::Array][random.random_range(0..2)];
        let outcome = match self.call(arguments.clone(), bytes).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let told = error.to_string();
                assert_eq!(error.kind(), Kind::InvalidInput, "{arguments}: {told}");
                assert!(
                    told.starts_with(&format!("{}: $", self.function)),
                    "{arguments}: {told}"
                );
                assert!(
                    told.len() < 4096 && !told.contains(char::is_control),
                    "{arguments}: {told}"
                );
                // The digits of 64 bits that are too many are the one thing which a schema cannot tell.
                let is_valid = validator::is_valid(self.parameters, &arguments);
                assert!(!is_valid || told.contains("decimal string"), "{arguments}: {told}");
                return;
            }
        };
        let answer = self.answer(outcome, &arguments);
        let text = answer.to_string();
        let answer: Value = serde_json::from_str(&text).expect("it was written as JSON");
        // In the same form, and in the other and back.
        for other in [Bytes::Base64, Bytes::Array] {
            let again = self.again(&answer, other).await;
            let back = self.again(&again, bytes).await;
            assert_eq!(back.to_string(), text, "of {arguments}");
        }
        self.check_session(&answer, bytes).await;
    }

    async fn again(&self, value: &Value, bytes: Bytes) -> Value {
        let arguments = again(self.parameters, value);
        let valid = validator::is_valid(self.parameters, &arguments);
        assert!(valid, "{} does not take {arguments}", self.parameters);
        let outcome = self.call(arguments.clone(), bytes).await;
        self.answer(
            outcome.unwrap_or_else(|error| panic!("{arguments}: {error}")),
            &arguments,
        )
    }

    async fn check_session(&self, value: &Value, bytes: Bytes) {
        let idle = Duration::from_secs(10);
        let session = self.sandbox.open_session(self.tool, idle, &CallRequest::default());
        let session = session.expect("the policy grants it");
        for _ in 0..2 {
            let arguments = again(self.parameters, value);
            let outcome = session.call(self.function, arguments, bytes).await;
            let answer = self.answer(outcome.expect("it was taken before"), value);
            assert_eq!(answer.to_string(), value.to_string());
        }
    }

    async fn call(&self, arguments: Value, bytes: Bytes) -> Result<Outcome> {
        let call = Call::new(self.tool, self.function, arguments);
        self.sandbox.call(call.bytes(bytes)).await
    }

    fn answer(&self, outcome: Outcome, arguments: &Value) -> Value {
        assert_eq!(outcome.ending, Ending::Returned, "{arguments}: {outcome:?}");
        let answer = outcome.value.expect("it returned one");
        let valid = validator::is_valid(self.result, &answer);
        assert!(valid, "{arguments}: {answer} is not of {}", self.result);
        answer
    }
}

/// What the schema takes, the same a little bent, or anything.
fn arguments(random: &mut ChaCha8Rng, parameters: &Value) -> Value {
    if random.random_ratio(1, 20) {
        return json::any(random, 3);
    }
    let mut arguments = json::matching(random, parameters);
    if random.random_ratio(1, 2) {
        json::bend(random, &mut arguments);
    }
    arguments
}
