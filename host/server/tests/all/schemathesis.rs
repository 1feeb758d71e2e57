//! What the OpenAPI document promises, asked by Schemathesis: it makes requests from the document, good and bad ones,
//! and holds each answer against it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use palisade_server::Settings;
use serde_json::json;
use tokio::process::Command;

use crate::client::{ECHO, Running};

/// How many requests are made of each operation, beside those which cover each part of it once.
const EXAMPLES: &str = "20";
/// So that a failure is the same one the next time.
const SEED: &str = "1";
/// It ends by itself long before.
const LONG: Duration = Duration::from_secs(300);

/// No answer is a 5xx, and none has a status, type, head or body which is not documented.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,\
                      missing_required_header,ignored_auth";

/// Streams of events have no end that a client could wait for.
const ENDLESS: &str = "/events$";
/// What ends or stops the one sandbox that all other requests are about.
const ENDING: &str = "(/events|/stop|/suspend|/v1/sandboxes/\\{id\\})$";

/// A key which there is not: it finds out which there are, and would remove its own.
const STRANGER: &str = "\"path.key\" = \"0123456789abcdef\"\n";

/// Runs it on all operations but those whose path is like `excluded`, with these values for the parameters.
async fn run(server: &Running, folder: &Path, excluded: &str, parameters: &str) {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("schemathesis.toml");
    std::fs::write(&config, format!("[parameters]\n{STRANGER}{parameters}")).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let path = std::env::join_paths([folder, &tests]).unwrap();
    let running = Command::new("python3")
        .args([
            "-B",
            "-c",
            "from schemathesis.cli import schemathesis; schemathesis()",
            "--config-file",
        ])
        .arg(&config)
        .args(["run", &format!("http://{}/v1/openapi.json", server.address)])
        .args(["--header", &format!("Authorization: Bearer {}", server.admin)])
        .args([
            "--checks",
            CHECKS,
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
            "--seed",
            SEED,
        ])
        .args([
            "--request-timeout",
            "30",
            "--no-color",
            "--exclude-path-regex",
            excluded,
        ])
        .env("PYTHONPATH", path)
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .current_dir(home.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(LONG, running).await.expect("it ends").unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success(),
        "{told}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_gets_a_5xx_or_an_answer_which_is_not_documented() {
    let Some(folder) = std::env::var_os("PALISADE_SCHEMATHESIS") else {
        let reason = "no Schemathesis: `cargo xtask test` fetches it";
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{reason}");
        return palisade_guests::skip("schemathesis", reason);
    };
    let server = Running::with(Settings {
        request_time: Duration::from_secs(5),
        ..Settings::default()
    })
    .await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    // What is asked for is mostly not there.
    run(&server, folder.as_ref(), ENDLESS, "").await;
    // All of this is.
    let sandbox = server.sandbox().await;
    let program = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap();
    let id = sandbox.parse().unwrap();
    let files = server.host.sandbox(id).unwrap();
    files.workspace().write("/exit.wasm", &program).unwrap();
    let at = format!("/v1/sandboxes/{sandbox}");
    let started = json!({"program": "/exit.wasm", "stdin": "pipe", "detached": true});
    server.post(&format!("{at}/processes"), started).await.expect(201);
    server
        .post(&format!("{at}/sessions"), json!({"tool": "echo", "idle_seconds": 600}))
        .await
        .expect(201);
    let parameters = format!(
        "\"path.id\" = \"{sandbox}\"\n\"path.tool\" = \"echo\"\n\"path.process\" = 1\n\
         \"path.session\" = 2\n\"query.path\" = \"/exit.wasm\"\n"
    );
    run(&server, folder.as_ref(), ENDING, &parameters).await;
}
