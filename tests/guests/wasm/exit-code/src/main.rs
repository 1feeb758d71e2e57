//! `exit-code N` ends with N, by `wasi:cli/exit.exit-with-code`.
//!
//! A program of its own, because a host may leave that import out: it is not yet stable in WASI 0.2.

fn main() {
    let code = std::env::args()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("usage: exit-code 0..=255");
    exit(code);
}

#[cfg(all(target_os = "wasi", target_env = "p2"))]
fn exit(code: u8) {
    wasip2::cli::exit::exit_with_code(code);
}

#[cfg(not(all(target_os = "wasi", target_env = "p2")))]
fn exit(code: u8) {
    std::process::exit(code.into());
}
