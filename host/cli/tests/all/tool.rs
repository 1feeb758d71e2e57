//! `palisade tool`.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::palisade::{Palisade, guest};

/// The command with the tools `text` and `files`.
fn with_tools() -> Palisade {
    let palisade = Palisade::new();
    for tool in ["text", "files"] {
        palisade.expect(&["tool", "add", &guest(&format!("{tool}.wasm"))], 0, &[]);
    }
    palisade
}

impl Palisade {
    /// What a call prints, as JSON.
    #[track_caller]
    fn answer(&self, args: &[&str], code: i32) -> Value {
        let args = [&["tool", "call"], args].concat();
        serde_json::from_slice(&self.expect(&args, code, &[]).stdout).expect("it prints JSON")
    }
}

const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn arguments_come_in_every_form() {
    let palisade = with_tools();
    let object = json!({"text": "hello", "algorithm": "sha256"}).to_string();
    let file = palisade.state.path().join("arguments.json");
    std::fs::write(&file, &object).unwrap();
    let at_file = format!("@{}", file.display());
    for words in [&["text=hello", "algorithm=sha256"][..], &[&object], &[&at_file]] {
        assert_eq!(palisade.answer(&[&["text", "digest"], words].concat(), 0), DIGEST);
    }
    let mut command = palisade.command(&["tool", "call", "text", "digest", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(object.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("\"{DIGEST}\"\n"));
}

#[test]
fn what_goes_wrong_has_its_code_and_one_clear_line() {
    let palisade = with_tools();
    for (args, code, said) in [
        (&["txt", "digest"][..], 127, "did you mean \"text\"?"),
        (&["text", "digset"], 127, "did you mean \"digest\"?"),
        (&["text", "digest", "text=x"], 125, "$.algorithm"),
        (&["text", "digest", "text=x", "algorithm=md5"], 125, "\"sha256\""),
        (&["text", "digest", "{"], 125, "not JSON"),
        (&["text", "digest", "text"], 125, "NAME=VALUE"),
        (&["text", "digest", "@/no/such/file"], 125, "/no/such/file"),
        (
            &["--policy", "strict", "text", "count", "text=x"],
            126,
            "denied by tools",
        ),
        (&["--fuel", "1", "text", "count", "text=x"], 137, "limit of fuel (1)"),
        (&["text", "count", "text=x", "--fuel", "1"], 137, "limit of fuel (1)"),
        (&["files", "read", "path=/none"], 1, "the function returned an error"),
    ] {
        let output = palisade.expect(&[&["tool", "call"], args].concat(), code, &[said]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.lines().all(|line| line.starts_with("palisade: ")), "{error}");
    }
    let policy = palisade.state.path().join("policy.toml");
    std::fs::write(
        &policy,
        "tools = [{ name = 'text', limits = { fuel = 2 } }]\nlimits.fuel = 1_000",
    )
    .unwrap();
    let call = ["--policy", policy.to_str().unwrap(), "text", "count", "text=x"];
    palisade.expect(&[&["tool", "call"], &call[..]].concat(), 137, &["limit of fuel (2)"]);
    let error = palisade.answer(&["files", "read", "path=/none"], 1);
    assert!(error.as_str().is_some_and(|error| error.contains("/none")), "{error}");
}

#[test]
fn a_call_has_the_directories_that_it_is_given() {
    let palisade = with_tools();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "needle\n").unwrap();
    let (read, all) = (
        format!("{}::/data:ro", folder.path().display()),
        format!("{}::/data", folder.path().display()),
    );
    let found = palisade.answer(&["--dir", &read, "files", "search", "pattern=^need", "folder=/data"], 0);
    assert_eq!(found["hits"][0]["path"], "/data/file");
    let write = ["files", "write", "path=/data/new", "text=x"];
    let denied = palisade.expect(
        &[&["tool", "call", "--dir", &read], &write[..]].concat(),
        1,
        &["denied by mounts"],
    );
    assert!(denied.status.code() == Some(1) && !folder.path().join("new").exists());
    palisade.answer(&[&["--dir", &all], &write[..]].concat(), 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("new")).unwrap(), "x");
}

#[test]
fn tools_are_listed_shown_replaced_disabled_and_removed() {
    let palisade = with_tools();
    let listed = || -> Vec<Value> {
        serde_json::from_slice(&palisade.expect(&["tool", "list", "--json"], 0, &[]).stdout).unwrap()
    };
    let names = || {
        listed()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(), ["text", "files"]);

    let shown = palisade.expect(&["tool", "show", "text"], 0, &[]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = r#"digest(text: string, algorithm: "sha256" | "blake3") -> string"#;
    assert!(shown.lines().any(|shown| shown == line), "{shown}");
    let schema: Value =
        serde_json::from_slice(&palisade.expect(&["tool", "show", "text", "--json"], 0, &[]).stdout).unwrap();
    assert_eq!(schema["functions"][0]["parameters"]["type"], "object");
    assert!(
        schema["functions"][0]["docs"]
            .as_str()
            .is_some_and(|docs| !docs.is_empty())
    );

    palisade.expect(&["tool", "add", "--name", "text", &guest("files.wasm")], 0, &[]);
    assert_eq!(names(), ["text", "files", "text"]);
    palisade.expect(&["tool", "call", "text", "count", "text=x"], 127, &["no function"]);
    let old = format!("text@{}", &listed()[0]["digest"].as_str().unwrap()[..8]);
    assert_eq!(palisade.answer(&[&old, "count", "text=x"], 0)["bytes"], 1);

    palisade.expect(&["tool", "disable", "files"], 0, &[]);
    palisade.expect(&["tool", "call", "files", "list"], 125, &["disabled"]);
    palisade.expect(&["tool", "enable", "files"], 0, &[]);
    palisade.answer(&["files", "list"], 0);
    palisade.expect(&["tool", "remove", "text"], 0, &[]);
    assert_eq!(names(), ["files"]);
    palisade.expect(&["tool", "remove", "text"], 127, &["no tool"]);
}

#[test]
fn what_is_no_tool_is_not_added() {
    let palisade = Palisade::new();
    palisade.expect(&["tool", "add", "/no/such.wasm"], 127, &["/no/such.wasm"]);
    palisade.expect(
        &["tool", "add", "--name", "guest", &guest("guest.p1.wasm")],
        125,
        &["a tool is a component"],
    );
    palisade.expect(
        &["tool", "add", "--name", "guest", &guest("guest.p2.wasm")],
        125,
        &["offers no function"],
    );
    palisade.expect(&["tool", "add", "--name", "No", &guest("text.wasm")], 125, &["a-z"]);
    let listed = palisade.expect(&["tool", "list"], 0, &[]);
    assert!(listed.stdout.is_empty());
}

#[test]
fn a_python_file_is_a_tool() {
    if palisade_guests::find("python.wasm").is_none() {
        return palisade_guests::skip("a_python_file_is_a_tool", "no python.wasm");
    }
    let palisade = Palisade::new();
    let file = palisade.state.path().join("my_tools.py");
    let write = |source: &str| std::fs::write(&file, source).unwrap();
    let path = file.to_str().unwrap();

    // The interpreter is added with the first file.
    write(
        "def double(number: int) -> int:\n    \"\"\"Twice a number.\"\"\"\n    return 2 * number\n\ndef loose(x): ...\n",
    );
    let said = ["adding the tool python", "loose is not offered"];
    palisade.expect(&["tool", "add", path], 0, &said);
    assert_eq!(palisade.answer(&["my_tools", "double", "number=21"], 0), 42);
    palisade.expect(&["tool", "call", "my_tools", "double", "number=x"], 125, &["number"]);
    palisade.expect(&["tool", "call", "my_tools", "loose"], 127, &["annotation"]);
    let shown = palisade.expect(&["tool", "show", "my_tools"], 0, &[]).stdout;
    let shown = String::from_utf8(shown).unwrap();
    assert!(
        shown.contains("double(number: integer) -> integer\n  Twice a number.\n"),
        "{shown}"
    );

    write("def double(text: str) -> str:\n    raise ValueError(text)\n");
    palisade.expect(&["tool", "add", path], 0, &[]);
    assert_eq!(palisade.answer(&["my_tools", "double", "text=no"], 1)["message"], "no");

    palisade.expect(
        &["tool", "add", "--name", "python", path],
        125,
        &["place of its interpreter"],
    );
    write("\u{feff}def double(:\n");
    palisade.expect(&["tool", "add", path], 125, &["SyntaxError", "line 1"]);
    palisade.expect(&["tool", "add", "--interpreter", "nothing", path], 127, &["nothing"]);
    assert_eq!(
        palisade.answer(&["my_tools", "double", "text=still"], 1)["message"],
        "still"
    );
}
