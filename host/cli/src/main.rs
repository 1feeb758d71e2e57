//! The `palisade` command: runs WebAssembly programs in sandboxes, serves sandboxes over HTTP, and tells what this
//! machine and its configuration allow. It reads flags, files and the environment; everything else is the library's.

#![forbid(unsafe_code)]

mod args;
mod config;
mod doctor;
mod exit;
mod failure;
mod host;
mod host_limits;
mod key;
mod log;
mod policy;
mod report;
mod request;
mod run;
mod serve;
mod served;
mod signals;
mod snapshot;
mod text_file;
mod tool;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Action, Arguments, ConfigAction, ToolCommand};
use crate::config::Config;
use crate::failure::Failure;
use crate::report::Format;

/// The machine's own gives memory back to the kernel with nearly every large value, only to ask for it again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // What this command starts as its own compiler; nobody else has a use for it.
    if std::env::args_os().skip(1).eq([palisade::COMPILE_PROGRAM]) {
        return palisade::compile_program();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => std::process::exit(i32::from(report_usage(&error))),
    };
    let format = arguments.globals.format();
    // The server begins its own, once it knows where spans go.
    if !matches!(arguments.action, Action::Serve(_)) {
        log::start("warn", Format::Text, None);
    }
    raise_open_files();
    let code = act(arguments, format).unwrap_or_else(|failure| failure.report(format));
    // Not by returning: a thread may be blocked in reading the terminal.
    std::process::exit(i32::from(code));
}

/// Prints help, the version, or what is wrong with the command line.
fn report_usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = error.to_string();
        let what = text.split("\n\n").next().unwrap_or_default();
        let what = what.trim_start_matches("error: ").replace('\n', " ");
        return Failure::invalid(what).report(Format::Json);
    }
    let _ = error.print();
    exit::FAILURE
}

fn act(arguments: Arguments, format: Format) -> Result<u8, Failure> {
    let Arguments { globals, action } = arguments;
    // A verb is for any host, or for this machine alone: it says which by what it asks for.
    let host = || host::open(&globals);
    let here = |verb| {
        host::only_here(&globals, verb)?;
        Config::load(&globals, &config::process_environment)
    };
    match action {
        Action::Run(run) => block_on(run::run(*run, &*host()?, format)),
        Action::Tool(ToolCommand::New(asked)) => {
            host::only_here(&globals, "tool new")?;
            tool::new(&asked, format)
        }
        Action::Tool(ToolCommand::Registry(action)) => block_on(tool::tool(action, &*host()?, format)),
        Action::Serve(asked) => block_on_with(serving_threads(), serve::serve(&asked, &here("serve")?, format)),
        Action::Key(action) => block_on(key::key(action, &*host()?, format)),
        Action::Snapshot(action) => block_on(snapshot::snapshot(action, &host::server(&globals)?, format)),
        Action::Policy(action) => block_on(policy::policy(action, &*host()?, format)),
        Action::Config(ConfigAction::Show) => config::show(&here("config show")?, format),
        Action::Doctor => block_on(doctor::doctor(&*host()?, format)),
        Action::Completions { shell } => {
            host::only_here(&globals, "completions")?;
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "palisade", &mut text);
            report::print(&text);
            Ok(0)
        }
    }
}

fn block_on(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    block_on_with(2, work)
}

/// A guest which computes takes its thread for 10 ms at a time, so there is never only one.
fn serving_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2))
}

fn block_on_with(threads: usize, work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// Sandboxes hold files open, so the soft limit goes up to the hard one. `doctor` tells where that is too low.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
