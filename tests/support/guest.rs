//! The host which all tests share, and the guests that run on it.

use std::path::PathBuf;
use std::sync::OnceLock;

use palisade::policy::{LimitsRequest, Policy};
use palisade::{Command, Host, HostConfig, Outcome, Output, Program, Sandbox, SandboxSpec};

/// The two forms of WASI that a guest comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    /// A core module.
    P1,
    /// A component.
    P2,
}

impl Abi {
    /// Both, for tests which compare them.
    pub const BOTH: [Self; 2] = [Self::P1, Self::P2];

    /// The multi-call guest in this form.
    pub fn program(self) -> &'static Program {
        static PROGRAMS: [OnceLock<Program>; 2] = [OnceLock::new(), OnceLock::new()];
        let (index, file) = match self {
            Self::P1 => (0, "guest.p1.wasm"),
            Self::P2 => (1, "guest.p2.wasm"),
        };
        PROGRAMS[index].get_or_init(|| Program::from_file(palisade_guests::path(file)).expect("it was just compiled"))
    }
}

/// Where the shared host keeps its state. It outlives the test run, so that guests are compiled once.
pub fn state_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test
        .ancestors()
        .nth(2)
        .expect("tests are in a folder of the target folder");
    target.join("palisade-tests")
}

/// One host for all tests of this binary.
pub fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::open(HostConfig::new(state_dir())).expect("the target folder can be written to"))
}

/// What an operator gets who asks for nothing.
pub fn spec() -> SandboxSpec {
    SandboxSpec::new(Policy::standard())
}

/// An empty sandbox on the shared host.
#[track_caller]
pub fn sandbox(spec: SandboxSpec) -> Sandbox {
    host().create(spec).expect("the policy grants it")
}

/// An empty sandbox with these limits.
#[track_caller]
pub fn limited(limits: LimitsRequest) -> Sandbox {
    sandbox(spec().limits(limits))
}

/// The multi-call guest with these arguments, its output captured.
pub fn command(abi: Abi, args: &[&str]) -> Command {
    captured(abi.program()).args(args.iter().copied())
}

/// Runs the multi-call guest with these arguments.
pub async fn guest(abi: Abi, sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run(command(abi, args)).await.expect("the guest can be run")
}

/// Runs file operations in a guest; the answer to each.
pub async fn script(abi: Abi, sandbox: &Sandbox, operations: &[&str]) -> Vec<String> {
    use crate::Told;
    let args: Vec<&str> = std::iter::once("fs").chain(operations.iter().copied()).collect();
    let outcome = guest(abi, sandbox, &args).await;
    outcome.exits(0).lines()
}

/// Runs a program of the test's own, its output captured.
pub async fn run(sandbox: &Sandbox, program: &Program) -> palisade::Result<Outcome> {
    sandbox.run(captured(program)).await
}

/// A program from its text.
#[track_caller]
pub fn wat(name: &str, text: &str) -> Program {
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    Program::from_bytes(name, bytes).expect("it is WebAssembly")
}

fn captured(program: &Program) -> Command {
    Command::new(program).stdout(Output::Capture).stderr(Output::Capture)
}
