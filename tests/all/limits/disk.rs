//! Bytes on disk and names in directories.

use palisade::policy::{Access, ByteSize, LimitsRequest};
use palisade::{Kind, Limit, Sandbox};
use palisade_tests::*;

both!(
    every_way_to_fill_the_disk_ends_at_the_limit,
    what_is_removed_can_be_written_again,
    an_open_file_counts_until_it_is_closed,
    names_run_out_and_come_back,
    hard_links_are_names,
    a_mounted_directory_is_charged_for_what_guests_add,
);

const DISK: u64 = 100_000;

fn small() -> Sandbox {
    limited(LimitsRequest {
        disk: Some(ByteSize::from_bytes(DISK)),
        files: Some(20),
        ..LimitsRequest::default()
    })
}

async fn every_way_to_fill_the_disk_ends_at_the_limit(abi: Abi) {
    for args in [
        &["fill", "/a"][..],
        &["fill", "/a", "1"],
        &["sparse", "/a", "100000"],
        &["sparse", "/a", "1099511627776"],
        &["extend", "/a", "100001"],
        &["extend", "/a", "9223372036854775807"],
    ] {
        let sandbox = small();
        let args: Vec<&str> = if args.ends_with(&["1"]) {
            vec!["fill", "/a", "777"]
        } else {
            args.to_vec()
        };
        let outcome = guest(abi, &sandbox, &args).await;
        let told = outcome.exits(0).out();
        assert!(told.starts_with("refused"), "{args:?}: {}", outcome.told());
        // The C library of preview 2 makes EIO of every failed stream.
        let errnos = if abi == Abi::P1 {
            &["EDQUOT", "EFBIG"][..]
        } else {
            &["EDQUOT", "EFBIG", "EIO"]
        };
        assert!(
            errnos.iter().any(|errno| told.trim_end().ends_with(errno)),
            "{args:?}: {told}"
        );
        assert!(
            sandbox.usage().disk.as_bytes() <= DISK,
            "{args:?}: {:?}",
            sandbox.usage()
        );
        if args[0] == "fill" {
            assert!(
                abi == Abi::P2 || told.contains("after 100000 bytes"),
                "{args:?}: {told}"
            );
            assert_eq!(outcome.limits_hit, [Limit::Disk], "{args:?}");
        }
    }
}

async fn what_is_removed_can_be_written_again(abi: Abi) {
    let sandbox = small();
    guest(abi, &sandbox, &["fill", "/a"]).await.exits(0);
    assert_eq!(sandbox.usage().disk.as_bytes(), DISK);
    assert_eq!(script(abi, &sandbox, &["append /a x", "write /b x"]).await.len(), 2);
    let answers = script(abi, &sandbox, &["truncate /a 10", "append /a 1234567890", "stat /a"]).await;
    assert_eq!(answers, ["ok", "ok", "ok file size=20 links=1"]);
    assert_eq!(sandbox.usage().disk.as_bytes(), 20);
    assert_eq!(script(abi, &sandbox, &["rm /a"]).await, ["ok"]);
    assert_eq!(sandbox.usage().disk.as_bytes(), 0, "{:?}", sandbox.usage());
    guest(abi, &sandbox, &["fill", "/c"]).await.exits(0);
    assert_eq!(sandbox.usage().disk.as_bytes(), DISK);
    // A file which replaces another frees what that one held.
    assert_eq!(
        script(abi, &sandbox, &["write /d \"\"", "rename /d /c"]).await,
        ["ok", "ok"]
    );
    assert_eq!(sandbox.usage().disk.as_bytes(), 0);
}

async fn an_open_file_counts_until_it_is_closed(abi: Abi) {
    let sandbox = small();
    sandbox.workspace().write("/a", &vec![0; 90_000]).unwrap();
    let answers = script(abi, &sandbox, &["open h /a rw", "rm /a"]).await;
    assert_eq!(answers, ["ok", "ok"]);
    assert_eq!(sandbox.usage().disk.as_bytes(), 0);
    sandbox.workspace().write("/a", &vec![0; 90_000]).unwrap();
    let answers = script(
        abi,
        &sandbox,
        &[
            "open h /a rw",
            "rm /a",
            "truncate /b 20000",
            "create /b",
            "truncate /b 20000",
            "close h",
            "truncate /b 20000",
        ],
    )
    .await;
    assert_eq!(answers[..4], ["ok", "ok", "ENOENT", "ok"], "{answers:?}");
    assert_ne!(answers[4], "ok", "an unlinked file which is open holds its bytes");
    assert_eq!(answers[5..], ["ok", "ok"], "{answers:?}");
}

async fn names_run_out_and_come_back(abi: Abi) {
    let sandbox = small();
    let outcome = guest(abi, &sandbox, &["many-files", "/", "100"]).await;
    assert!(
        outcome.exits(0).out().starts_with("refused after 20:"),
        "{}",
        outcome.told()
    );
    assert_eq!(outcome.limits_hit, [Limit::Files]);
    assert_eq!(sandbox.usage().files, 20);
    let answers = script(
        abi,
        &sandbox,
        &["mkdir /d", "symlink x /s", "link /0 /l", "rm /0", "mkdir /d"],
    )
    .await;
    assert!(answers[..3].iter().all(|answer| answer.starts_with('E')), "{answers:?}");
    assert_eq!(answers[3..], ["ok", "ok"], "{answers:?}");
    assert_eq!(
        sandbox.workspace().write("/x", b"").unwrap_err().kind(),
        Kind::Exhausted
    );
}

async fn hard_links_are_names(abi: Abi) {
    let sandbox = small();
    let mut operations = vec!["write /a 0123456789".to_owned()];
    operations.extend((0..30).map(|number| format!("link /a /l{number}")));
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    let answers = script(abi, &sandbox, &operations).await;
    assert_eq!(
        answers.iter().filter(|answer| *answer == "ok").count(),
        20,
        "{answers:?}"
    );
    assert_eq!((sandbox.usage().files, sandbox.usage().disk.as_bytes()), (20, 10));
    assert_eq!(script(abi, &sandbox, &["rm /a"]).await, ["ok"]);
    assert_eq!((sandbox.usage().files, sandbox.usage().disk.as_bytes()), (19, 10));
}

async fn a_mounted_directory_is_charged_for_what_guests_add(abi: Abi) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("theirs"), vec![0; 200_000]).unwrap();
    let limits = LimitsRequest {
        disk: Some(ByteSize::from_bytes(DISK)),
        ..LimitsRequest::default()
    };
    let sandbox = sandbox(
        spec()
            .limits(limits)
            .mount(directory.path(), "/m".parse().unwrap(), Access::ReadWrite),
    );
    let outcome = guest(abi, &sandbox, &["fill", "/m/ours"]).await;
    assert!(
        outcome.exits(0).out().starts_with("refused after"),
        "{}",
        outcome.told()
    );
    assert_eq!(outcome.limits_hit, [Limit::Disk]);
    assert!(sandbox.usage().disk.as_bytes() > DISK / 2, "{:?}", sandbox.usage());
    assert_eq!(
        script(abi, &sandbox, &["rm /m/theirs", "rm /m/ours"]).await,
        ["ok", "ok"]
    );
    assert_eq!(sandbox.usage().disk.as_bytes(), 0);
}
