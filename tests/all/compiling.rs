//! What making a program ready may take.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use palisade::policy::ByteSize;
use palisade::{Ending, Host, HostConfig, Kind, Program};
use palisade_tests::*;

/// A host with a state directory of its own, which goes with it.
fn host_with(change: impl FnOnce(&mut HostConfig)) -> (Host, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let mut config = HostConfig::new(state.path());
    change(&mut config);
    (Host::open(config).unwrap(), state)
}

/// A program with a function of about so many bytes.
fn long(bytes: usize) -> Program {
    // Three bytes: a local, and its test for zero, dropped.
    let body = "(drop (i32.eqz (local.get 0)))".repeat(bytes / 4);
    wat(
        "long",
        &format!(r#"(module (func (export "_start") (local i32) {body}))"#),
    )
}

#[tokio::test]
async fn a_function_longer_than_any_honest_one_is_refused() {
    let sandbox = sandbox(spec());
    let error = run(&sandbox, &long(600_000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("at most 524288"), "{error}");
    run(&sandbox, &long(500_000)).await.unwrap().exits(0);
}

#[tokio::test]
async fn one_within_a_component_too() {
    let body = "(drop (i32.eqz (local.get 0)))".repeat(150_000);
    let text = format!("(component (core module (func (local i32) {body})))");
    let error = run(&sandbox(spec()), &wat("nested", &text)).await.unwrap_err();
    assert!(error.to_string().contains("at most 524288"), "{error}");
}

#[tokio::test]
async fn a_program_larger_than_the_host_takes_is_refused() {
    let (host, _state) = host_with(|config| config.max_program = ByteSize::from_bytes(1 << 10));
    let sandbox = host.create(spec()).unwrap();
    let error = run(&sandbox, &long(2000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
    assert!(error.to_string().contains("at most 1 KiB"), "{error}");
    run(&sandbox, &long(900)).await.unwrap().exits(0);
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_the_work_is_not_lost() {
    let (host, _state) = host_with(|config| config.compile_time = Duration::from_millis(50));
    let sandbox = host.create(spec()).unwrap();
    let program = long(500_000);
    let mut timeouts = 0;
    let outcome = loop {
        match run(&sandbox, &program).await {
            Ok(outcome) => break outcome,
            Err(error) => assert_eq!(error.kind(), Kind::Timeout, "{error}"),
        }
        timeouts += 1;
        assert!(timeouts < 2000, "it is never compiled");
    };
    outcome.exits(0);
    assert!(timeouts > 0, "it was compiled at once");
}

/// Whoever starts and kills the same program over and over has it compiled a few times, and not once for each.
#[tokio::test]
async fn a_killed_start_leaves_nothing_in_the_queue() {
    let (host, _state) = host_with(|_| {});
    let sandbox = host.create(spec()).unwrap();
    let program = long(500_000);
    for _ in 0..200 {
        let process = sandbox.spawn(palisade::Command::new(&program)).unwrap();
        tokio::task::yield_now().await;
        process.kill();
        assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
    }
    // Behind 200 compilations this would not be done while anybody waits.
    run(&sandbox, &long(1000)).await.unwrap().exits(0);
}

#[tokio::test]
async fn no_program_takes_the_whole_pool() {
    let instances = format!(
        "(component (core module $m) {})",
        "(core instance (instantiate $m))".repeat(65)
    );
    let memories = format!("(module {} (func (export \"_start\")))", "(memory 0)".repeat(9));
    let tables = format!(
        "(component (core module $m {}) {})",
        "(table 0 funcref)".repeat(13),
        "(core instance (instantiate $m))".repeat(5)
    );
    let sandbox = sandbox(spec());
    for (text, named) in [(instances, "instances"), (memories, "memories"), (tables, "tables")] {
        let error = run(&sandbox, &wat("greedy", &text)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// A host which compiles in processes of their own.
fn host_with_compiler(change: impl FnOnce(&mut HostConfig)) -> (Host, tempfile::TempDir) {
    host_with(|config| {
        config.compiler = Some(PathBuf::from(env!("CARGO_BIN_EXE_compiler")));
        change(config);
    })
}

/// Small, and hours of work for a compiler: loops within loops, each with all locals alive.
fn hostile() -> Program {
    let locals = "i32 ".repeat(100);
    let (begin, end) = ("(loop ".repeat(4000), "(br_if 0 (local.get 7)))".repeat(4000));
    let sums: String = (0..800)
        .map(|at| {
            format!(
                "(local.set {} (i32.add (local.get {}) (local.get {})))",
                at * 17 % 100,
                at % 100,
                at * 31 % 100
            )
        })
        .collect();
    wat(
        "hostile",
        &format!(r#"(module (func (export "_start") (local {locals}) {begin}{sums}{end}))"#),
    )
}

/// Compilers which this process has started and which still run.
fn compilers() -> usize {
    let own = std::process::id().to_string();
    let is_ours = |process: &Path| {
        // `PID (compiler) STATE PARENT …`
        let status = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let fields = status
            .split_once("(compiler) ")
            .map(|(_, fields)| fields.split(' ').collect::<Vec<_>>());
        fields.is_some_and(|fields| fields[0] != "Z" && fields[1] == own)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|process| is_ours(&process.path())).count()
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_process_of_its_own_compiles_as_well() {
    let (host, state) = host_with_compiler(|_| {});
    let sandbox = host.create(spec()).unwrap();
    run(&sandbox, &long(1000)).await.unwrap().exits(0);
    let artefacts = std::fs::read_dir(state.path().join("artefacts")).unwrap();
    let is_compiled = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|ending| ending == "cwasm");
    assert_eq!(artefacts.map(Result::unwrap).filter(is_compiled).count(), 1);
    for abi in Abi::BOTH {
        assert_eq!(guest(abi, &sandbox, &["args", "a"]).await.exits(0).out(), "a\n");
    }
}

#[tokio::test]
async fn it_refuses_in_the_same_words() {
    let (apart, _state) = host_with_compiler(|_| {});
    let (here, _other) = host_with(|_| {});
    let bad = [
        Program::from_bytes("bad", b"\0asm\x01\0\0\0\x01".to_vec()).unwrap(),
        wat(
            "bad",
            r#"(module (import "no" "such" (func)) (func (export "_start")))"#,
        ),
        long(600_000),
    ];
    for program in bad {
        let refused = async |host: &Host| run(&host.create(spec()).unwrap(), &program).await.unwrap_err();
        let (apart, here) = (refused(&apart).await, refused(&here).await);
        assert_eq!((apart.kind(), apart.to_string()), (here.kind(), here.to_string()));
    }
}

#[test]
fn work_which_does_not_end_is_ended_with_who_waits_for_it() {
    alone(
        "compiling::work_which_does_not_end_is_ended_with_who_waits_for_it",
        async {
            let (host, _state) = host_with_compiler(|config| config.compile_time = Duration::from_secs(1));
            let error = run(&host.create(spec()).unwrap(), &hostile()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Timeout, "{error}");
            until("its end", || compilers() == 0).await;

            let (host, _state) = host_with_compiler(|_| {});
            let sandbox = host.create(spec()).unwrap();
            let process = sandbox.spawn(palisade::Command::new(&hostile())).unwrap();
            until("its start", || compilers() == 1).await;
            process.kill();
            assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
            until("its end", || compilers() == 0).await;
            run(&sandbox, &long(1000)).await.unwrap().exits(0);
        },
    );
}

#[tokio::test]
async fn work_which_takes_all_memory_fails() {
    let (host, _state) = host_with_compiler(|config| config.compile_memory = ByteSize::from_mib(64));
    let error = run(&host.create(spec()).unwrap(), &hostile()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

/// What a compiler says is bounded on both sides, so that it waits for nobody to read more.
#[tokio::test]
async fn a_refusal_is_short_and_can_be_shown() {
    let (apart, _state) = host_with_compiler(|_| {});
    let (here, _other) = host_with(|_| {});
    let name = r"\1b[2J".repeat(20_000);
    let twice = format!(r#"(export "{name}")"#);
    let program = wat("twice", &format!("(module (func {twice} {twice}))"));
    for host in [apart, here] {
        let error = run(&host.create(spec()).unwrap(), &program).await.unwrap_err();
        let told = error.to_string();
        assert_eq!(error.kind(), Kind::InvalidInput, "{told}");
        assert!(told.len() < 2000 && !told.contains('\u{1b}'), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_compiler_is_told_and_keeps_nothing() {
    let (host, state) = host_with(|config| config.compiler = Some(PathBuf::from("/bin/echo")));
    let error = run(&host.create(spec()).unwrap(), &long(1000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert_eq!(std::fs::read_dir(state.path().join("artefacts")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_compiler_which_is_not_there_is_named() {
    let (host, _state) = host_with(|config| config.compiler = Some(PathBuf::from("/no/such/compiler")));
    let error = run(&host.create(spec()).unwrap(), &long(1000)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("/no/such/compiler"), "{error}");
}
