//! One guest with many behaviours, honest and hostile. The first argument selects one; `guest help` lists them.
//!
//! The same source is a preview-1 module and a preview-2 component, so that a test can ask the same of both. What a
//! behaviour prints is meant to be compared: one fact a line, errors by the name of their errno.
//!
//! A behaviour that goes on until it is refused says where that was and ends with 0; a wrong command line ends with 2.

mod bench;
mod errno;
mod files;
mod hostile;
mod memory;
mod plain;
mod raw;
mod script;
mod sys;
mod words;

use std::process::ExitCode;
use std::str::FromStr;

/// What a behaviour returns when it cannot go on: a line for standard error.
type Outcome = Result<(), String>;

/// Name, arguments and meaning, and what to call.
type Behaviour = (&'static str, &'static str, fn(&Arguments) -> Outcome);

const BEHAVIOURS: &[Behaviour] = &[
    // Honest.
    ("args", "ARG...: one argument a line", plain::args),
    (
        "env",
        "[NAME...]: NAME=VALUE lines, sorted; a missing NAME is an empty line",
        plain::env,
    ),
    ("stdin", "copies standard input to standard output", plain::stdin),
    ("both", "OUT ERR: one text to each output", plain::both),
    (
        "exit",
        "N: ends with N; preview 2 has only 0 and 1, see the guest exit-code",
        plain::exit,
    ),
    ("random", "BYTES: that many random bytes in hexadecimal", plain::random),
    ("clocks", "wall and monotonic time, in nanoseconds", plain::clocks),
    ("sleep", "MS", plain::sleep),
    ("cpu", "ROUNDS: a number that depends on every round", plain::cpu),
    ("hash", "MIB: computes over that many bytes in memory", plain::hash),
    (
        "fs",
        "[OP...]: file operations, one an argument or a line of standard input",
        script::run,
    ),
    // Measured by the benchmarks; each prints `NAME ops=N ns_per_op=X`.
    (
        "bench-open-read",
        "FOLDER N: opens and reads its files in turn",
        bench::open_read,
    ),
    ("bench-stat", "PATH N", bench::stat),
    ("bench-write", "PATH N BYTES: N writes to one file", bench::write),
    ("bench-create", "FOLDER N: creates and removes a file", bench::create),
    ("bench-clock", "N: the cheapest host call", bench::clock),
    // Hostile: time.
    ("spin", "for ever", hostile::spin),
    ("nap", "for ever: host calls that return at once", hostile::nap),
    ("read-forever", "standard input, whatever comes", hostile::read_forever),
    // Hostile: memory and traps.
    (
        "grow",
        "[PAGES]: grows the memory until refused, PAGES at a time",
        memory::grow,
    ),
    (
        "hold",
        "BYTES [MS]: keeps that much memory in use, and sleeps",
        memory::hold,
    ),
    (
        "allocate-trap",
        "allocates until refused, which ends it",
        memory::allocate_trap,
    ),
    (
        "zeros",
        "PAGES: says whether fresh memory is zero, then leaves it dirty",
        memory::zeros,
    ),
    ("recurse", "until the stack is full", memory::recurse),
    ("trap", "unreachable | memory | panic | abort", memory::trap),
    // Hostile: output, disk, handles.
    ("print-forever", "[out | err]: until refused", hostile::print_forever),
    ("fill", "PATH [BLOCK]: writes until refused", files::fill),
    ("sparse", "PATH OFFSET: one byte there", files::sparse),
    ("extend", "PATH BYTES: by truncation", files::extend),
    (
        "many-files",
        "FOLDER N: creates N files or until refused",
        files::many_files,
    ),
    ("many-folders", "PATH N: folders within folders", files::many_folders),
    ("open", "PATH N: holds N open handles or until refused", files::open),
    ("handles", "N: holds N pollables (preview 2)", raw::handles),
    (
        "renumber",
        "PATH N: opens N handles and moves each onto the same one (preview 1)",
        raw::renumber,
    ),
    ("poll", "N: waits for N clocks at once, all due (preview 1)", raw::poll),
    // Hostile: what there is not.
    ("connect", "ADDRESS:PORT", hostile::connect),
    ("thread", "", hostile::thread),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some((_, _, run)) = BEHAVIOURS.iter().find(|(known, ..)| *known == name) else {
        return help();
    };
    match run(&Arguments(arguments.collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("guest {name}: {message}");
            ExitCode::from(2)
        }
    }
}

fn help() -> ExitCode {
    for (name, meaning, _) in BEHAVIOURS {
        eprintln!("{name:16} {meaning}");
    }
    ExitCode::from(2)
}

/// The arguments after the behaviour's name.
struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, index: usize) -> Result<&str, String> {
        self.0
            .get(index)
            .map(String::as_str)
            .ok_or_else(|| format!("argument {} is missing", index + 1))
    }

    fn number<T: FromStr>(&self, index: usize) -> Result<T, String> {
        let text = self.text(index)?;
        text.parse()
            .map_err(|_| format!("argument {} is no number: {text:?}", index + 1))
    }

    fn number_or<T: FromStr>(&self, index: usize, default: T) -> Result<T, String> {
        if index < self.0.len() {
            self.number(index)
        } else {
            Ok(default)
        }
    }
}
