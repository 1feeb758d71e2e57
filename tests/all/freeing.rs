//! What is destroyed leaves nothing behind, and what a host compiled is found again.

use std::path::Path;

use palisade::{Host, HostConfig, Output, Program};
use palisade_tests::*;

#[test]
fn destroying_sandboxes_frees_everything() {
    alone("freeing::destroying_sandboxes_frees_everything", async {
        let state = tempfile::tempdir().unwrap();
        let host = Host::open(HostConfig::new(state.path())).unwrap();
        // Engines, pools and programs stay for as long as the host.
        for _ in 0..20 {
            one_life(&host).await;
        }
        tasks_end().await;
        let (handles, memory) = (open_handles(), resident_bytes());
        for _ in 0..180 {
            one_life(&host).await;
        }
        tasks_end().await;
        assert_eq!(open_handles(), handles, "handles are left open");
        let grown = resident_bytes().saturating_sub(memory);
        assert!(grown < 48 << 20, "{grown} bytes more than before are resident");
        assert!(host.sandboxes().is_empty());
        let scratch = state.path().join("scratch");
        let mut own = names(&scratch);
        own.sort();
        assert_eq!(own.len(), 2, "the host's own directory and its lock: {own:?}");
        assert!(
            names(&scratch.join(&own[0])).is_empty(),
            "directories of sandboxes are left"
        );
        drop(host);
        assert!(names(&scratch).is_empty(), "the host's own directory is left");
    });
}

/// A process leaves its sandbox a moment before its task ends.
async fn tasks_end() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..500 {
        if alive() == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} tasks are left", alive());
}

/// A sandbox with files, a process which ends, and processes which are made to.
async fn one_life(host: &Host) {
    let sandbox = host.create(spec()).unwrap();
    for abi in Abi::BOTH {
        let outcome = guest(
            abi,
            &sandbox,
            &["fs", "mkdir /d", "write /d/file text", "open h /d/file r"],
        )
        .await;
        outcome.exits(0);
        sandbox.workspace().remove("/d").unwrap();
        let _hanging = sandbox.spawn(command(abi, &["sleep", "60000"])).unwrap();
        let mut piped = sandbox
            .spawn(command(abi, &["print-forever"]).stdout(Output::Pipe))
            .unwrap();
        let _unread = piped.take_stdout();
    }
    sandbox.workspace().write("/left", b"text").unwrap();
    tokio::task::yield_now().await;
    sandbox.destroy().await.unwrap();
    assert_eq!(sandbox.usage().memory.as_bytes(), 0);
    assert_eq!(sandbox.usage().open_handles, 0);
}

fn open_handles() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("Linux tells it");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The compiled program, beside what is kept about it.
fn only_artefact(directory: &Path) -> std::path::PathBuf {
    let mut names = names(directory);
    names.retain(|name| name.ends_with(".cwasm"));
    assert_eq!(names.len(), 1, "{names:?}");
    directory.join(&names[0])
}

/// Quick to compile, unlike the guests.
fn small() -> Program {
    wat(
        "small",
        r#"(module (memory 1) (func (export "_start") (memory.fill (i32.const 0) (i32.const 1) (i32.const 9))))"#,
    )
}

async fn runs_on_a_new_host(state: &Path) {
    let host = Host::open(HostConfig::new(state)).unwrap();
    run(&host.create(spec()).unwrap(), &small()).await.unwrap().exits(0);
}

#[tokio::test]
async fn a_second_host_finds_what_the_first_compiled() {
    let state = tempfile::tempdir().unwrap();
    runs_on_a_new_host(state.path()).await;
    let artefact = only_artefact(&state.path().join("artefacts"));
    let before = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&artefact).unwrap());
    runs_on_a_new_host(state.path()).await;
    assert_eq!(only_artefact(&state.path().join("artefacts")), artefact);
    // A file that was written again would be another one.
    assert_eq!(
        std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&artefact).unwrap()),
        before
    );
}

#[tokio::test]
async fn a_damaged_artefact_is_made_anew() {
    let state = tempfile::tempdir().unwrap();
    runs_on_a_new_host(state.path()).await;
    let artefact = only_artefact(&state.path().join("artefacts"));
    let whole = std::fs::read(&artefact).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let damaged = [
        Vec::new(),
        whole[..16].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        flipped(0),
        flipped(whole.len() / 2),
        flipped(whole.len() - 1),
        [&whole[..], b"more"].concat(),
    ];
    for (case, bytes) in damaged.iter().enumerate() {
        std::fs::write(&artefact, bytes).unwrap();
        runs_on_a_new_host(state.path()).await;
        assert_eq!(std::fs::read(&artefact).unwrap().len(), whole.len(), "case {case}");
        assert_ne!(&std::fs::read(&artefact).unwrap(), bytes, "case {case}");
    }
}

#[tokio::test]
async fn an_artefact_which_is_a_link_is_not_followed() {
    let state = tempfile::tempdir().unwrap();
    runs_on_a_new_host(state.path()).await;
    let artefact = only_artefact(&state.path().join("artefacts"));
    let elsewhere = state.path().join("elsewhere");
    std::fs::rename(&artefact, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &artefact).unwrap();
    runs_on_a_new_host(state.path()).await;
    assert!(std::fs::symlink_metadata(&artefact).unwrap().is_file());
}

#[test]
fn a_directory_of_artefacts_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    for mode in [0o770, 0o707, 0o777] {
        let state = tempfile::tempdir().unwrap();
        let artefacts = state.path().join("artefacts");
        std::fs::create_dir(&artefacts).unwrap();
        std::fs::set_permissions(&artefacts, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = Host::open(HostConfig::new(state.path())).map(drop);
        assert_eq!(refused.unwrap_err().kind(), palisade::Kind::InvalidInput, "{mode:o}");
    }
}
