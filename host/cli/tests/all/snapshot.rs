//! `palisade snapshot`, of the server of the same state directory and of another.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::process::Output;

use palisade_client::Client;
use palisade_client::wire::SandboxRequest;
use serde_json::Value;

use crate::palisade::Palisade;
use crate::server::Server;

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_goes_back_by_the_command() {
    let palisade = Palisade::new();
    palisade.expect(&["snapshot", "collect"], 125, &["palisade serve"]);
    let server = Server::start(&palisade, &[]);
    let client = Client::new(server.url(), &server.local_key()).unwrap();
    let sandbox = client.create(&SandboxRequest::default()).await.unwrap();
    let write = async |text: &'static str| sandbox.put_file("/file", text.as_bytes()).await.unwrap();
    let id = sandbox.id();
    write("one\n").await;
    let call = |args: &[&str]| palisade.expect(&[&["snapshot"], args].concat(), 0, &[]);
    let made = call(&["create", id, "--name", "good", "--label", "stage=tested", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(made["labels"]["stage"], "tested");
    write("two and more\n").await;
    call(&["create", id, "--name", "bad"]);

    let listed = printed(&call(&["list", id]));
    let names: Vec<_> = listed.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(names, ["bad", "good"]);
    let differs = printed(&call(&["diff", id, "bad"]));
    assert!(
        differs
            .lines()
            .any(|line| line.starts_with('~') && line.ends_with("/file")),
        "{differs}"
    );
    let lines = printed(&call(&["diff", id, "bad", "--from", "good", "--file", "/file"]));
    assert!(lines.ends_with("-one\n+two and more\n"), "{lines}");
    let back = printed(&call(&["rollback", id, "good"]));
    assert!(
        back.contains("/file") && back.contains("to undo that, roll back to "),
        "{back}"
    );
    let undo = back.trim_end().rsplit(' ').next().unwrap().to_owned();
    let there = Palisade::new();
    let there = server
        .command(&there, &["snapshot", "rollback", id, &undo])
        .output()
        .unwrap();
    assert!(there.status.success(), "{there:?}");
    let lines = printed(&call(&["show", id, &undo]));
    assert!(lines.contains("before-rollback-to="), "{lines}");

    call(&["pin", id, "good"]);
    palisade.expect(&["snapshot", "delete", id, "good"], 125, &["is pinned"]);
    call(&["unpin", id, "good"]);
    call(&["verify", id, "good"]);
    call(&["name", id, "good", "last-stable"]);
    call(&["unname", id, "last-stable"]);
    call(&["delete", id, "good"]);
    palisade.expect(&["snapshot", "show", id, "good"], 125, &["no snapshot"]);
    call(&["expire", id, "--last", "1", "--within", "0s"]);
    call(&["collect"]);
    call(&["scrub"]);
}
