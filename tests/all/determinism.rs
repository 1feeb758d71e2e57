//! The same input gives the same output where the policy says so.

use palisade::SandboxSpec;
use palisade::policy::Policy;
use palisade_tests::*;

both!(
    a_strict_run_repeats_itself,
    real_clocks_and_randomness_do_not,
    a_file_is_touched_at_the_time_of_the_sandbox,
);

async fn twice(abi: Abi, policy: fn() -> Policy, args: &[&str]) -> [String; 2] {
    let mut outputs = [String::new(), String::new()];
    for output in &mut outputs {
        *output = guest(abi, &sandbox(SandboxSpec::new(policy())), args)
            .await
            .exits(0)
            .out();
    }
    outputs
}

async fn a_strict_run_repeats_itself(abi: Abi) {
    for args in [&["random", "64"][..], &["clocks"], &["env"]] {
        let [first, second] = twice(abi, Policy::strict, args).await;
        assert_eq!(first, second, "{args:?}");
    }
    let [clocks, _] = twice(abi, Policy::strict, &["clocks"]).await;
    // 2026-01-01, as the policy has it.
    assert!(clocks.starts_with("wall 17672256"), "{clocks}");
}

async fn real_clocks_and_randomness_do_not(abi: Abi) {
    for args in [&["random", "64"][..], &["clocks"]] {
        let [first, second] = twice(abi, Policy::standard, args).await;
        assert_ne!(first, second, "{args:?}");
    }
}

async fn a_file_is_touched_at_the_time_of_the_sandbox(abi: Abi) {
    let sandbox = sandbox(SandboxSpec::new(Policy::strict()));
    let files = ["mkdir /d", "write /a x", "write /b x", "touch /a", "touch /d"];
    let handles = ["open h /b r", "htouch h", "open d /d r", "htouch d"];
    let looks = ["times /a", "times /b", "times /d"];
    let told = script(abi, &sandbox, &[&files[..], &handles, &looks].concat()).await;
    for times in &told[told.len() - looks.len()..] {
        // 2026-01-01, as the policy has it, and both times from one reading.
        let (accessed, modified) = times.split_once(" modified=").unwrap();
        assert!(accessed.starts_with("ok accessed=1767225600."), "{told:?}");
        assert!(accessed.ends_with(modified), "{told:?}");
    }
}

#[tokio::test]
async fn nans_are_canonical_under_a_strict_policy() {
    let text = r#"(module (memory (export "memory") 1) (func (export "_start")
        (local $nan f64) (f64.store (i32.const 0) (f64.reinterpret_i64 (i64.const 0xfff8000000000123)))
        (local.set $nan (f64.add (f64.load (i32.const 0)) (f64.const 1)))
        (if (i64.ne (i64.reinterpret_f64 (local.get $nan)) (i64.const 0x7ff8000000000000)) (then (unreachable)))))"#;
    run(&sandbox(SandboxSpec::new(Policy::strict())), &wat("nan", text))
        .await
        .unwrap()
        .exits(0);
}
