//! Denials: what a guest and a caller are told when something is not granted.

use palisade::policy::{Access, ByteSize, LimitsRequest, Policy};
use palisade::{Delivery, Event, Host, HostConfig, Kind, SandboxSpec};
use palisade_tests::*;

both!(
    writing_below_a_read_only_mount_is_told,
    a_denial_is_told_once_and_as_an_event
);

async fn writing_below_a_read_only_mount_is_told(abi: Abi) {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox(spec().mount(directory.path(), "/data".parse().unwrap(), Access::ReadOnly));
    let outcome = guest(abi, &sandbox, &["fs", "write /data/x text"]).await;
    outcome.exits(0);
    assert_eq!(outcome.denials.len(), 1, "{}", outcome.told());
    let denial = &outcome.denials[0];
    assert!(denial.rule.contains("mounts"), "{denial:?}");
    assert!(denial.asked.contains("/data"), "{denial:?}");
    assert!(denial.smallest_grant.contains("read-write"), "{denial:?}");
    let error = sandbox.workspace().write("/data/x", b"text").unwrap_err();
    assert_eq!((error.kind(), error.denials().len()), (Kind::Denied, 1), "{error}");
}

async fn a_denial_is_told_once_and_as_an_event(abi: Abi) {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = sandbox(spec().mount(directory.path(), "/data".parse().unwrap(), Access::ReadOnly));
    let mut events = host().events();
    let outcome = guest(
        abi,
        &sandbox,
        &["fs", "mkdir /data/x", "mkdir /data/x", "mkdir /data/x"],
    )
    .await;
    assert_eq!(
        (outcome.exits(0).denials.len(), outcome.more_denials),
        (1, 0),
        "{}",
        outcome.told()
    );
    let mut told = 0;
    while let Some(delivery) = events.try_next() {
        if let Delivery::Event(Event::GuestDenied {
            sandbox: of, denial, ..
        }) = delivery
            && of == sandbox.id()
        {
            assert_eq!(denial, outcome.denials[0]);
            told += 1;
        }
    }
    assert_eq!(told, 1);
}

#[tokio::test]
async fn everything_beyond_a_policy_is_denied_at_once() {
    let state = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let host = Host::open(HostConfig::new(state.path())).unwrap();
    let mut events = host.events();
    let limits = LimitsRequest {
        memory: Some(ByteSize::from_gib(1)),
        processes: Some(5),
        handles: Some(65),
        ..LimitsRequest::default()
    };
    let spec = SandboxSpec::new(Policy::strict())
        .mount(directory.path(), "/data".parse().unwrap(), Access::ReadOnly)
        .env("HOME", "secret value")
        .limits(limits);
    let error = host.create(spec).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.denials().len(), 5, "{error}");
    assert!(!error.to_string().contains("secret value"), "{error}");
    assert!(host.sandboxes().is_empty());
    match events.try_next() {
        Some(Delivery::Event(Event::RequestDenied { denials, .. })) => {
            assert_eq!(denials, error.denials());
        }
        other => panic!("{other:?}"),
    }
    assert!(events.try_next().is_none());
    let runs = std::fs::read_dir(state.path().join("scratch")).unwrap().count();
    assert_eq!(runs, 2, "only the host's own, and its lock");
}

#[test]
fn the_state_directory_and_what_holds_it_cannot_be_mounted() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let host = Host::open(HostConfig::new(&state)).unwrap();
    std::os::unix::fs::symlink(&state, parent.path().join("link")).unwrap();
    std::fs::create_dir(parent.path().join("beside")).unwrap();
    let create = |path: &std::path::Path| {
        host.create(spec().mount(path, "/m".parse().unwrap(), Access::ReadOnly))
            .map(|sandbox| sandbox.id())
    };
    for path in [
        parent.path().to_owned(),
        state.clone(),
        state.join("artefacts"),
        state.join("scratch"),
        parent.path().join("link"),
        parent.path().join("beside/../state"),
        "/".into(),
    ] {
        assert_eq!(create(&path).unwrap_err().kind(), Kind::InvalidInput, "{path:?}");
    }
    create(&parent.path().join("beside")).unwrap();
    assert_eq!(
        create(&parent.path().join("nothing")).unwrap_err().kind(),
        Kind::NotFound
    );
    std::fs::write(parent.path().join("file"), "").unwrap();
    assert_eq!(
        create(&parent.path().join("file")).unwrap_err().kind(),
        Kind::InvalidInput
    );
}
