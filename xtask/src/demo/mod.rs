//! `cargo xtask demo`: shows what palisade does, one command after another, and checks every answer.
//!
//! It starts a server, and asks it: with curl alone at first, then with the command, which does on another host what it
//! does on this machine. Steps which are about this machine, or give a guest a directory of it, are made here.

mod asks;
mod server;
mod steps;

use std::borrow::Cow;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::asks::{ASKS, Ask, LAST, WATCHED};
use self::server::Server;
use self::steps::STEPS;
use crate::toolchain::debian;
use crate::{command, guests, paths, progress};

/// How long what is told of at once may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Characters of a line which are shown, and lines of an answer.
const MAX_LINE: usize = 1_000;
const MAX_LINES: usize = 60;

/// One command of the demo.
struct Step {
    title: &'static str,
    /// The program's arguments. `{guests}` becomes the folder of the compiled guests, `{source}` this repository,
    /// `{scratch}` an empty folder.
    arguments: &'static [&'static str],
    exit_code: i32,
    /// Each of these stands in what is printed.
    printed: &'static [&'static str],
}

const fn step(
    title: &'static str,
    arguments: &'static [&'static str],
    exit_code: i32,
    printed: &'static [&'static str],
) -> Step {
    Step {
        title,
        arguments,
        exit_code,
        printed,
    }
}

/// The command.
pub(crate) fn run() -> Result<()> {
    debian::ensure_program("curl")?;
    guests::ensure()?;
    let mut build = command::cargo();
    command::step(
        "compile palisade",
        build.args(["build", "--release", "--package", "palisade-cli", "--bin", "palisade"]),
    )?;
    let program = paths::target().join("release/palisade");
    fs::remove_dir_all(scratch()?)?;
    let mut demo = Demo {
        server: Server::start(&program)?,
        program,
        sandbox: String::new(),
    };
    server::pack_policies(paths::workspace())?;
    let count = ASKS.len() + STEPS.len() + LAST.len() + 2;
    let mut shown = 0;
    let mut title = |title: &str| {
        shown += 1;
        println!("\n--- {shown}/{count}  {title}");
    };
    let watch = demo.watch()?;
    for ask in ASKS {
        title(ask.title);
        demo.ask(ask).with_context(|| format!("to ask: {}", ask.title))?;
    }
    title("What was told meanwhile to a client which watches events");
    watch.show()?;
    println!("\n$ export PALISADE_HOST={}", demo.server.url);
    for step in STEPS {
        title(step.title);
        demo.show(step).with_context(|| format!("the step: {}", step.title))?;
    }
    for ask in LAST {
        title(ask.title);
        demo.ask(ask).with_context(|| format!("to ask: {}", ask.title))?;
    }
    title("The server is told to stop");
    demo.server.stop()?;
    progress::note("ok", &format!("all {count} steps did what they promise"));
    Ok(())
}

fn scratch() -> Result<PathBuf> {
    paths::scratch("demo")
}

struct Demo {
    program: PathBuf,
    server: Server,
    /// The one which curl made.
    sandbox: String,
}

impl Demo {
    /// Runs one step in front of the reader.
    fn show(&self, step: &Step) -> Result<()> {
        let arguments = self.expand(step.arguments)?;
        let mut run = Command::new(&self.program);
        run.args(&arguments).stdin(Stdio::null());
        let local: [&[&str]; 2] = [&["doctor"], &["tool", "new"]];
        let here = step.arguments.contains(&"--dir") || local.iter().any(|verb| step.arguments.starts_with(verb));
        match here {
            true => println!("$ env -u PALISADE_HOST palisade {}", arguments.join(" ")),
            false => println!("$ palisade {}", arguments.join(" ")),
        }
        run.env_remove("PALISADE_HOST").env_remove("PALISADE_KEY");
        if !here {
            run.env("PALISADE_HOST", &self.server.url);
        }
        check(&mut run, step.exit_code, step.printed).map(drop)
    }

    /// Asks the server with curl in front of the reader.
    fn ask(&mut self, ask: &Ask) -> Result<()> {
        let arguments = self.expand(ask.arguments)?;
        println!("$ curl -s -H @key.header {}", quoted(&arguments));
        let mut curl = self.curl();
        let answer = check(curl.args(&arguments), 0, ask.printed)?;
        if self.sandbox.is_empty() {
            self.sandbox = server::member(&answer, "id").context("the sandbox has an id")?;
        }
        Ok(())
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--noproxy", "*", "-H"])
            .arg(format!("@{}", self.server.key.display()));
        curl.stdin(Stdio::null());
        curl
    }

    /// Has a client watch the events from now on.
    fn watch(&self) -> Result<Watch> {
        let events = format!("{}/v1/events", self.server.url);
        println!("$ curl -s -N -H @key.header {events} > events &");
        let file = scratch()?.join("events");
        let mut curl = self.curl();
        let head = scratch()?.join("events.head");
        curl.args(["-N", &events, "-D"]).arg(&head).stdout(File::create(&file)?);
        let child = curl.spawn().context("cannot start curl")?;
        let watch = Watch { child, file };
        wait_for(&head, &[""])?;
        Ok(watch)
    }

    fn expand(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let (guests, scratch) = (paths::guests(), scratch()?);
        let known = [
            ("{guests}", guests.to_string_lossy()),
            ("{source}", paths::workspace().to_string_lossy()),
            ("{scratch}", scratch.to_string_lossy()),
            ("{url}", self.server.url.as_str().into()),
            ("{sandbox}", self.sandbox.as_str().into()),
        ];
        let expand = |argument: &&str| {
            let with = |text: String, (name, value): &(&str, Cow<'_, str>)| text.replace(name, value);
            known.iter().fold((*argument).to_owned(), with)
        };
        Ok(arguments.iter().map(expand).collect())
    }
}

/// A client which watches events, and where it puts them. It ends with this.
struct Watch {
    child: Child,
    file: PathBuf,
}

impl Watch {
    /// Shows the first of them, once all are there that should be.
    fn show(self) -> Result<()> {
        let events = wait_for(&self.file, WATCHED)?;
        println!("$ head -n 24 events");
        events.lines().take(24).for_each(|line| println!("{line}"));
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a file has something, and all of `texts`.
fn wait_for(file: &Path, texts: &[&str]) -> Result<String> {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        let missing = texts.iter().find(|expected| !text.contains(**expected));
        match missing {
            None if !text.is_empty() => return Ok(text),
            _ if started.elapsed() > PATIENCE => bail!("nothing came of {missing:?} in {}", file.display()),
            _ => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Runs a command, and shows and gives back what it prints.
fn check(run: &mut Command, exit_code: i32, expected: &[&str]) -> Result<String> {
    let output = run
        .output()
        .with_context(|| format!("cannot run {:?}", run.get_program()))?;
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{}", shortened(&printed));
    ensure!(
        output.status.code() == Some(exit_code),
        "it ended with {}",
        output.status
    );
    let missing = expected.iter().find(|text| !printed.contains(**text));
    ensure!(missing.is_none(), "it did not print {missing:?}");
    Ok(printed)
}

/// The same without what does not fit a line or a screen.
fn shortened(text: &str) -> String {
    let mut lines = text.lines();
    let mut short: String = lines
        .by_ref()
        .take(MAX_LINES)
        .map(|line| match line.char_indices().nth(MAX_LINE) {
            Some((end, _)) => format!("{}…\n", &line[..end]),
            None => format!("{line}\n"),
        })
        .collect();
    let more = lines.count();
    if more > 0 {
        short += &format!("… and {more} more lines\n");
    }
    short
}

/// As a shell takes them.
fn quoted(arguments: &[String]) -> String {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/:._-=@?".contains(&byte))
    };
    let quoted = |argument: &String| match plain(argument) {
        true => argument.clone(),
        false => format!("'{argument}'"),
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
