//! `palisade tool new`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::palisade::{Palisade, guest};

/// Calls `palisade tool new` in `folder`, and checks the exit code and what stands on standard error.
#[track_caller]
fn new(folder: &TempDir, args: &[&str], code: i32, said: &[&str]) -> Output {
    let palisade = Palisade::new();
    let mut command = palisade.command(&[&["tool", "new"], args].concat());
    let output = command.current_dir(folder.path()).output().expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    for text in said {
        assert!(error.contains(text), "{args:?} does not say {text:?}: {error}");
    }
    assert!(
        !palisade.state.path().join("state").exists(),
        "a new tool needs no state"
    );
    output
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it is listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

const TOLD: &str = "\
made word-count, a tool in Rust: .gitignore, Cargo.toml, README.md, palisade-guest/, src/

  cd word-count
  rustup target add wasm32-wasip2
  cargo build --release --target wasm32-wasip2
  palisade tool add --name word-count target/wasm32-wasip2/release/word_count.wasm
  palisade tool call word-count greet name=Ada times=2
";

#[test]
fn a_tool_is_written_and_told_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let output = new(&folder, &["word-count"], 0, &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), TOLD);
    assert_eq!(names(folder.path()), ["word-count"]);
    let made = folder.path().join("word-count");
    assert_eq!(
        names(&made),
        [".gitignore", "Cargo.toml", "README.md", "palisade-guest", "src"]
    );
    let manifest = fs::read_to_string(made.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"word-count\""), "{manifest}");
    let sdk = fs::read(made.join("palisade-guest/src/lib.rs")).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk/src/lib.rs");
    assert_eq!(sdk, fs::read(ours).unwrap());
}

#[test]
fn every_language_is_written_into_the_folder_which_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (language, file) in [
        ("rust", "src/lib.rs"),
        ("c", "tool.c"),
        ("js", "tool.js"),
        ("python", "slugs.py"),
    ] {
        let dir = format!("my {language}");
        let args = ["--json", "--lang", language, "--dir", &dir, "slugs"];
        let told: Value = serde_json::from_slice(&new(&folder, &args, 0, &[]).stdout).unwrap();
        assert_eq!(told["commands"][0], format!("cd 'my {language}'"));
        for path in told["files"].as_array().unwrap() {
            assert!(
                folder.path().join(&dir).join(path.as_str().unwrap()).is_file(),
                "{path}"
            );
        }
        assert!(told["files"].as_array().unwrap().contains(&file.into()), "{told}");
    }
    let script = folder.path().join("my c/build.sh").metadata().unwrap();
    assert_eq!(script.permissions().mode() & 0o500, 0o500);
}

#[test]
fn what_cannot_be_made_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("here")).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (args, said) in [
        (&["here"][..], "\"here\" exists already"),
        (&["--dir", "here", "slugs"], "\"here\" exists already"),
        (&["--dir", ".", "slugs"], "exists already"),
        (&["--dir", "none/slugs", "slugs"], "\"none/slugs\": No such file"),
        (&["--dir", "file/slugs", "slugs"], "\"file/slugs\": Not a directory"),
        (&["--dir", "/proc/slugs", "slugs"], "cannot make \"/proc/slugs\""),
        (&["My Tool"], "\"my-tool\" would do"),
        (&["9lives"], "\"tool-9lives\" would do"),
        (&["fn"], "\"fn-tool\" would do"),
        (&["--lang", "go", "slugs"], "rust, c, js, python"),
        (&["--json", "here"], ""),
    ] {
        new(&folder, args, 125, &[said]);
        assert_eq!(names(folder.path()), ["file", "here"], "{args:?}");
    }
    assert!(names(&folder.path().join("here")).is_empty());
}

#[test]
fn the_commands_which_are_told_add_and_call_it() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--json", "new-rust"];
    let told: Value = serde_json::from_slice(&new(&folder, &args, 0, &[]).stdout).unwrap();
    let commands: Vec<&str> = told["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let [.., add, call] = commands[..] else {
        panic!("{commands:?}")
    };
    // It is compiled by `cargo xtask guests`, with the rest of the commands.
    let component = folder.path().join("new-rust").join(add.rsplit(' ').next().unwrap());
    fs::create_dir_all(component.parent().unwrap()).unwrap();
    fs::copy(guest("new-rust.wasm"), component).unwrap();
    let palisade = Palisade::new();
    for (line, code) in [(add, 0), (call, 0)] {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        let mut command: Command = palisade.command(&words);
        let output = command.current_dir(folder.path().join("new-rust")).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        if line == call {
            assert_eq!(output.stdout, b"\"Hello, Ada! Hello, Ada!\"\n");
        }
    }
}

#[test]
fn a_tool_in_python_is_python() {
    let folder = tempfile::tempdir().unwrap();
    new(&folder, &["--lang", "python", "slugs"], 0, &[]);
    let used = "import slugs\n\
        assert slugs.greet('Ada', 2) == 'Hello, Ada! Hello, Ada!'\n\
        assert slugs.count_words('a b a') == [slugs.Word('a', 2), slugs.Word('b', 1)]\n\
        try: slugs.greet('Ada', 0)\n\
        except ValueError as error: assert str(error) == 'cannot greet 0 times'\n\
        else: raise AssertionError\n";
    let mut python = Command::new("python3");
    python.current_dir(folder.path().join("slugs")).args(["-B", "-c", used]);
    let Ok(output) = python.output() else {
        return palisade_guests::skip("a_tool_in_python_is_python", "no python3");
    };
    assert!(output.status.success(), "{output:?}");
}
