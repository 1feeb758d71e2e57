//! Limits which are changed while their sandbox lives.

use palisade::policy::{ByteSize, LimitsRequest};
use palisade::{Delivery, Event, Kind, Limit, Sandbox};
use palisade_tests::*;

both!(
    more_disk_can_be_filled_and_less_refuses_all_but_keeps_what_is_there,
    more_memory_can_be_held_and_less_cannot,
    more_processes_and_handles_can_be_had_and_fewer_cannot,
    time_is_that_of_the_next_process,
);

fn change(sandbox: &Sandbox, asked: LimitsRequest) {
    sandbox.change_limits(&asked).unwrap();
}

fn disk(bytes: u64) -> LimitsRequest {
    LimitsRequest {
        disk: Some(ByteSize::from_bytes(bytes)),
        ..LimitsRequest::default()
    }
}

async fn more_disk_can_be_filled_and_less_refuses_all_but_keeps_what_is_there(abi: Abi) {
    let sandbox = limited(disk(100_000));
    let used = || sandbox.usage().disk.as_bytes();
    guest(abi, &sandbox, &["fill", "/a", "777"]).await.exits(0);
    assert!((99_000..=100_000).contains(&used()), "{}", used());
    change(&sandbox, disk(200_000));
    guest(abi, &sandbox, &["fill", "/b", "777"]).await.exits(0);
    assert!((199_000..=200_000).contains(&used()), "{}", used());
    let before = used();
    change(&sandbox, disk(10));
    let outcome = guest(abi, &sandbox, &["fill", "/c", "777"]).await;
    assert!(outcome.exits(0).out().starts_with("refused"), "{}", outcome.told());
    assert_eq!(used(), before);
    assert_eq!(sandbox.limits().disk, ByteSize::from_bytes(10));
}

async fn more_memory_can_be_held_and_less_cannot(abi: Abi) {
    let memory = |mib| LimitsRequest {
        memory: Some(ByteSize::from_mib(mib)),
        ..LimitsRequest::default()
    };
    let sandbox = limited(memory(8));
    let hold = || guest(abi, &sandbox, &["hold", "12000000"]);
    hold().await.reaches(Limit::Memory);
    change(&sandbox, memory(24));
    hold().await.exits(0);
    change(&sandbox, memory(8));
    hold().await.reaches(Limit::Memory);
}

async fn more_processes_and_handles_can_be_had_and_fewer_cannot(abi: Abi) {
    let most = |processes, handles| LimitsRequest {
        processes: Some(processes),
        handles: Some(handles),
        ..LimitsRequest::default()
    };
    let sandbox = limited(most(1, 20));
    let sleeper = || sandbox.spawn(command(abi, &["sleep", "60000"]));
    let _first = sleeper().unwrap();
    assert_eq!(sleeper().unwrap_err().kind(), Kind::Exhausted);
    change(&sandbox, most(3, 40));
    let _second = sleeper().unwrap();
    script(abi, &sandbox, &["write /a text"]).await;
    let holding = guest(abi, &sandbox, &["open", "/a", "30"]).await;
    assert_eq!(holding.exits(0).out(), "holding 30\n");
    change(&sandbox, most(2, 20));
    assert_eq!(sleeper().unwrap_err().kind(), Kind::Exhausted);
    assert_eq!(sandbox.usage().processes, 2);
    sandbox.stop().await.unwrap();
}

async fn time_is_that_of_the_next_process(abi: Abi) {
    let sandbox = limited(LimitsRequest::default());
    change(
        &sandbox,
        LimitsRequest {
            time: Some(std::time::Duration::from_millis(50)),
            ..LimitsRequest::default()
        },
    );
    guest(abi, &sandbox, &["sleep", "60000"]).await.reaches(Limit::Time);
}

#[tokio::test]
async fn what_the_policy_denies_changes_nothing_and_is_told() {
    let sandbox = limited(disk(100_000));
    let mut events = host().events();
    let before = sandbox.limits();
    let asked = LimitsRequest {
        disk: Some(ByteSize::from_bytes(5)),
        memory: Some(ByteSize::from_gib(1 << 20)),
        ..LimitsRequest::default()
    };
    let error = sandbox.change_limits(&asked).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(error.denials()[0].rule, "ceilings.memory");
    let asked = LimitsRequest {
        processes: Some(0),
        ..LimitsRequest::default()
    };
    assert_eq!(sandbox.change_limits(&asked).unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(sandbox.limits(), before);
    sandbox.change_limits(&disk(7)).unwrap();
    let mut told = Vec::new();
    while let Some(delivery) = events.try_next() {
        match delivery {
            Delivery::Event(Event::RequestDenied { sandbox: of, denials }) if of == Some(sandbox.id()) => {
                told.push(denials[0].rule.clone());
            }
            Delivery::Event(Event::LimitsChanged { sandbox: of, limits }) if of == sandbox.id() => {
                told.push(limits.disk.to_string());
            }
            _ => {}
        }
    }
    assert_eq!(told, ["ceilings.memory", "7 B"]);
}

/// Who starts a process looks for room and takes it in one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_start_while_their_limit_changes() {
    let most = |processes| LimitsRequest {
        processes: Some(processes),
        ..LimitsRequest::default()
    };
    let sandbox = limited(most(10));
    let changing = {
        let sandbox = sandbox.clone();
        tokio::task::spawn_blocking(move || {
            for round in 0..2_000 {
                change(&sandbox, most(1 + round % 2 * 9));
            }
        })
    };
    while !changing.is_finished() {
        let _ = sandbox.spawn(command(Abi::P1, &["args"]));
        tokio::task::yield_now().await;
    }
    changing.await.unwrap();
    sandbox.stop().await.unwrap();
    assert_eq!(sandbox.usage().processes, 0);
}
