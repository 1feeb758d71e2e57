//! The examples of the library do what they say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An example which cargo compiled beside this test, run to its end.
fn example(name: &str, arguments: &[&str]) -> String {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("tests are in a folder of the target folder");
    let program: PathBuf = target.join("examples").join(name);
    let output = Command::new(&program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{}: {error}; cargo test --workspace compiles it", program.display()));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    said
}

fn guest(name: &str) -> String {
    palisade_guests::path(name).to_string_lossy().into_owned()
}

#[test]
fn a_program_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).to_string_lossy();
    let said = example("run", &[&guest("guest.p1.wasm"), &folder, "args", "hello"]);
    assert!(said.contains("hello") && said.contains("Exited(0)"), "{said}");
}

#[test]
fn a_tool_is_called() {
    let said = example("call", &[&guest("text.wasm"), "count", r#"{"text": "a b"}"#]);
    assert!(said.contains("it returned {\"bytes\":3"), "{said}");
    assert!(said.contains("ProcessEnded"), "{said}");
    let said = example("call", &[&guest("files.wasm"), "read", r#"{"path": "/x"}"#]);
    assert!(said.contains("it failed"), "{said}");
}

#[test]
fn a_plugin_asks_its_embedder() {
    let said = example("plugin", &[&guest("shop.wasm")]);
    assert!(said.contains("the order costs 360 cents"), "{said}");
    assert!(said.contains("another: quince is not sold"), "{said}");
}

#[test]
fn limits_end_what_passes_them() {
    let said = example("limits", &[]);
    for ending in [
        "LimitReached(Time)",
        "LimitReached(Fuel)",
        "Exited(0)",
        "LimitReached(Memory)",
    ] {
        assert!(said.contains(ending), "{ending}: {said}");
    }
    assert_eq!(said.matches("by [Memory]").count(), 2, "{said}");
}

#[test]
fn events_are_told() {
    let said = example("events", &[]);
    for event in ["SandboxCreated", "ended: Exited(0)", "denied: ", "refused: "] {
        assert!(said.contains(event), "{event}: {said}");
    }
}
