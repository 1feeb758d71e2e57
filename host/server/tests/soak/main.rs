//! Clients of all kinds at one time, good ones beside such as stall, vanish and send garbage: none gets a 5xx, and when
//! they are gone the server is as it was before.
//!
//! It takes 5 seconds; `cargo xtask soak` has it take a minute, or as long as it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../all/client.rs"]
mod client;
mod clients;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_server::Settings;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use self::client::{ECHO, Running, SOON};
use self::clients::{World, visit};

/// Clients at one time.
const CLIENTS: u64 = 24;
/// How much more memory may be held at the end than after the first third: what allocators keep differs by as much.
const MEMORY: u64 = 48 << 20;

/// What the process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    tasks: usize,
    descriptors: usize,
    memory: u64,
}

impl Held {
    fn now() -> Self {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: pages * 4096,
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Has clients come one after the other at `CLIENTS` places for so long.
async fn visits(world: &Arc<World>, seed: u64, time: Duration) {
    let until = Instant::now() + time;
    let mut places = JoinSet::new();
    for place in 0..CLIENTS {
        let world = Arc::clone(world);
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(CLIENTS) + place);
        places.spawn(async move {
            while Instant::now() < until {
                visit(&world, &mut random).await;
            }
        });
    }
    while let Some(ended) = places.join_next().await {
        ended.unwrap();
    }
}

/// Waits until nothing is left of the clients.
async fn quiet(world: &World, before: Held) -> Held {
    let started = Instant::now();
    loop {
        let (now, sandboxes) = (Held::now(), world.server.host.sandboxes().len());
        if sandboxes == 0 && now.tasks <= before.tasks && now.descriptors <= before.descriptors {
            return now;
        }
        assert!(
            started.elapsed() < 2 * SOON,
            "{sandboxes} sandboxes, {now:?}; before {before:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_clients_do_nothing_of_them_stays() {
    let time = Duration::from_secs(setting("PALISADE_SOAK_SECONDS", 5));
    let seed = setting("PALISADE_SOAK_SEED", 1);
    let server = Running::with(Settings {
        head_time: Duration::from_secs(1),
        request_time: Duration::from_secs(10),
        write_time: Duration::from_secs(1),
        max_connections: 256,
        ..Settings::default()
    })
    .await;
    server.put_tool(&server.admin, "echo", ECHO).await.expect(201);
    let world = Arc::new(World::new(server));
    // What is made once and stays: threads, the log of events, a compiled program.
    visits(&world, seed, time / 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Held {
        tasks: world.tasks_at_rest,
        descriptors: world.descriptors_at_rest,
        ..quiet(
            &world,
            Held {
                tasks: usize::MAX,
                descriptors: usize::MAX,
                memory: 0,
            },
        )
        .await
    };
    visits(&world, seed + 1, time * 2 / 3).await;
    let after = quiet(&world, before).await;
    println!("{}; {before:?}, then {after:?}", world.told());
    assert!(after.memory < before.memory + MEMORY, "{before:?}, then {after:?}");
    world.server.get("/readyz").await;
    assert_eq!(world.failures(), Vec::<String>::new());
    assert!(world.served() > 0, "{}", world.told());
}
