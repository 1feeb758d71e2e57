//! Processes, open handles, and what a table of handles can be made to do.

use palisade::policy::LimitsRequest;
use palisade::{Host, HostConfig, Kind, Limit, Output};
use palisade_tests::*;

both!(
    one_process_more_than_the_limit_is_refused,
    handles_run_out_and_come_back
);

async fn one_process_more_than_the_limit_is_refused(abi: Abi) {
    let sandbox = limited(LimitsRequest {
        processes: Some(3),
        ..LimitsRequest::default()
    });
    let sleeper = || command(abi, &["sleep", "60000"]);
    let held: Vec<_> = (0..3).map(|_| sandbox.spawn(sleeper()).unwrap()).collect();
    assert_eq!(sandbox.spawn(sleeper()).unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(sandbox.run(sleeper()).await.unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(sandbox.usage().processes, 3);
    held[0].kill();
    while sandbox.usage().processes == 3 {
        tokio::task::yield_now().await;
    }
    guest(abi, &sandbox, &["args"]).await.exits(0);
    sandbox.stop().await.unwrap();
    assert_eq!(sandbox.usage().processes, 0);
}

async fn handles_run_out_and_come_back(abi: Abi) {
    let sandbox = limited(LimitsRequest {
        handles: Some(20),
        ..LimitsRequest::default()
    });
    script(abi, &sandbox, &["write /a text"]).await;
    let outcome = guest(abi, &sandbox, &["open", "/a", "100"]).await;
    let told = outcome.exits(0).out();
    // WASI 0.2 has no error of its own for it.
    let errno = if abi == Abi::P1 { "EMFILE" } else { "EDQUOT" };
    assert!(
        told.starts_with("refused after 20: ") && told.trim_end().ends_with(errno),
        "{}",
        outcome.told()
    );
    assert_eq!(outcome.limits_hit, [Limit::Handles]);
    assert_eq!(sandbox.usage().open_handles, 0);
    assert_eq!(
        guest(abi, &sandbox, &["open", "/a", "10"]).await.exits(0).out(),
        "holding 10\n"
    );
}

/// What `fd_renumber` replaces is closed, however often.
#[tokio::test]
async fn renumbering_for_ever_holds_nothing() {
    let sandbox = limited(LimitsRequest {
        handles: Some(20),
        ..LimitsRequest::default()
    });
    script(Abi::P1, &sandbox, &["write /a text"]).await;
    let outcome = guest(Abi::P1, &sandbox, &["renumber", "/a", "5000"]).await;
    assert_eq!(outcome.exits(0).out(), "renumbered 5000\n", "{}", outcome.told());
    assert_eq!(sandbox.usage().open_handles, 0);
}

/// A component may make resources until the host says no; the host stays whole.
#[tokio::test]
async fn a_flood_of_resources_is_bounded() {
    let sandbox = limited(LimitsRequest {
        time: Some(std::time::Duration::from_secs(5)),
        ..LimitsRequest::default()
    });
    let outcome = guest(Abi::P2, &sandbox, &["handles", "5000000"]).await;
    assert!(
        !outcome.is_success(),
        "five million pollables were made: {}",
        outcome.told()
    );
    guest(Abi::P2, &sandbox, &["handles", "100"]).await.exits(0);
}

#[tokio::test]
async fn too_many_subscriptions_are_refused_or_answered() {
    let sandbox = limited(LimitsRequest {
        fuel: Some(100_000_000),
        ..LimitsRequest::default()
    });
    let outcome = guest(Abi::P1, &sandbox, &["poll", "10"]).await;
    assert_eq!(outcome.exits(0).out(), "due 10\n");
    let outcome = guest(Abi::P1, &sandbox, &["poll", "1000000"]).await;
    assert!(
        !outcome.out().contains("due 1000000") || outcome.usage.fuel > Some(1_000_000),
        "{}",
        outcome.told()
    );
}

#[tokio::test]
async fn a_full_host_says_so_and_recovers() {
    let state = tempfile::tempdir().unwrap();
    let config = HostConfig {
        max_sandboxes: 2,
        max_instances: 1,
        ..HostConfig::new(state.path())
    };
    let host = Host::open(config).unwrap();
    let (one, other) = (host.create(spec()).unwrap(), host.create(spec()).unwrap());
    assert_eq!(host.create(spec()).unwrap_err().kind(), Kind::Exhausted);
    let mut holder = one
        .spawn(command(Abi::P1, &["hold", "1", "60000"]).stdout(Output::Pipe))
        .unwrap();
    let mut out = holder.take_stdout().expect("it was asked for");
    tokio::io::AsyncReadExt::read_u8(&mut out)
        .await
        .expect("it says that it runs");
    let refused = other.run(command(Abi::P1, &["args"])).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(
        (other.state(), other.usage().memory.as_bytes()),
        (palisade::State::Ready, 0)
    );
    one.destroy().await.unwrap();
    guest(Abi::P1, &other, &["args"]).await.exits(0);
    host.create(spec()).unwrap();
}
