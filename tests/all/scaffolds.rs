//! New tools, as `palisade tool new` writes them: the same to a caller in each language.

use palisade::{Call, Ending, Function, Program, Tool};
use palisade_scaffold::{Language, Name, Project};
use palisade_tests::*;
use serde_json::{Value, json};

use crate::python;

/// The tool in each language which has something to compile; those which this machine cannot compile are skipped.
async fn tools(test: &str) -> Vec<Tool> {
    let mut tools = Vec::new();
    for name in ["new-rust", "new-c", "new-js"] {
        let Some(path) = palisade_guests::find(&format!("{name}.wasm")) else {
            assert_ne!(name, "new-rust", "run `cargo xtask guests`");
            palisade_guests::skip(test, format!("{name}.wasm was not compiled"));
            continue;
        };
        let component = Program::from_file(path).unwrap();
        tools.push(host().tools().add(name, component).await.unwrap());
    }
    tools
}

async fn call(tool: &Tool, function: &str, arguments: Value) -> (Ending, Value) {
    let outcome = sandbox(spec())
        .call(Call::new(tool, function, arguments))
        .await
        .unwrap();
    (outcome.ending, outcome.value.unwrap_or_default())
}

#[tokio::test]
async fn every_language_has_the_same_answers() {
    for tool in tools("every_language_has_the_same_answers").await {
        let long = "Ærøskøbing\0".repeat(1000);
        for (function, arguments, ending, answer) in [
            ("greet", json!({"name": "Ada"}), Ending::Returned, json!("Hello, Ada!")),
            (
                "greet",
                json!({"name": "Ada", "times": 2}),
                Ending::Returned,
                json!("Hello, Ada! Hello, Ada!"),
            ),
            (
                "greet",
                json!({"name": "", "times": null}),
                Ending::Returned,
                json!("Hello, !"),
            ),
            (
                "greet",
                json!({"name": long, "times": 100}),
                Ending::Returned,
                json!(vec![format!("Hello, {long}!"); 100].join(" ")),
            ),
            (
                "greet",
                json!({"name": "Ada", "times": 0}),
                Ending::Failed,
                json!("cannot greet 0 times"),
            ),
            (
                "greet",
                json!({"name": "Ada", "times": u32::MAX}),
                Ending::Failed,
                json!("cannot greet 4294967295 times"),
            ),
            (
                "count-words",
                json!({"text": "to be\tor\r\nnot\x0cto be\u{a0}å"}),
                Ending::Returned,
                json!([
                    {"text": "to", "count": 2},
                    {"text": "be", "count": 1},
                    {"text": "or", "count": 1},
                    {"text": "not", "count": 1},
                    {"text": "be\u{a0}å", "count": 1},
                ]),
            ),
            ("count-words", json!({"text": " \n"}), Ending::Returned, json!([])),
        ] {
            let name = tool.name().to_owned();
            assert_eq!(
                call(&tool, function, arguments.clone()).await,
                (ending, answer),
                "{name} {function} {arguments}"
            );
        }
    }
}

#[tokio::test]
async fn every_language_has_the_same_schemas_and_docs_and_imports_nothing() {
    let tools = tools("every_language_has_the_same_schemas_and_docs_and_imports_nothing").await;
    let functions = |tool: &Tool| tool.description().functions.clone();
    let expected: Vec<Function> = functions(&tools[0]);
    assert!(
        expected
            .iter()
            .all(|function| function.docs.as_ref().is_some_and(|docs| docs.ends_with('.')))
    );
    for tool in &tools {
        assert_eq!(json!(functions(tool)), json!(expected), "{}", tool.name());
        assert!(
            tool.description().imports.is_empty(),
            "{}: {:?}",
            tool.name(),
            tool.description().imports
        );
    }
}

/// But for what Python calls its errors, and names with a hyphen.
#[tokio::test]
async fn a_python_file_has_the_same_answers() {
    let Some(interpreter) = python::interpreter().await else {
        return palisade_guests::skip("a_python_file_has_the_same_answers", "no python.wasm");
    };
    let name = Name::parse("new-python").unwrap();
    let project = Project::new(&name, Language::Python);
    let source = project.files().iter().find(|file| file.path.ends_with(".py")).unwrap();
    let tool = python::script(&interpreter, &source.text).await;
    let (ending, answer) = call(&tool, "greet", json!({"name": "Ada", "times": 2})).await;
    assert_eq!((ending, answer), (Ending::Returned, json!("Hello, Ada! Hello, Ada!")));
    let (ending, answer) = call(&tool, "greet", json!({"name": "Ada", "times": 0})).await;
    assert_eq!(
        (ending, &answer["message"]),
        (Ending::Failed, &json!("cannot greet 0 times"))
    );
    let (_, answer) = call(
        &tool,
        "count_words",
        json!({"text": "to be\tor\r\nnot\x0cto be\u{a0}å"}),
    )
    .await;
    assert_eq!(answer[0], json!({"text": "to", "count": 2}));
    assert_eq!(answer[4], json!({"text": "be\u{a0}å", "count": 1}));
    assert!(
        tool.description()
            .functions
            .iter()
            .all(|function| function.docs.is_some())
    );
}
