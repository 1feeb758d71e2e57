//! Sandboxes from their making to their end, on a host whose programs do as they are told.

use std::time::Duration;

use palisade::policy::LimitsRequest;
use palisade::testing::{Behaviour, host as fake_host, program};
use palisade::{Command, Delivery, Ending, Event, Events, Host, Kind, Limit, Sandbox, State};
use palisade_tests::*;
use tempfile::TempDir;

fn fake() -> (Host, Sandbox, TempDir) {
    let state = tempfile::tempdir().unwrap();
    let host = fake_host(state.path()).unwrap();
    let sandbox = host.create(spec()).unwrap();
    (host, sandbox, state)
}

fn does(behaviour: Behaviour) -> Command {
    Command::new(&program(behaviour))
}

fn kinds(events: &mut Events) -> Vec<String> {
    std::iter::from_fn(|| events.try_next())
        .map(|delivery| match delivery {
            Delivery::Event(Event::StateChanged { from, to, .. }) => format!("{from:?} -> {to:?}"),
            Delivery::Event(Event::ProcessStarted { .. }) => "started".into(),
            Delivery::Event(Event::ProcessEnded { ending, .. }) => format!("{ending:?}"),
            Delivery::Event(Event::SandboxCreated { .. }) => "created".into(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_sandbox_lives_and_ends() {
    let (host, sandbox, _state) = fake();
    assert_eq!(sandbox.state(), State::Ready);
    let outcome = sandbox.run(does(Behaviour::Exit(3))).await.unwrap();
    assert_eq!(outcome.exits(3).ending, Ending::Exited(3));
    let process = sandbox.spawn(does(Behaviour::Hang)).unwrap();
    assert_eq!(
        (sandbox.state(), sandbox.processes()),
        (State::Running, vec![process.id()])
    );
    sandbox.suspend().unwrap();
    assert_eq!(
        sandbox.run(does(Behaviour::Exit(0))).await.unwrap_err().kind(),
        Kind::Conflict
    );
    sandbox.resume().unwrap();
    assert_eq!(sandbox.state(), State::Running);
    sandbox.stop().await.unwrap();
    assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
    assert_eq!(sandbox.state(), State::Stopped);
    assert_eq!(
        sandbox.run(does(Behaviour::Exit(0))).await.unwrap_err().kind(),
        Kind::Conflict
    );
    sandbox.destroy().await.unwrap();
    sandbox.destroy().await.unwrap();
    assert_eq!(sandbox.state(), State::Destroyed);
    assert_eq!(host.sandbox(sandbox.id()).unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn what_cannot_start_leaves_nothing() {
    let (_host, sandbox, _state) = fake();
    assert_eq!(
        sandbox.run(does(Behaviour::Refuse)).await.unwrap_err().kind(),
        Kind::InvalidInput
    );
    assert_eq!((sandbox.state(), sandbox.usage().processes), (State::Ready, 0));
}

#[tokio::test]
async fn a_panic_of_a_backend_fails_its_sandbox_and_no_other() {
    let (host, sandbox, _state) = fake();
    let other = host.create(spec()).unwrap();
    let hanging = sandbox.spawn(does(Behaviour::Hang)).unwrap();
    let panicking = sandbox.spawn(does(Behaviour::Panic)).unwrap();
    assert_eq!(panicking.wait().await.unwrap_err().kind(), Kind::Internal);
    assert_eq!(hanging.wait().await.unwrap().ending, Ending::Killed);
    assert_eq!((sandbox.state(), sandbox.usage().processes), (State::Failed, 0));
    assert_eq!(
        sandbox.run(does(Behaviour::Exit(0))).await.unwrap_err().kind(),
        Kind::Conflict
    );
    other.run(does(Behaviour::Exit(0))).await.unwrap().exits(0);
    sandbox.destroy().await.unwrap();
    assert_eq!(host.sandboxes().len(), 1);
}

#[tokio::test]
async fn dropping_a_run_ends_its_program() {
    let (_host, sandbox, _state) = fake();
    let run = tokio::time::timeout(Duration::from_millis(20), sandbox.run(does(Behaviour::Hang)));
    run.await.expect_err("it hangs");
    assert_eq!((sandbox.state(), sandbox.usage().processes), (State::Ready, 0));
}

#[tokio::test]
async fn dropping_a_process_leaves_it_running() {
    let (_host, sandbox, _state) = fake();
    let process = sandbox.spawn(does(Behaviour::Hang)).unwrap();
    let id = process.id();
    drop(process);
    tokio::task::yield_now().await;
    assert_eq!(sandbox.processes(), [id]);
    assert!(sandbox.kill(id));
    while sandbox.usage().processes > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!sandbox.kill(id));
}

#[tokio::test]
async fn a_handle_outlives_its_host_without_harm() {
    let (host, sandbox, _state) = fake();
    let process = sandbox.spawn(does(Behaviour::Hang)).unwrap();
    drop(host);
    process.kill();
    assert_eq!(process.wait().await.unwrap().ending, Ending::Killed);
    assert_eq!(
        sandbox.run(does(Behaviour::Exit(0))).await.unwrap_err().kind(),
        Kind::Unavailable
    );
    sandbox.destroy().await.unwrap();
}

#[tokio::test]
async fn events_come_in_order() {
    let state = tempfile::tempdir().unwrap();
    let host = fake_host(state.path()).unwrap();
    let mut events = host.events();
    let sandbox = host.create(spec()).unwrap();
    sandbox.run(does(Behaviour::Exit(0))).await.unwrap();
    sandbox.suspend().unwrap();
    sandbox.suspend().unwrap();
    sandbox.destroy().await.unwrap();
    let expected = [
        "created",
        "Ready -> Running",
        "started",
        "Exited(0)",
        "Running -> Ready",
        "Ready -> Suspended",
        "Suspended -> Stopping",
        "Stopping -> Stopped",
        "Stopped -> Destroyed",
    ];
    let told: Vec<_> = kinds(&mut events)
        .into_iter()
        .filter(|kind| kind != "Creating -> Ready")
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed() {
    let (host, sandbox, _state) = fake();
    let mut slow = host.events();
    for _ in 0..1000 {
        sandbox.suspend().unwrap();
        sandbox.resume().unwrap();
    }
    let Some(Delivery::Missed(missed)) = slow.next().await else {
        panic!("it missed nothing")
    };
    let rest = std::iter::from_fn(|| slow.try_next()).count() as u64;
    assert_eq!(missed + rest, 2000);
}

both!(a_real_program_ends_with_its_future);

async fn a_real_program_ends_with_its_future(abi: Abi) {
    let sandbox = sandbox(spec());
    guest(abi, &sandbox, &["args"]).await;
    for args in [&["spin"][..], &["sleep", "60000"]] {
        let run = tokio::time::timeout(Duration::from_millis(50), sandbox.run(command(abi, args)));
        run.await.expect_err("it does not end");
        assert_eq!(
            (sandbox.usage().processes, sandbox.usage().memory.as_bytes()),
            (0, 0),
            "{args:?}"
        );
    }
}

/// On two threads, so that a program which spins does not keep the test's own timers waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_program_stands_still() {
    for abi in Abi::BOTH {
        let time = Some(Duration::from_millis(400));
        let sandbox = limited(LimitsRequest {
            time,
            ..LimitsRequest::default()
        });
        guest(abi, &sandbox, &["args"]).await;
        let process = sandbox.spawn(command(abi, &["spin"])).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        sandbox.suspend().unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(sandbox.processes(), [process.id()], "its time limit does not go on");
        sandbox.resume().unwrap();
        let outcome = process.wait().await.unwrap();
        let usage = outcome.reaches(Limit::Time).usage;
        assert!(usage.elapsed < Duration::from_millis(700), "{usage:?}");
    }
}

/// What a test does to a sandbox.
#[derive(Debug, Clone, Copy)]
enum Act {
    Run,
    Spawn,
    Kill,
    Suspend,
    Resume,
    Stop,
    Destroy,
    Panic,
}

/// What a sandbox should be, kept beside the real one.
#[derive(Debug)]
struct Model {
    state: State,
    processes: usize,
}

impl Model {
    fn idle_or_running(&self) -> State {
        if self.processes == 0 {
            State::Ready
        } else {
            State::Running
        }
    }

    /// Whether the act is accepted.
    fn act(&mut self, act: Act) -> bool {
        let ended = self.state.has_ended();
        let open = matches!(self.state, State::Ready | State::Running);
        match act {
            Act::Run => return open,
            Act::Spawn if open => self.processes += 1,
            Act::Spawn => return false,
            Act::Kill => {
                self.processes = self.processes.saturating_sub(1);
                if !ended && self.state != State::Suspended {
                    self.state = self.idle_or_running();
                }
                return true;
            }
            Act::Suspend if ended => return false,
            Act::Suspend => {
                self.state = State::Suspended;
                return true;
            }
            Act::Resume if ended => return false,
            Act::Resume => {}
            Act::Stop | Act::Destroy => {
                self.processes = 0;
                self.state = match (act, self.state) {
                    (Act::Destroy, _) | (_, State::Destroyed) => State::Destroyed,
                    (_, State::Failed) => State::Failed,
                    _ => State::Stopped,
                };
                return true;
            }
            Act::Panic if open => {
                self.processes = 0;
                self.state = State::Failed;
                return true;
            }
            Act::Panic => return false,
        }
        self.state = self.idle_or_running();
        true
    }
}

async fn perform(sandbox: &Sandbox, act: Act) -> bool {
    match act {
        Act::Run => sandbox.run(does(Behaviour::Exit(0))).await.is_ok(),
        Act::Spawn => sandbox.spawn(does(Behaviour::Hang)).is_ok(),
        Act::Kill => {
            if let Some(first) = sandbox.processes().first() {
                sandbox.kill(*first);
                while sandbox.processes().contains(first) {
                    tokio::task::yield_now().await;
                }
            }
            true
        }
        Act::Suspend => sandbox.suspend().is_ok(),
        Act::Resume => sandbox.resume().is_ok(),
        Act::Stop => sandbox.stop().await.is_ok(),
        Act::Destroy => sandbox.destroy().await.is_ok(),
        Act::Panic => {
            let Ok(process) = sandbox.spawn(does(Behaviour::Panic)) else {
                return false;
            };
            let _panicked = process.wait().await;
            while sandbox.usage().processes > 0 {
                tokio::task::yield_now().await;
            }
            true
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_order_of_acts_leaves_what_the_model_says(
        acts in proptest::collection::vec(
            proptest::sample::select(vec![
                Act::Run, Act::Run, Act::Spawn, Act::Spawn, Act::Spawn, Act::Kill, Act::Kill, Act::Suspend, Act::Suspend,
                Act::Resume, Act::Resume, Act::Stop, Act::Destroy, Act::Panic,
            ]),
            1..30,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_host, sandbox, _state) = fake();
            let mut model = Model { state: State::Ready, processes: 0 };
            for (index, act) in acts.iter().enumerate() {
                let (expected, done) = (model.act(*act), perform(&sandbox, *act).await);
                assert_eq!(done, expected, "step {index} of {acts:?}: {model:?}");
                assert_eq!(sandbox.state(), model.state, "step {index} of {acts:?}");
                assert_eq!(sandbox.processes().len(), model.processes, "step {index} of {acts:?}");
                assert_eq!(sandbox.usage().processes as usize, model.processes, "step {index} of {acts:?}");
            }
        });
    }
}
