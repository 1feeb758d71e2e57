//! Tests that measure the whole process, and so need one of their own.

use std::env;
use std::process::Command;

const ALONE: &str = "PALISADE_TEST_ALONE";

/// Runs the test called `name`, whose body is `body`, in a process without other tests.
pub fn alone(name: &str, body: impl Future<Output = ()>) {
    if env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("the machine has threads");
        return runtime.block_on(body);
    }
    let test = env::current_exe().expect("a test knows its own path");
    let child = Command::new(test)
        .args(["--exact", name, "--nocapture"])
        .env(ALONE, "1")
        .output();
    let child = child.expect("a test can start itself");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{name}, in a process of its own:\n{said}"
    );
}
