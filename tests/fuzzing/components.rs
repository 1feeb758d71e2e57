//! Components: whatever they are said to be, they are refused, or described within bounds and called to an outcome,
//! under tiny limits and soon.

use std::fmt::Write;
use std::time::{Duration, Instant};

use palisade::policy::{ByteSize, CallRequest, LimitsRequest, Policy};
use palisade::{
    Bytes, Call, Description, Ending, Error, Host, Kind, Outcome, Program, Result, Sandbox, SandboxSpec, Tool,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::mutate::mutate;
use super::types::{Kinds, Types};
use super::{Attempt, json};

/// What one attempt may take, without optimisation and on a machine which is busy: far more than any takes otherwise.
const MAX_TIME: Duration = Duration::from_secs(30);

/// The most that a description may have as JSON, in bytes: 4 MiB, and what is between its parts.
const MAX_DESCRIPTION: usize = (4 << 20) + 4096;

/// The longest message of an error, in bytes.
const MAX_MESSAGE: usize = 8 << 10;

/// The longest answer, in bytes.
const MAX_OUTPUT: usize = 64 << 10;

/// Functions of a tool which are called.
const CALLS: usize = 4;

/// What the functions of every component are lifted from: one gives back its list, one a list whose length is a lie, one
/// a place in memory where anything is, and some do not come back.
const CORE: &str = r#"
    (core module $m
        (memory (export "memory") 1 4)
        (global $next (mut i32) (i32.const 4096))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (local.get $at) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
            (local.get $at))
        (data (i32.const 1024) "@ANYTHING")
        (func (export "echo") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0))
        (func (export "lie") (param i32 i32) (result i32)
            (i32.store (i32.const 0) (i32.const @POINTER)) (i32.store (i32.const 4) (i32.const @LENGTH)) (i32.const 0))
        (func (export "anything") (param i32 i32) (result i32) (i32.const @PLACE))
        (func (export "nothing") (param i32 i32))
        (func (export "trap") (param i32 i32) unreachable)
        (func (export "spin") (param i32 i32) (loop (br 0)))
        (func (export "recurse") (param i32 i32) (call 7 (local.get 0) (local.get 1))))
    (core instance $i (instantiate $m))
    (alias core export $i "memory" (core memory $memory))
    (alias core export $i "realloc" (core func $realloc))
"#;

pub(crate) fn start() -> Attempt {
    let guests: Vec<Vec<u8>> = ["exit-code.wasm", "text.wasm"]
        .iter()
        .filter_map(|name| std::fs::read(palisade_guests::find(name)?).ok())
        .collect();
    super::on_a_host(async move |host, random| {
        let started = Instant::now();
        let mut bytes = match guests.get(random.random_range(0..100)) {
            Some(guest) => guest.clone(),
            None => {
                let text = component(random);
                wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
            }
        };
        if random.random_ratio(1, 2) {
            let others: Vec<&[u8]> = guests.iter().map(Vec::as_slice).collect();
            mutate(random, &mut bytes, &others, 1 << 20);
        }
        attempt(host, random, bytes).await;
        let taken = started.elapsed();
        assert!(taken < MAX_TIME, "it took {taken:?}");
    })
}

async fn attempt(host: &Host, random: &mut ChaCha8Rng, bytes: Vec<u8>) {
    let tools = host.tools();
    let added = async { tools.add("fuzzed", Program::from_bytes("fuzzed", bytes)?).await };
    let tool = match added.await {
        Ok(tool) => tool,
        Err(error) => {
            check_refusal(&error);
            assert_eq!(tools.list().expect("it is sound").len(), 0);
            return;
        }
    };
    check_description(tool.description());
    let listed = tools.list().expect("it is sound");
    assert_eq!((listed.len(), listed[0].digest), (1, tool.digest()));
    let found = tools.get("fuzzed").await.expect("it was added");
    assert_eq!(found.description(), tool.description());
    call_some(host, random, &tool).await;
    tools.remove("fuzzed").await.expect("it was added");
}

fn check_refusal(error: &Error) {
    let told = error.to_string();
    assert_eq!(error.kind(), Kind::InvalidInput, "{told}");
    assert!(told.len() <= MAX_MESSAGE && !told.contains('\n'), "{told}");
}

fn check_description(description: &Description) {
    let text = serde_json::to_string(description).expect("it is JSON");
    assert!(text.len() <= MAX_DESCRIPTION, "{} bytes", text.len());
    for function in &description.functions {
        assert!(!description.skipped.iter().any(|skipped| skipped.name == function.name));
        assert_eq!(function.parameters["type"], "object", "{}", function.name);
    }
    for skipped in &description.skipped {
        assert!(
            skipped.reason.len() <= MAX_MESSAGE && !skipped.reason.contains('\n'),
            "{skipped:?}"
        );
    }
}

async fn call_some(host: &Host, random: &mut ChaCha8Rng, tool: &Tool) {
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_mib(1)),
        fuel: Some(1_000_000),
        time: Some(Duration::from_millis(200)),
        output: Some(ByteSize::from_bytes(MAX_OUTPUT as u64)),
        handles: Some(16),
        ..LimitsRequest::default()
    };
    let sandbox = host
        .create(SandboxSpec::new(Policy::standard()).limits(limits))
        .expect("the policy grants it");
    let functions = &tool.description().functions;
    for _ in 0..CALLS {
        let function = &functions[random.random_range(0..functions.len())];
        let mut arguments = json::matching(random, &function.parameters);
        match random.random_range(0..40) {
            0 => lengthen(&mut arguments),
            1..6 => json::bend(random, &mut arguments),
            _ => {}
        }
        check_call(&call(random, &sandbox, tool, &function.name, arguments).await);
    }
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    assert!(sandbox.processes().is_empty());
    sandbox.destroy().await.expect("its files can be removed");
}

/// A list with one element very often.
fn lengthen(arguments: &mut Value) {
    if let Some(items) = arguments.get_mut("x").and_then(Value::as_array_mut) {
        let first = items.first().cloned();
        items.extend(first.iter().cycle().take(50_000).cloned());
    }
}

/// Calls a function in an instance of its own, or in that of a session.
async fn call(
    random: &mut ChaCha8Rng,
    sandbox: &Sandbox,
    tool: &Tool,
    function: &str,
    arguments: Value,
) -> Result<Outcome> {
    let bytes = [Bytes::Base64, Bytes::Array][random.random_range(0..2)];
    if random.random_ratio(3, 4) {
        let call = Call::new(tool, function, arguments).bytes(bytes);
        return sandbox.call(call).await;
    }
    let session = sandbox.open_session(tool, Duration::from_secs(10), &CallRequest::default())?;
    let outcome = session.call(function, arguments, bytes).await;
    drop(session);
    while !sandbox.processes().is_empty() {
        tokio::task::yield_now().await;
    }
    outcome
}

fn check_call(outcome: &Result<Outcome>) {
    match outcome {
        // It could not even be made.
        Err(error) if error.kind() == Kind::Conflict => assert!(error.to_string().starts_with("the session has ended")),
        Err(error) => check_refusal(error),
        Ok(outcome) => {
            let text = outcome.value.as_ref().map(Value::to_string).unwrap_or_default();
            assert!(text.len() <= MAX_OUTPUT, "{} bytes", text.len());
            match &outcome.ending {
                Ending::Trapped(why) => assert!(why.len() <= MAX_MESSAGE && !why.contains('\n'), "{why}"),
                Ending::Returned | Ending::Failed | Ending::LimitReached(_) => {}
                Ending::Exited(_) | Ending::Killed => panic!("{outcome:?}"),
            }
        }
    }
}

fn component(random: &mut ChaCha8Rng) -> String {
    let mut types = Types::default();
    let mut functions = Functions::default();
    for _ in 0..random.random_range(1..6) {
        let ty = match random.random_range(0..12) {
            0 => {
                let depth = random.random_range(1..60);
                types.deep(random, depth)
            }
            _ => types.any(random, Kinds::All, 5),
        };
        functions.lift(random, &ty);
    }
    let exports = functions.exports(random);
    let customs: String = (0..random.random_range(0..3))
        .map(|_| custom(random, functions.count))
        .collect();
    let imports = imports(random);
    let core = core(random);
    format!(
        "(component {imports} {core} {} {} {exports} {customs})",
        types.definitions, functions.text
    )
}

fn core(random: &mut ChaCha8Rng) -> String {
    let anything: String = (0..1024).map(|_| format!("\\{:02x}", any_byte(random))).collect();
    let odd = [0, 1, 8, 1024, 65_535, 65_536, 1 << 20, 1 << 28, -1, i32::MIN];
    let mut number = || match random.random_ratio(1, 2) {
        true => odd[random.random_range(0..odd.len())],
        false => random.random_range(0..2048),
    };
    CORE.replace("@ANYTHING", &anything)
        .replace("@POINTER", &(number() & -8).to_string())
        .replace("@LENGTH", &number().to_string())
        .replace("@PLACE", &(1024 + (number() & 0x3f8)).to_string())
}

/// Small ones mostly: as discriminants and lengths they lead on.
fn any_byte(random: &mut ChaCha8Rng) -> u8 {
    match random.random_range(0..4) {
        0 => random.random(),
        1 => random.random_range(0..4),
        _ => 0,
    }
}

#[derive(Default)]
struct Functions {
    text: String,
    count: usize,
}

impl Functions {
    fn lift(&mut self, random: &mut ChaCha8Rng, ty: &str) {
        let at = self.count;
        let (core, result) = match random.random_range(0..8) {
            0 => ("nothing", String::new()),
            1 => (["trap", "spin", "recurse"][random.random_range(0..3)], String::new()),
            2 | 3 => ("echo", format!("(result (list {ty}))")),
            4 => ("lie", format!("(result (list {ty}))")),
            5 => ("anything", format!("(result (result {ty} (error string)))")),
            _ => ("anything", format!("(result (tuple {ty} u8))")),
        };
        let _ = writeln!(
            self.text,
            r#"(func $f{at} (param "x" (list {ty})) {result}
                (canon lift (core func $i "{core}") (memory $memory) (realloc $realloc)))"#
        );
        self.count += 1;
    }

    /// Each by one name or by thousands, at the root or in interfaces.
    fn exports(&self, random: &mut ChaCha8Rng) -> String {
        let mut exports = String::new();
        for at in 0..self.count {
            let copies = if random.random_ratio(1, 20) {
                random.random_range(0..2500)
            } else {
                1
            };
            let copies = (0..copies).map(|copy| format!("(export \"f{at}-{copy}\" (func $f{at}))"));
            let copies: String = copies.collect();
            match random.random_range(0..5) {
                0 => {
                    let interface = [
                        "ns:p/api",
                        "ns:p/api@1.0.0",
                        "other:p/api@0.1.0",
                        "api",
                        "wasi:x/y@0.2.0",
                    ];
                    let interface = interface[(at + random.random_range(0..2)) % interface.len()];
                    let _ = write!(exports, "(instance $e{at} {copies})");
                    if !exports.contains(&format!("\"{interface}\"")) {
                        let _ = writeln!(exports, "(export \"{interface}\" (instance $e{at}))");
                    }
                }
                _ => exports.push_str(&copies),
            }
        }
        exports
    }
}

/// What hosts provide, in many versions, and what they do not.
fn imports(random: &mut ChaCha8Rng) -> String {
    let count = match random.random_range(0..40) {
        0 => random.random_range(0..1000),
        1..8 => 1,
        _ => 0,
    };
    let metadata = "m".repeat([1, 8_000][random.random_range(0..2)]);
    let imports = (0..count).map(|at| match random.random_range(0..2000) {
        0 => "(import \"evil:host/reach\" (instance))".to_owned(),
        _ => format!("(import \"wasi:io/poll@0.2.{at}+{metadata}\" (instance))"),
    });
    imports.collect()
}

/// A section with docs, or what says that it has.
fn custom(random: &mut ChaCha8Rng, functions: usize) -> String {
    let mut docs = match random.random_range(0..5) {
        0 => "[".repeat(random.random_range(0..100_000)),
        1 => json::any(random, 4).to_string(),
        _ => {
            let long = "ü".repeat(20_000);
            let docs = ["d", "\u{1b}[2J\n\u{202e}", &long][random.random_range(0..3)];
            let functions = (0..functions).map(|at| (format!("f{at}-0"), json!({ "docs": docs })));
            let functions: serde_json::Map<String, Value> = functions.collect();
            let interfaces = json!({"api": {"funcs": functions}});
            json!({"worlds": {"root": {"func_exports": functions, "interface_exports": interfaces}}}).to_string()
        }
    }
    .into_bytes();
    docs.insert(0, random.random_range(0..3));
    if random.random_ratio(1, 3) {
        mutate(random, &mut docs, &[], 1 << 20);
    }
    let escaped: String = docs.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(@custom \"package-docs\" \"{escaped}\")")
}
