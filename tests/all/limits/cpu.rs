//! The share of processor time.

use std::time::Duration;

use palisade::policy::{CpuShare, LimitsRequest};
use palisade::{Limit, Usage};
use palisade_tests::*;

const WHILE: Duration = Duration::from_millis(1200);

async fn spin_with(millicores: u32) -> Usage {
    let limits = LimitsRequest {
        cpu: Some(CpuShare::from_millicores(millicores)),
        time: Some(WHILE),
        ..LimitsRequest::default()
    };
    let outcome = guest(Abi::P1, &limited(limits), &["spin"]).await;
    outcome.reaches(Limit::Time);
    outcome.usage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_share_is_kept_and_a_neighbour_is_not_slowed_by_it() {
    // Compiled before anything is measured.
    guest(Abi::P1, &sandbox(spec()), &["args"]).await;
    let spinners = [250, 250, 1000].map(|millicores| tokio::spawn(spin_with(millicores)));
    let mut used = Vec::new();
    for spinner in spinners {
        used.push(spinner.await.unwrap());
    }
    let share = |usage: &Usage| usage.host_time.as_secs_f64() / usage.elapsed.as_secs_f64();
    for narrow in &used[..2] {
        // A quarter, and what may be saved up.
        assert!(share(narrow) < 0.45, "{narrow:?}");
    }
    if share(&used[2]) < 0.6 {
        return palisade_guests::skip(
            "a_neighbour_is_not_slowed",
            format!("the machine is busy: {:.2} cores", share(&used[2])),
        );
    }
    assert!(share(&used[0]) > 0.1 && share(&used[1]) > 0.1, "{used:?}");
    assert!(share(&used[2]) > 1.5 * share(&used[0]), "{used:?}");
}

/// A guest which computes is always ready to go on, and must not keep the runtime from its timers for that.
#[tokio::test]
async fn a_spinning_guest_leaves_timers_alone() {
    let limits = LimitsRequest {
        time: Some(Duration::from_secs(60)),
        ..LimitsRequest::default()
    };
    let sandbox = limited(limits);
    guest(Abi::P1, &sandbox, &["args"]).await;
    let spinner = sandbox.spawn(command(Abi::P1, &["spin"])).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let waited = start.elapsed();
    spinner.kill();
    sandbox.stop().await.unwrap();
    assert!(waited < Duration::from_secs(5), "20 sleeps of 1 ms took {waited:?}");
}
