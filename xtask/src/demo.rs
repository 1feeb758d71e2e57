//! `cargo xtask demo`: shows what palisade does, one command after another, and checks every answer.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::{command, guests, paths, progress};

/// One command of the demo.
struct Step {
    title: &'static str,
    /// The program's arguments. `{guests}` becomes the folder of the compiled guests, `{source}` this repository.
    arguments: &'static [&'static str],
    expectation: Expectation,
}

/// What has to be so after a step.
struct Expectation {
    exit_code: i32,
    /// Each of these stands in what was printed.
    printed: &'static [&'static str],
}

const STEPS: &[Step] = &[
    Step {
        title: "What this machine can do",
        arguments: &["doctor"],
        expectation: Expectation {
            exit_code: 0,
            printed: &["ok    run"],
        },
    },
    Step {
        title: "Honest work: ripgrep, as it is on crates.io, counts functions in this repository and can change nothing",
        arguments: &[
            "run",
            "--usage",
            "--dir",
            "{source}::/src:ro",
            "{guests}/rg.wasm",
            "--",
            "--no-ignore",
            "-c",
            "pub fn",
            "/src/host/policy/src",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["policy/mod.rs", "used "],
        },
    },
    Step {
        title: "Honest work: a component makes checksums of the policies, and writes nothing either",
        arguments: &[
            "run",
            "--usage",
            "--dir",
            "{source}/policies::/policies:ro",
            "{guests}/checksums.wasm",
            "/policies",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["strict.toml", "used "],
        },
    },
    Step {
        title: "A program with files of its own: they are gone with its sandbox",
        arguments: &[
            "run",
            "--usage",
            "{guests}/guest.p1.wasm",
            "fs",
            "mkdir /notes",
            "write /notes/a hello",
            "link /notes/a /notes/b",
            "read /notes/b",
            "ls /notes",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["ok hello", "used "],
        },
    },
    Step {
        title: "Stopped by time: it spins",
        arguments: &["run", "--timeout", "500ms", "{guests}/guest.p1.wasm", "spin"],
        expectation: Expectation {
            exit_code: 124,
            printed: &["limit of time (500ms)"],
        },
    },
    Step {
        title: "Stopped by time: it sleeps, in a host call",
        arguments: &["run", "--timeout", "500ms", "{guests}/guest.p2.wasm", "sleep", "60000"],
        expectation: Expectation {
            exit_code: 124,
            printed: &["limit of time (500ms)"],
        },
    },
    Step {
        title: "Stopped by fuel: as many instructions on every machine",
        arguments: &["run", "--fuel", "10000000", "{guests}/guest.p1.wasm", "spin"],
        expectation: Expectation {
            exit_code: 137,
            printed: &["limit of fuel (10,000,000)"],
        },
    },
    Step {
        title: "Stopped by memory",
        arguments: &["run", "--memory", "16MiB", "{guests}/guest.p2.wasm", "allocate-trap"],
        expectation: Expectation {
            exit_code: 137,
            printed: &["limit of memory (16 MiB)"],
        },
    },
    Step {
        title: "Stopped by output",
        arguments: &[
            "run",
            "--json",
            "--output",
            "64",
            "{guests}/guest.p1.wasm",
            "print-forever",
        ],
        expectation: Expectation {
            exit_code: 137,
            printed: &["output"],
        },
    },
    Step {
        title: "Out of disk: the guest is told, as by any full disk",
        arguments: &[
            "run",
            "--usage",
            "--disk",
            "1MiB",
            "{guests}/guest.p1.wasm",
            "fill",
            "/big",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["EDQUOT", "limit of disk (1 MiB)"],
        },
    },
    Step {
        title: "Out of files",
        arguments: &[
            "run",
            "--usage",
            "--files",
            "100",
            "{guests}/guest.p2.wasm",
            "many-files",
            "/",
            "1000",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["limit of files (100)"],
        },
    },
    Step {
        title: "Out of handles",
        arguments: &[
            "run",
            "--usage",
            "--handles",
            "10",
            "{guests}/guest.p1.wasm",
            "open",
            "/",
            "1000",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["limit of handles (10)"],
        },
    },
    Step {
        title: "A quarter of a core",
        arguments: &[
            "run",
            "--usage",
            "--cpu",
            "0.25",
            "{guests}/guest.p1.wasm",
            "cpu",
            "200000000",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["of processor time"],
        },
    },
    Step {
        title: "Refused a file that it was not granted, with the smallest grant that would do",
        arguments: &["run", "--usage", "{guests}/guest.p2.wasm", "fs", "read /etc/passwd"],
        expectation: Expectation {
            exit_code: 0,
            printed: &["read /etc/passwd", "smallest grant"],
        },
    },
    Step {
        title: "Refused a write where it may only read",
        arguments: &[
            "run",
            "--usage",
            "--dir",
            "{source}::/src:ro",
            "{guests}/guest.p1.wasm",
            "fs",
            "append /src/README.md x",
        ],
        expectation: Expectation {
            exit_code: 0,
            printed: &["EROFS", "write /src/README.md"],
        },
    },
    Step {
        title: "Denied before it starts: the policy grants no directory",
        arguments: &[
            "run",
            "--policy",
            "strict",
            "--dir",
            "{source}::/src",
            "{guests}/rg.wasm",
            "--",
            "x",
            "/src",
        ],
        expectation: Expectation {
            exit_code: 126,
            printed: &["denied by mounts", "smallest grant"],
        },
    },
    Step {
        title: "Not a program",
        arguments: &["run", "{source}/README.md"],
        expectation: Expectation {
            exit_code: 125,
            printed: &["not a WebAssembly program"],
        },
    },
];

/// The command.
pub(crate) fn run() -> Result<()> {
    guests::ensure()?;
    let mut build = command::cargo();
    command::step(
        "compile palisade",
        build.args(["build", "--release", "--package", "palisade-cli", "--bin", "palisade"]),
    )?;
    let program = paths::target().join("release/palisade");
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n--- {}/{}  {}", index + 1, STEPS.len(), step.title);
        show(&program, step).with_context(|| format!("step {}: {}", index + 1, step.title))?;
    }
    progress::note("ok", &format!("all {} steps did what they promise", STEPS.len()));
    Ok(())
}

/// Runs one step in front of the reader.
fn show(program: &PathBuf, step: &Step) -> Result<()> {
    let guests = paths::guests();
    let (guests, source) = (guests.to_string_lossy(), paths::workspace().to_string_lossy());
    let expand = |argument: &&str| argument.replace("{guests}", &guests).replace("{source}", &source);
    let arguments: Vec<String> = step.arguments.iter().map(expand).collect();
    println!("$ palisade {}", arguments.join(" "));
    let mut run = Command::new(program);
    run.args(&arguments).stdin(Stdio::null());
    let output = run
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{printed}");
    let expected = &step.expectation;
    ensure!(
        output.status.code() == Some(expected.exit_code),
        "it ended with {}",
        output.status
    );
    let missing = expected.printed.iter().find(|text| !printed.contains(**text));
    ensure!(missing.is_none(), "it did not print {missing:?}");
    Ok(())
}
