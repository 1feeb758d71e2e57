//! Files: one tree for both ABIs, mounts and their rules, links, and what changed.

use std::path::Path;

use palisade::policy::Access;
use palisade::snapshots::{Details, Durability};
use palisade::{Kind, Sandbox};
use palisade_tests::*;
use tempfile::TempDir;

both!(
    a_mount_is_what_it_was_granted_as,
    no_symbolic_link_leads_out,
    a_link_to_the_guests_own_root_stays_in_it,
    nothing_moves_between_mounts,
    truncating_below_a_read_only_mount_keeps_the_bytes,
    hard_links_are_one_file,
    files_have_numbers_which_are_not_the_hosts,
    directories_are_renamed_with_what_they_hold,
    times_before_the_epoch_and_far_ahead_are_harmless,
    what_changed_is_told,
    a_program_sees_what_the_host_wrote_and_the_other_way_round,
    long_and_odd_names_are_refused_or_kept,
);

/// A read-only and a read-write directory, one beside them that is not mounted, and links to it in both.
struct Tree {
    directory: TempDir,
    sandbox: Sandbox,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["ro", "rw", "secret"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("ro/file"), "read me").unwrap();
        std::fs::create_dir(at("ro/sub")).unwrap();
        std::fs::write(at("rw/file"), "write me").unwrap();
        std::fs::write(at("secret/canary"), "untouched").unwrap();
        for name in ["ro", "rw"] {
            std::os::unix::fs::symlink("../secret", at(&format!("{name}/relative"))).unwrap();
            std::os::unix::fs::symlink(at("secret"), at(&format!("{name}/absolute"))).unwrap();
            std::os::unix::fs::symlink("../secret/canary", at(&format!("{name}/canary"))).unwrap();
            std::os::unix::fs::symlink("../../../../../../../../../../../../etc", at(&format!("{name}/etc"))).unwrap();
        }
        let sandbox = sandbox(spec().mount(at("ro"), "/ro".parse().unwrap(), Access::ReadOnly).mount(
            at("rw"),
            "/rw".parse().unwrap(),
            Access::ReadWrite,
        ));
        Self { directory, sandbox }
    }

    fn host(&self) -> &Path {
        self.directory.path()
    }

    /// What was not mounted is as it was, and nothing joined it.
    #[track_caller]
    fn secret_is_untouched(&self, after: &str) {
        let secret = self.host().join("secret");
        assert_eq!(
            std::fs::read_to_string(secret.join("canary")).unwrap(),
            "untouched",
            "{after}"
        );
        let names: Vec<_> = std::fs::read_dir(&secret)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["canary"], "{after}");
        let modified = std::fs::metadata(secret.join("canary")).unwrap().modified().unwrap();
        assert!(
            modified.elapsed().is_ok_and(|age| age.as_secs() < 3600),
            "{after}: {modified:?}"
        );
    }
}

async fn a_mount_is_what_it_was_granted_as(abi: Abi) {
    let tree = Tree::new();
    let reads = ["read /ro/file", "read /rw/file", "ls /ro/sub", "stat /ro/file"];
    let answers = script(abi, &tree.sandbox, &reads).await;
    assert_eq!(answers, ["ok read me", "ok write me", "ok", "ok file size=7 links=1"]);
    let writes = [
        "write /ro/new x",
        "append /ro/file x",
        "pwrite /ro/file 0 x",
        "create /ro/new",
        "truncate /ro/file 0",
        "rename /ro/file /ro/other",
        "link /ro/file /ro/other",
        "symlink x /ro/other",
        "rm /ro/file",
        "mkdir /ro/d",
        "rmdir /ro/sub",
        "rmtree /ro/sub",
        "settimes /ro/file 1 1",
        "open h /ro/file rw",
    ];
    let answers = script(abi, &tree.sandbox, &writes).await;
    for (write, answer) in writes.iter().zip(&answers) {
        assert!(
            matches!(&**answer, "EROFS" | "EPERM" | "EACCES" | "ENOTCAPABLE"),
            "{write}: {answer}"
        );
    }
    assert_eq!(std::fs::read_to_string(tree.host().join("ro/file")).unwrap(), "read me");
    let answers = script(
        abi,
        &tree.sandbox,
        &["write /rw/new x", "rename /rw/new /rw/newer", "rm /rw/newer"],
    )
    .await;
    assert_eq!(answers, ["ok"; 3]);
}

/// Everything a script can do to a path, `P`, and how it would show that it got out.
const OPERATIONS: &[&str] = &[
    "read P",
    "write P out",
    "append P out",
    "pwrite P 0 out",
    "pread P 0 3",
    "create P",
    "truncate P 0",
    "copy P /stolen",
    "copy /rw/file P",
    "rename P /rw/stolen",
    "rename /rw/file P",
    "link P /rw/stolen",
    "link /rw/file P",
    "symlink x P",
    "readlink P",
    "mkdir P",
    "rmdir P",
    "ls P",
    "stat P",
    "settimes P 1 1",
    "open h P rwc",
];

async fn no_symbolic_link_leads_out(abi: Abi) {
    let mut paths = Vec::new();
    for mount in ["/ro", "/rw"] {
        for link in ["relative", "absolute", "etc"] {
            let link = format!("{mount}/{link}");
            for end in [
                "/",
                "/.",
                "/./",
                "//",
                "/canary",
                "/new",
                "/passwd",
                "/./canary",
                "/../secret/canary",
                "/../../secret/new",
            ] {
                paths.push(format!("{link}{end}"));
            }
        }
        for path in [
            "canary",
            "canary/",
            "./canary/.",
            "relative/../../secret/canary",
            "../../secret/canary",
        ] {
            paths.push(format!("{mount}/{path}"));
        }
        paths.push(format!("{mount}/{}etc/passwd", "../".repeat(40)));
    }
    for path in &paths {
        let tree = Tree::new();
        let operations: Vec<String> = OPERATIONS
            .iter()
            .map(|operation| operation.replace('P', path))
            .collect();
        let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
        let answers = script(abi, &tree.sandbox, &operations).await;
        tree.secret_is_untouched(path);
        for (operation, answer) in operations.iter().zip(&answers) {
            assert!(
                !answer.contains("untouched") && !answer.contains("root:"),
                "{operation}: {answer}"
            );
        }
    }
}

/// Guests over preview 1 may not make absolute links, so that these were there before.
async fn a_link_to_the_guests_own_root_stays_in_it(abi: Abi) {
    let tree = Tree::new();
    for (target, name) in [("/inside", "root"), ("/ro/file", "other"), ("/rw/loop", "loop")] {
        std::os::unix::fs::symlink(target, tree.host().join("rw").join(name)).unwrap();
    }
    let answers = script(
        abi,
        &tree.sandbox,
        &[
            "write /inside text",
            "mkdir /d",
            "symlink ../inside /d/relative",
            "symlink ../../../../inside /d/above",
            "read /d/relative",
            "read /d/above",
            "read /rw/root",
            "read /rw/other",
            "read /rw/loop",
        ],
    )
    .await;
    assert_eq!(
        answers[4..],
        ["ok text", "ok text", "ok text", "ok read me", "ELOOP"],
        "{answers:?}"
    );
}

async fn nothing_moves_between_mounts(abi: Abi) {
    let tree = Tree::new();
    let operations = [
        "rename /rw/file /ro/file2",
        "rename /ro/file /rw/file2",
        "link /rw/file /ro/file2",
        "link /ro/file /rw/file2",
        "rename /rw/file /ro/file",
        "rename /ro/sub /rw/sub",
        "rename /rw/file /file",
        "link /rw/file /file",
    ];
    let answers = script(abi, &tree.sandbox, &operations).await;
    for (operation, answer) in operations.iter().zip(&answers) {
        assert!(
            matches!(&**answer, "EXDEV" | "EROFS" | "EPERM" | "ENOTCAPABLE"),
            "{operation}: {answer}"
        );
    }
    for (file, text) in [("ro/file", "read me"), ("rw/file", "write me")] {
        assert_eq!(std::fs::read_to_string(tree.host().join(file)).unwrap(), text);
    }
    assert!(!tree.host().join("ro/file2").exists() && !tree.host().join("rw/file2").exists());
}

async fn truncating_below_a_read_only_mount_keeps_the_bytes(abi: Abi) {
    let tree = Tree::new();
    for mode in ["wt", "rwt", "wct", "rwct", "at"] {
        let answers = script(abi, &tree.sandbox, &[&format!("open h /ro/file {mode}")]).await;
        assert_ne!(answers, ["ok"], "{mode}");
        assert_eq!(
            std::fs::read_to_string(tree.host().join("ro/file")).unwrap(),
            "read me",
            "{mode}"
        );
    }
}

async fn hard_links_are_one_file(abi: Abi) {
    let operations = [
        "write /a text",
        "link /a /b",
        "same /a /b",
        "append /b more",
        "read /a",
        "stat /a",
        "rm /a",
        "stat /b",
        "write /c text",
        "same /b /c",
        "link / /root",
        "link /b /c",
    ];
    let answers = script(abi, &sandbox(spec()), &operations).await;
    let expected = [
        "ok",
        "ok",
        "ok true",
        "ok",
        "ok textmore",
        "ok file size=8 links=2",
        "ok",
        "ok file size=8 links=1",
        "ok",
        "ok false",
    ];
    assert_eq!(answers[..10], expected);
    assert!(
        answers[10..].iter().all(|answer| answer.starts_with('E')),
        "{answers:?}"
    );
}

async fn files_have_numbers_which_are_not_the_hosts(abi: Abi) {
    use std::os::unix::fs::MetadataExt as _;
    let tree = Tree::new();
    let operations = [
        "link /rw/file /rw/again",
        "numbers /rw/file",
        "numbers /rw/again",
        "numbers /ro/file",
        "numbers /rw",
    ];
    let answers = script(abi, &tree.sandbox, &operations).await;
    let numbers = |answer: &str| -> [u64; 3] {
        let numbers: Vec<u64> = answer.split(' ').skip(1).map(|word| word.parse().unwrap()).collect();
        numbers.try_into().unwrap()
    };
    let [file, again, other, directory] = [1, 2, 3, 4].map(|index| numbers(&answers[index]));
    for [_, inode, listed] in [file, again, other, directory] {
        assert_eq!(inode, listed, "{answers:?}");
    }
    assert_eq!(file, again, "{answers:?}");
    assert!(file != other && file != directory, "{answers:?}");

    let hosts = std::fs::metadata(tree.host().join("rw/file")).unwrap();
    let at = "/rw".parse().unwrap();
    let beside = sandbox(spec().mount(tree.host().join("rw"), at, Access::ReadWrite));
    let elsewhere = numbers(&script(abi, &beside, &["numbers /rw/file"]).await[0]);
    for [_, inode, _] in [file, elsewhere] {
        assert!(inode != hosts.ino() && inode != 0, "{answers:?}");
    }
    assert_ne!(file[1], elsewhere[1], "two sandboxes have nothing to compare");
}

async fn directories_are_renamed_with_what_they_hold(abi: Abi) {
    let operations = [
        "mkdir /d",
        "mkdir /d/e",
        "write /d/e/f text",
        "rename /d /moved",
        "read /moved/e/f",
        "stat /d",
        "rename /moved /moved/e/inside",
        "mkdir /empty",
        "rename /moved /empty",
        "read /empty/e/f",
        "mkdir /full",
        "write /full/x x",
        "rename /empty /full",
        "rename /full/x /empty",
        "rmdir /empty",
        "rmtree /empty",
        "ls /",
    ];
    let answers = script(abi, &sandbox(spec()), &operations).await;
    assert_eq!(answers[..6], ["ok", "ok", "ok", "ok", "ok text", "ENOENT"]);
    assert_eq!(answers[6], "EINVAL", "a directory cannot move into itself");
    assert_eq!(answers[7..12], ["ok", "ok", "ok text", "ok", "ok"]);
    assert_eq!(answers[12..], ["ENOTEMPTY", "EISDIR", "ENOTEMPTY", "ok", "ok full/"]);
}

async fn times_before_the_epoch_and_far_ahead_are_harmless(abi: Abi) {
    let tree = Tree::new();
    let old = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(86_400 * 365 * 40);
    std::fs::File::open(tree.host().join("ro/file"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let outcome = guest(abi, &tree.sandbox, &["fs", "stat /ro/file", "times /ro/file", "ls /ro"]).await;
    assert!(outcome.exits(0).out().starts_with("ok file"), "{}", outcome.told());
    let operations = [
        "settimes /rw/file 0 0",
        "settimes /rw/file 18446744073 18446744073",
        "times /rw/file",
    ];
    let answers = script(abi, &tree.sandbox, &operations).await;
    assert_eq!(answers[0], "ok", "{answers:?}");
    guest(
        abi,
        &tree.sandbox,
        &[
            "fs",
            "settimes /rw/file 18446744073709551615 9223372036854775807",
            "stat /rw/file",
        ],
    )
    .await
    .exits(0);
}

async fn what_changed_is_told(abi: Abi) {
    let sandbox = sandbox(spec());
    script(
        abi,
        &sandbox,
        &["mkdir /d", "write /d/a text", "write /d/b text", "write /same text"],
    )
    .await;
    let take_changes = async || {
        let changes = sandbox.workspace().changes();
        let snapshots = sandbox.snapshots();
        snapshots.take(Details::default(), Durability::Soon).await.unwrap();
        changes
    };
    assert!(!take_changes().await.is_empty());
    assert_eq!(sandbox.workspace().changes(), []);

    script(
        abi,
        &sandbox,
        &[
            "read /d/a",
            "stat /same",
            "ls /d",
            "append /d/a more",
            "settimes /d/b 1 1",
        ],
    )
    .await;
    let changes = take_changes().await;
    let of = |path: &str| changes.iter().find(|change| change.path.as_deref() == Some(path));
    assert!(of("/d/a").is_some_and(|change| change.content), "{changes:?}");
    assert!(
        of("/d/b").is_some_and(|change| change.metadata && !change.content),
        "{changes:?}"
    );
    assert!(of("/same").is_none(), "{changes:?}");

    script(abi, &sandbox, &["rename /d/a /d/c", "rm /same"]).await;
    let changes = take_changes().await;
    for directory in ["/", "/d"] {
        assert!(
            changes
                .iter()
                .any(|change| change.path.as_deref() == Some(directory) && change.entries),
            "{directory}: {changes:?}"
        );
    }
}

async fn a_program_sees_what_the_host_wrote_and_the_other_way_round(abi: Abi) {
    let sandbox = sandbox(spec());
    let files = sandbox.workspace();
    files.create_dir_all("/a/b").unwrap();
    files.write("/a/b/host", b"from the host").unwrap();
    let answers = script(
        abi,
        &sandbox,
        &["read /a/b/host", "write /a/b/guest \"from the guest\"", "ls /a/b"],
    )
    .await;
    assert_eq!(answers, ["ok from the host", "ok", "ok guest host"]);
    assert_eq!(files.read("/a/b/guest", 100).unwrap(), b"from the guest");
    assert_eq!(files.read("/a/b/guest", 5).unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(files.stat("/a/b/guest").unwrap().size, 14);
    files.remove("/a").unwrap();
    assert_eq!(script(abi, &sandbox, &["ls /"]).await, ["ok"]);
}

async fn long_and_odd_names_are_refused_or_kept(abi: Abi) {
    let sandbox = sandbox(spec());
    let (fits, long) = ("x".repeat(255), "x".repeat(256));
    let operations = [
        format!("write /{fits} text"),
        format!("write /{long} text"),
        format!("read /{}", "d/".repeat(3000)),
        "write \"/new\\nline\" text".to_owned(),
        "read \"/new\\nline\"".to_owned(),
        "write \"\" text".to_owned(),
        "write /é text".to_owned(),
    ];
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    let answers = script(abi, &sandbox, &operations).await;
    assert_eq!(
        answers,
        ["ok", "ENAMETOOLONG", "ENAMETOOLONG", "ok", "ok text", "EISDIR", "ok"]
    );
}

#[tokio::test]
async fn both_abis_answer_alike() {
    let operations = [
        "mkdir /d",
        "mkdir /d",
        "write /d/a text",
        "read /d/a/",
        "read /d/a/.",
        "ls /d/a",
        "rmdir /d/a",
        "rm /d",
        "rmdir /d",
        "rmdir /",
        "create /d/a",
        "rename /d/a /d/a/b",
        "rename /nothing /d/b",
        "symlink a /d/s",
        "readlink /d/s",
        "lstat /d/s",
        "stat /d/s",
        "readlink /d/a",
        "rmdir /d/s",
        "write /d/s more",
        "read /d/a",
        "mkdir /d/s",
        "symlink nothing /d/dangling",
        "write /d/dangling made",
        "read /d/nothing",
        "create /d/dangling",
        "pread /d/a 2 100",
        "pread /d/a 100 5",
        "pwrite /d/a 10 end",
        "read /d/a",
        "truncate /d/a 3",
        "read /d/a",
        "rename /d/s /d/t",
        "ls /d",
        "stat /",
        "lstat /d/",
        "rmdir /d/.",
        "mkdir /d/new/",
        "ls /d/new/",
        "open h /d/a rw",
        "rm /d/a",
        "hsize h",
        "hread h 2",
        "hwrite h xx",
        "hseek h 0",
        "hread h 10",
        "hsync h",
        "close h",
    ];
    let [one, other] = [Abi::P1, Abi::P2].map(|abi| async move { script(abi, &sandbox(spec()), &operations).await });
    let (one, other) = (one.await, other.await);
    assert_eq!(one.len(), operations.len());
    let answers = operations.iter().zip(one.iter().zip(&other));
    let unlike: Vec<_> = answers.filter(|(_, (one, other))| one != other).collect();
    assert!(unlike.is_empty(), "{unlike:#?}");
}

/// A directory is swapped for a link out while a guest opens files below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_of_renames_does_not_lead_out() {
    let tree = Tree::new();
    let rw = tree.host().join("rw");
    std::fs::create_dir(rw.join("swapped")).unwrap();
    std::fs::write(rw.join("swapped/canary"), "inside").unwrap();
    std::os::unix::fs::symlink("../secret", rw.join("other")).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapping = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for (from, to) in [
                    ("swapped", "aside"),
                    ("other", "swapped"),
                    ("swapped", "other"),
                    ("aside", "swapped"),
                ] {
                    std::fs::rename(rw.join(from), rw.join(to)).unwrap();
                }
            }
        }
    });
    let operations = [
        "read /rw/swapped/canary",
        "write /rw/swapped/new out",
        "write /rw/swapped/canary inside",
    ]
    .repeat(200);
    for abi in Abi::BOTH {
        let answers = script(abi, &tree.sandbox, &operations).await;
        assert!(
            !answers.iter().any(|answer| answer.contains("untouched")),
            "{answers:?}"
        );
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapping.join().unwrap();
    tree.secret_is_untouched("a race");
}
