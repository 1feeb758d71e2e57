//! What a client can do.

use std::time::Duration;

use palisade_client::wire::{
    CallBody, Ended, Ending, Event, InputRequest, Kind as Told, ListRequest, Named, PageRequest, ProcessEvent,
    ProcessRequest, Role, SandboxChange, SandboxRequest, SandboxState, SessionCall, SessionRequest, Stdin,
};
use palisade_client::{Client, Kind};
use serde_json::{Map, Value, json};

use crate::server::{Running, printer};

const ECHO: &str = r#"(component
    (core module $m (func (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))
    (core instance $i (instantiate $m))
    (func (export "twice") (param "number" u32) (result u32) (canon lift (core func $i "twice"))))"#;

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_lives_from_its_making_to_its_end() {
    let server = Running::start().await;
    let client = &server.client;
    let request = SandboxRequest {
        labels: [("of", "a test".to_owned())].into_iter().collect(),
        ..SandboxRequest::default()
    };
    let sandbox = client.create_once(&request, "once").await.unwrap();
    assert_eq!(client.create_once(&request, "once").await.unwrap().id(), sandbox.id());
    let shown = sandbox.show().await.unwrap();
    assert_eq!(
        (shown.state, shown.labels["of"].as_str()),
        (SandboxState::Ready, "a test")
    );
    assert_eq!(sandbox.suspend().await.unwrap().state, SandboxState::Suspended);
    assert_eq!(sandbox.resume().await.unwrap().state, SandboxState::Ready);
    let change = SandboxChange {
        ttl_seconds: Some(std::num::NonZeroU32::new(100)),
        ..SandboxChange::default()
    };
    assert!(sandbox.change(&change).await.unwrap().expires_at.is_some());
    assert_eq!(sandbox.stop().await.unwrap().state, SandboxState::Stopped);

    client.create(&SandboxRequest::default()).await.unwrap();
    let mut page = PageRequest {
        limit: Some(1),
        ..PageRequest::default()
    };
    let first = client.sandboxes(&page).await.unwrap();
    page.after = first.next;
    let second = client.sandboxes(&page).await.unwrap();
    assert!(second.next.is_none() && first.sandboxes[0].id < second.sandboxes[0].id);

    sandbox.destroy().await.unwrap();
    let error = sandbox.show().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Answered(Told::NotFound));
    assert!(error.request_id().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_is_told_of_one_and_of_all() {
    let server = Running::start().await;
    let sandbox = server.client.create(&SandboxRequest::default()).await.unwrap();
    sandbox.put_file("/three", &b"abc"[..]).await.unwrap();
    for usage in [sandbox.usage().await.unwrap(), server.client.usage().await.unwrap()] {
        let now = usage.history.last().unwrap();
        assert_eq!((now.disk_bytes, now.processes, usage.totals.processes_ended), (3, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_both_ways_whole_in_parts_and_as_a_tar() {
    let server = Running::start().await;
    let sandbox = server.client.create(&SandboxRequest::default()).await.unwrap();
    let path = "/a dir/ü&x=1.bin";
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(3 << 20).collect();
    let put = sandbox
        .put_file(path, std::io::Cursor::new(bytes.clone()))
        .await
        .unwrap();
    assert_eq!(put.size_bytes, 3 << 20);
    let mut got = Vec::new();
    sandbox.get_file(path).await.unwrap().copy_to(&mut got).await.unwrap();
    assert!(got == bytes);
    let part = sandbox
        .get_range(path, 10..20)
        .await
        .unwrap()
        .collect(100)
        .await
        .unwrap();
    assert_eq!(part, bytes[10..20]);
    let error = sandbox.get_file(path).await.unwrap().collect(100).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Garbled);

    sandbox.make_directory("/other").await.unwrap();
    sandbox.rename(path, "/other/x").await.unwrap();
    let request = ListRequest {
        path: "/other".into(),
        limit: None,
        after: None,
    };
    assert_eq!(sandbox.list(&request).await.unwrap().entries[0].name, "x");
    let tar = sandbox.get_tar("/other").await.unwrap().collect(8 << 20).await.unwrap();
    sandbox.make_directory("/copy").await.unwrap();
    sandbox.put_tar("/copy", std::io::Cursor::new(tar)).await.unwrap();
    assert_eq!(sandbox.stat("/copy/x").await.unwrap().size_bytes, 3 << 20);
    sandbox.remove_file("/copy").await.unwrap();
    assert_eq!(
        sandbox.stat("/copy").await.unwrap_err().kind(),
        Kind::Answered(Told::NotFound)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_reads_what_is_sent_and_is_heard_while_it_prints() {
    let server = Running::start().await;
    let sandbox = server.client.create(&SandboxRequest::default()).await.unwrap();
    sandbox
        .put_file("/cat.wasm", std::io::Cursor::new(printer()))
        .await
        .unwrap();
    let request = ProcessRequest {
        stdin: Stdin::Pipe,
        ..ProcessRequest::new("/cat.wasm")
    };
    let mut running = sandbox.start(&request).await.unwrap();
    let process = running.process().clone();
    let text: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
    let sent = text.clone();
    let sending = tokio::spawn(async move {
        process
            .send(std::io::Cursor::new(sent), InputRequest { eof: true })
            .await
    });
    let (mut printed, mut ending) = (Vec::new(), None);
    while let Some(event) = running.next().await.unwrap() {
        match event {
            ProcessEvent::Stdout(bytes) => printed.extend(bytes),
            ProcessEvent::Outcome(outcome) => ending = Some(outcome.ending),
            other => panic!("{other:?}"),
        }
    }
    sending.await.unwrap().unwrap();
    assert!(printed == text);
    assert_eq!(ending, Some(Ending::Exited(0)));

    let detached = sandbox.start_detached(&request).await.unwrap();
    detached.send(&b"left"[..], InputRequest { eof: true }).await.unwrap();
    assert_eq!(
        detached.wait().await.unwrap().outcome.unwrap().ending,
        Ending::Exited(0)
    );
    let mut output = detached.output().await.unwrap();
    assert!(matches!(output.next().await.unwrap(), Some(ProcessEvent::Stdout(bytes)) if bytes == b"left"));
    assert_eq!(sandbox.processes().await.unwrap().len(), 2);
    let killed = sandbox.start_detached(&request).await.unwrap();
    killed.kill().await.unwrap();
    assert_eq!(killed.wait().await.unwrap().outcome.unwrap().ending, Ending::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_runs_ends_it() {
    let server = Running::start().await;
    let sandbox = server.client.create(&SandboxRequest::default()).await.unwrap();
    sandbox
        .put_file("/cat.wasm", std::io::Cursor::new(printer()))
        .await
        .unwrap();
    let request = ProcessRequest {
        stdin: Stdin::Pipe,
        ..ProcessRequest::new("/cat.wasm")
    };
    let running = sandbox.start(&request).await.unwrap();
    let process = running.process().clone();
    drop(running);
    let ended = tokio::time::timeout(Duration::from_secs(20), process.wait()).await;
    assert_eq!(ended.unwrap().unwrap().outcome.unwrap().ending, Ending::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_added_called_disabled_and_removed() {
    let server = Running::start().await;
    let client = &server.client;
    let component = wat::parse_str(ECHO).unwrap();
    let added = client.add_tool("echo", std::io::Cursor::new(component)).await.unwrap();
    assert_eq!(added.functions[0].name, "twice");
    assert_eq!(client.tool("echo").await.unwrap(), added);
    let sandbox = client.create(&SandboxRequest::default()).await.unwrap();
    let call = CallBody::new("echo", "twice", arguments(json!({"number": 21})));
    assert_eq!(sandbox.call(&call).await.unwrap().value, Some(json!(42)));
    let bad = CallBody::new("echo", "thrice", Map::new());
    let batch: Named<CallBody> = [("good", call.clone()), ("bad", bad)].into_iter().collect();
    let Named(ended) = sandbox.call_all(&batch).await.unwrap();
    assert!(matches!(&ended["good"], Ended::Outcome(outcome) if outcome.is_success()));
    assert!(matches!(&ended["bad"], Ended::Error(error) if error.kind == Told::NotFound));
    let session = sandbox
        .open_session(&SessionRequest {
            tool: "echo".into(),
            idle_seconds: None,
            files: None,
            limits: Default::default(),
        })
        .await
        .unwrap();
    let again = SessionCall {
        function: "twice".into(),
        arguments: arguments(json!({"number": 4})),
        bytes: Default::default(),
    };
    assert_eq!(session.call(&again).await.unwrap().value, Some(json!(8)));
    assert!(session.show().await.unwrap().ending.is_none());
    assert_eq!(sandbox.sessions().await.unwrap().len(), 1);
    session.end().await.unwrap();
    client.disable_tool("echo").await.unwrap();
    assert!(!client.tools().await.unwrap()[0].enabled);
    sandbox.call(&call).await.unwrap_err();
    client.enable_tool("echo").await.unwrap();
    client.remove_tool("echo").await.unwrap();
    assert!(client.tools().await.unwrap().is_empty());
    let script = client.add_script("a", "x = 1".into(), "python").await.unwrap_err();
    assert_eq!(script.kind(), Kind::Answered(Told::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_taken_up_where_they_were_left() {
    let server = Running::start().await;
    let mut events = server.client.events(None).await.unwrap();
    let sandbox = server.client.create(&SandboxRequest::default()).await.unwrap();
    loop {
        let received = events.next().await.unwrap().unwrap();
        assert!(received.event.is_some(), "{received:?}");
        if matches!(received.event, Some(Event::SandboxCreated { sandbox: id }) if id == sandbox.id()) {
            break;
        }
    }
    let last = events.last_id().unwrap().to_owned();
    drop(events);
    sandbox.destroy().await.unwrap();
    let mut events = sandbox_events(&server.client, &last).await;
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::StateChanged {
                to: SandboxState::Destroyed,
                sandbox: id,
                ..
            } => {
                assert_eq!(id, sandbox.id());
                break;
            }
            other => assert!(!matches!(other, Event::Missed { .. }), "{other:?}"),
        }
    }
}

async fn sandbox_events(client: &Client, after: &str) -> palisade_client::Events {
    client.events(Some(after)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_keys_are_looked_after() {
    let server = Running::start().await;
    let client = &server.client;
    client.ready().await.unwrap();
    assert_eq!(client.about().await.unwrap().role, Role::Admin);
    assert_eq!(client.policies().await.unwrap().default, "default");
    assert!(client.policy("default").await.unwrap().toml.contains("[limits]"));
    let report = client.check_policy("[limits]\nmemroy = 1\n".into()).await.unwrap();
    assert_eq!(report.problems[0].position.unwrap().line, 2);

    let made = client.create_key(Role::Reader).await.unwrap();
    assert!(!format!("{made:?}").contains(&made.key));
    let reader = Client::new(&server.url, &made.key).unwrap();
    let error = reader.keys().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Answered(Told::Forbidden));
    assert_eq!(reader.about().await.unwrap().key, made.id);
    assert!(client.keys().await.unwrap().iter().any(|key| key.id == made.id));
    client.remove_key(&made.id).await.unwrap();
    let error = reader.about().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Answered(Told::Unauthenticated));
    assert_eq!(server.keys.list().unwrap().len(), 1);
}
