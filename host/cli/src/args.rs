//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use palisade::policy::{ByteSize, CpuShare, FileAccess};
use palisade_scaffold::{Language, Name};
use palisade_server::{CollectorUrl, HostName, KeyId, Role};

use crate::exit;
use crate::report::Format;
use crate::request::{DirArgument, EnvArgument};

const EXAMPLES: &str = "\
Examples:
  palisade run hello.wasm
  palisade run --dir ./data::/data:ro --env LANG=C tool.wasm --verbose /data/in.txt
  palisade run --memory 256MiB --timeout 10s --policy strict untrusted.wasm < in > out
  palisade doctor
  palisade --host http://127.0.0.1:7010 run hello.wasm      on another host, by its HTTP endpoint";

const RUN_EXAMPLES: &str = "\
Examples:
  palisade run hello.wasm
  palisade run --dir . app.wasm                  the current directory, as `.`
  palisade run --dir /srv/data::/data:ro app.wasm -- --input /data/x
  palisade run --env LANG=C --env HOME app.wasm  HOME has the value it has here
  palisade run --json app.wasm | jq .usage

";

const NEW_EXAMPLES: &str = "\
Examples:
  palisade tool new slugs
  palisade tool new --lang js --dir ~/tools/slugs slugs

Each has the functions `greet` and `count-words`, and a README.md which says how to go on. To build it:
  rust    rustup; the library palisade-guest comes with it
  c       zig and wasm-tools, or python3 with pip to fetch them
  js      Node.js 20 or newer, with npm
  python  nothing: the one file is the tool";

const CALL_EXAMPLES: &str = "\
Examples:
  palisade tool call text digest algorithm=sha256 text=hello
  palisade tool call text digest '{\"algorithm\": \"sha256\", \"text\": \"hello\"}'
  palisade tool call --dir ./data::/data:ro files read path=/data/in.txt
  jq -c .arguments call.json | palisade tool call text digest -

";

const SERVE_EXAMPLES: &str = "\
Examples:
  palisade serve
  palisade serve --listen 127.0.0.1:8000 --policy strict --policy ./nightly.toml
  palisade serve --host-name tools.example.org      behind a proxy on this machine, which passes the name on
  palisade key create --role operator && palisade serve --listen 0.0.0.0:7010

What each path takes and gives is at /v1/openapi.json. Each request is a line on standard error; the environment variable
PALISADE_LOG=warn leaves only warnings. With --json these lines are JSON too.";

/// Runs WebAssembly programs in sandboxes: nothing is reachable but what is granted, and everything has a limit.
#[derive(Debug, Parser)]
#[command(name = "palisade", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub action: Action,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Globals {
    /// Answer with one JSON document on standard output, errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// The configuration file [default: palisade/palisade.toml in $XDG_CONFIG_HOME or ~/.config, else in /etc]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where compiled programs and the files of sandboxes are kept [default: $XDG_STATE_HOME/palisade]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Do it on another host, which `palisade serve` serves [default: $PALISADE_HOST, else here]
    #[arg(long, global = true, value_name = "URL")]
    pub host: Option<String>,
    /// A file with the key for that host [default: $PALISADE_KEY; for a server of this machine, its own]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Globals {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run a program in a sandbox of its own
    Run(Box<Run>),
    /// Write and add tools, and call their functions
    #[command(subcommand)]
    Tool(ToolCommand),
    /// Serve sandboxes and tools over HTTP, until a signal
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Make, list and remove the keys of those who may use the server
    #[command(subcommand)]
    Key(KeyAction),
    /// Take snapshots of a server's sandboxes, compare them, and go back to them
    #[command(subcommand)]
    Snapshot(SnapshotAction),
    /// Check and show policies
    #[command(subcommand)]
    Policy(PolicyAction),
    /// Show the configuration of this host
    #[command(subcommand)]
    Config(ConfigAction),
    /// Tell what this machine can do and what it lacks
    Doctor,
    /// Print completions for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
#[command(after_help = format!("{RUN_EXAMPLES}{}", exit::TABLE))]
pub(crate) struct Run {
    /// The program, a module or component; everything after it is for the program
    #[arg(required = true, trailing_var_arg = true, num_args = 1.., value_names = ["FILE", "ARGS"])]
    pub command: Vec<OsString>,
    #[command(flatten)]
    pub sandbox: SandboxArguments,
}

/// The sandbox that a program or a call is to have.
#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// Let the program see a directory: HOST, HOST::GUEST or HOST::GUEST:ro; may be repeated
    #[arg(long = "dir", value_name = "HOST::GUEST[:ro]")]
    pub dirs: Vec<DirArgument>,
    /// Set a variable; NAME alone takes its value from here; may be repeated
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub envs: Vec<EnvArgument>,
    /// A policy file, or one of `strict`, `default`, `trusted`
    #[arg(long, value_name = "FILE|NAME")]
    pub policy: Option<String>,
    /// Tell on standard error what was used
    #[arg(long)]
    pub usage: bool,
    // Last: what comes after it would stand below its heading in the help.
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// Limits which differ from the policy's.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits, where the policy's are not to be")]
pub struct LimitArguments {
    /// Instructions, about
    #[arg(long, value_name = "N", value_parser = count)]
    pub fuel: Option<u64>,
    /// Memory, as `256MiB`
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<ByteSize>,
    /// Time from start to end, as `30s` or `1h 30m`
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Share of processor time, as `0.25`
    #[arg(long, value_name = "CORES")]
    pub cpu: Option<CpuShare>,
    /// Bytes in the sandbox's own files
    #[arg(long, value_name = "SIZE")]
    pub disk: Option<ByteSize>,
    /// Files and directories in the sandbox
    #[arg(long, value_name = "N", value_parser = count)]
    pub files: Option<u64>,
    /// Open files and directories
    #[arg(long, value_name = "N")]
    pub handles: Option<u32>,
    /// Bytes of standard output and standard error together
    #[arg(long, value_name = "SIZE")]
    pub output: Option<ByteSize>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; beyond this machine only where a key was made [default: that of the configuration]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// A policy which clients can name, the first being the default; may be repeated [default: that of the configuration]
    #[arg(long = "policy", value_name = "NAME|FILE")]
    pub policies: Vec<String>,
    /// A name by which clients may ask for this server beside those of this machine, as through a proxy; may be repeated [default: those of the configuration]
    #[arg(long = "host-name", value_name = "NAME")]
    pub hosts: Vec<HostName>,
    /// Send spans of requests, processes and calls to a collector of OTLP over HTTP, as `http://127.0.0.1:4318` [default: that of the configuration]
    #[arg(long, value_name = "URL")]
    pub otlp: Option<CollectorUrl>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Make a key and print it, which is the only time
    Create {
        /// What it is good for: `reader`, `operator` or `admin`
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// List the keys, without their secrets
    List,
    /// Remove a key; a server which runs takes it for a second more at most
    Remove { id: KeyId },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Write a small tool to start from, which builds and can be called at once
    #[command(after_help = NEW_EXAMPLES)]
    New(ToolNew),
    #[command(flatten)]
    Registry(ToolAction),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolAction {
    /// Add a component, or a Python file; its functions can be called from then on
    Add {
        file: PathBuf,
        /// The name it gets [default: that of the file, without its ending]
        #[arg(long)]
        name: Option<String>,
        /// The tool which interprets it, where it is a script [default: for .py, python]
        #[arg(long, value_name = "TOOL[@DIGEST]")]
        interpreter: Option<String>,
    },
    /// List the tools
    List,
    /// Show what a tool offers: its functions with their schemas, and what it imports
    Show {
        #[arg(value_name = "TOOL[@DIGEST]")]
        tool: String,
    },
    /// Call a function in a sandbox of its own, and print what it returns as JSON
    #[command(after_help = format!("{CALL_EXAMPLES}{}", exit::CALL_TABLE))]
    Call(Box<ToolCall>),
    /// Let a tool take no calls, without removing it
    Disable {
        #[arg(value_name = "TOOL[@DIGEST]")]
        tool: String,
    },
    /// Let a tool take calls again
    Enable {
        #[arg(value_name = "TOOL[@DIGEST]")]
        tool: String,
    },
    /// Remove a tool with all its versions, or one of them
    Remove {
        #[arg(value_name = "TOOL[@DIGEST]")]
        tool: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ToolNew {
    /// What the tool is called: 1 to 64 characters of a-z, 0-9, - and _, the first a letter
    #[arg(value_parser = Name::parse)]
    pub name: Name,
    /// What it is written in
    #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust", value_parser = language())]
    pub language: Language,
    /// The folder which is made for it [default: NAME, in the current one]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ToolCall {
    /// The most that the call may do in files: `none`, `read-only` or `read-write`
    #[arg(long, value_name = "ACCESS", value_parser = file_access)]
    pub files_access: Option<FileAccess>,
    /// Give lists of bytes as arrays of numbers, and not in base64
    #[arg(long)]
    pub byte_arrays: bool,
    /// The tool; with the first digits of a digest, that version of it
    #[arg(value_name = "TOOL[@DIGEST]")]
    pub tool: String,
    /// The function, as `palisade tool show` names it
    pub function: String,
    /// A JSON object, `@FILE` or `-` with one in it, or NAME=VALUE for each argument
    pub arguments: Vec<String>,
    #[command(flatten)]
    pub sandbox: SandboxArguments,
}

/// A snapshot is meant by its id, six digits or more of it, or a name.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// Take a snapshot of a sandbox's own files; its programs go on
    Create(SnapshotCreate),
    /// List the snapshots of a sandbox, the latest first
    List { sandbox: String },
    /// Show one
    Show { sandbox: String, snapshot: String },
    /// Show what differs in a snapshot from another one, or from its parent
    Diff {
        sandbox: String,
        snapshot: String,
        /// The one before [default: its parent]
        #[arg(long, value_name = "SNAPSHOT")]
        from: Option<String>,
        /// Show the lines of this file which differ
        #[arg(long, value_name = "PATH")]
        file: Option<String>,
    },
    /// Make the files what they were in a snapshot; programs are ended first, and it can be undone
    Rollback {
        sandbox: String,
        snapshot: String,
        /// Only this goes back, with all below it; may be repeated
        #[arg(long = "path", value_name = "PATH")]
        paths: Vec<String>,
        /// This stays as it is, with all below it; may be repeated
        #[arg(long, value_name = "PATH")]
        keep: Vec<String>,
    },
    /// Read everything that a snapshot needs, and tell what is damaged
    Verify { sandbox: String, snapshot: String },
    /// Give a snapshot a name, which leads to no other from then on
    Name {
        sandbox: String,
        snapshot: String,
        name: String,
    },
    /// Remove a name; the snapshot stays
    Unname { sandbox: String, name: String },
    /// Let neither deletion nor expiry remove a snapshot
    Pin { sandbox: String, snapshot: String },
    /// Let it be removed again
    Unpin { sandbox: String, snapshot: String },
    /// Delete a snapshot, and its names
    Delete { sandbox: String, snapshot: String },
    /// Delete the snapshots which nothing keeps: a pin, a name, or what is said here
    Expire {
        sandbox: String,
        /// Keep so many of the latest
        #[arg(long, value_name = "N", default_value_t = 0)]
        last: u32,
        /// Keep those which are no older, as `7d`
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        within: Option<Duration>,
        /// Keep those with this label; may be repeated
        #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
    },
    /// Give back the room of what no snapshot of any sandbox needs
    Collect,
    /// Read all that is stored, and name the snapshots which need what is damaged
    Scrub,
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotCreate {
    pub sandbox: String,
    /// A name which leads to it
    #[arg(long)]
    pub name: Option<String>,
    /// What it is
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// A label to find it by; may be repeated
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Let neither deletion nor expiry remove it
    #[arg(long)]
    pub pin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyAction {
    /// Check a policy file and report every problem in it
    Check { file: PathBuf },
    /// Show a policy with every value, as this host applies it
    Show {
        #[arg(value_name = "NAME|FILE")]
        policy: String,
    },
    /// List the policies that come with palisade
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Show every value in effect and where it comes from
    Show,
}

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::as_str)).try_map(|text| text.parse::<Language>())
}

/// `1000000` or `1_000_000`.
fn count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let number = digits.parse().ok().filter(|_| !digits.starts_with('+'));
    number.ok_or_else(|| "write a whole number, such as 1_000_000".into())
}

fn file_access(text: &str) -> Result<FileAccess, String> {
    match text {
        "none" => Ok(FileAccess::None),
        "read-only" => Ok(FileAccess::ReadOnly),
        "read-write" => Ok(FileAccess::ReadWrite),
        _ => Err("write `none`, `read-only` or `read-write`".into()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("write a label such as `stage=tested`")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let hint = |_| "write a duration such as `500ms`, `30s`, `5m` or `1h 30m`".into();
    humantime::parse_duration(text).map_err(hint)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(arguments: &[&str]) -> Result<Run, clap::Error> {
        let arguments = ["palisade", "run"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments)?.action {
            Action::Run(run) => Ok(*run),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn everything_after_the_file_is_the_programs() {
        let run = run(&["--fuel", "1_000", "a.wasm", "--fuel", "2", "--json", "--", "-x"]).unwrap();
        assert_eq!(run.sandbox.limits.fuel, Some(1_000));
        assert_eq!(run.command, ["a.wasm", "--fuel", "2", "--json", "--", "-x"]);
    }

    #[test]
    fn unknown_flags_before_the_file_are_errors() {
        assert!(run(&["--fule", "1", "a.wasm"]).is_err());
        assert!(run(&["--timeout", "5", "a.wasm"]).is_err());
        assert!(run(&["--memory", "lots", "a.wasm"]).is_err());
        assert!(run(&[]).is_err());
    }
}
