//! `palisade tool`: new tools, the registry of them, and calls of their functions.

mod arguments;
mod new;
mod script;
mod show;

use std::path::Path;
use std::time::Duration;

use palisade::Tools;
use palisade_client::wire::{BytesForm, CallBody, Ending};
use serde_json::Map;

use crate::args::{ToolAction, ToolCall};
use crate::exit;
use crate::failure::Failure;
use crate::host::{Host, ProgramFile};
use crate::report::{self, Format};
use crate::request::Usage;
use crate::run;
use crate::signals::Signals;

pub(crate) use new::new;

pub(crate) async fn tool(action: ToolAction, host: &dyn Host, format: Format) -> Result<u8, Failure> {
    match action {
        ToolAction::Add {
            file,
            name,
            interpreter,
        } => {
            let name = name_of(name, &file)?;
            let add = async {
                match script::interpreter(interpreter, &file) {
                    Some(interpreter) => script::add(host, &name, &file, &interpreter).await,
                    None => host.add_tool(&name, ProgramFile::open(&file)?).await,
                }
            };
            show::added(&patiently(add).await?, format);
        }
        ToolAction::List => show::list(&host.tools().await?, format),
        ToolAction::Show { tool } => show::show(&host.tool(&tool).await?, format),
        ToolAction::Call(call) => return self::call(host, *call, format).await,
        ToolAction::Disable { tool } => host.disable_tool(&tool).await?,
        ToolAction::Enable { tool } => host.enable_tool(&tool).await?,
        ToolAction::Remove { tool } => host.remove_tool(&tool).await?,
    }
    Ok(0)
}

/// Says what takes so long, where it does.
async fn patiently<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = work.as_mut() => return done,
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
    report::say("compiling, which is done once for each component and may take a minute");
    work.await
}

/// The name that was given, or the file's.
fn name_of(given: Option<String>, file: &Path) -> Result<String, Failure> {
    let stem = || file.file_stem()?.to_str().filter(|stem| Tools::is_name(stem));
    given.or_else(|| stem().map(str::to_owned)).ok_or_else(|| {
        let message = format!("{file:?} gives no name of a-z, 0-9, - and _ to the tool: say one with --name");
        Failure::invalid(message)
    })
}

async fn call(host: &dyn Host, call: ToolCall, format: Format) -> Result<u8, Failure> {
    let tool = host.tool(&call.tool).await?;
    let known = tool.functions.iter().find(|function| function.name == call.function);
    // Where there is none, the host says so, and which one is near.
    let arguments = known.map_or_else(
        || Ok(Map::new()),
        |function| arguments::arguments(&call.arguments, function),
    )?;
    let usage = Usage::asked(&call.sandbox);
    let asked = CallBody {
        bytes: if call.byte_arrays {
            BytesForm::Array
        } else {
            BytesForm::Base64
        },
        files: call.files_access,
        // That version of it which was looked at.
        ..CallBody::new(format!("{}@{}", tool.name, tool.digest), call.function, arguments)
    };
    let mut signals = Signals::new()?;
    let sandbox = run::make(host, call.sandbox, &mut signals).await?;
    let outcome = tokio::select! {
        outcome = sandbox.call(asked.clone()) => Ok(outcome),
        number = signals.next() => Err(exit::of_signal(number)),
    };
    run::destroy(&*sandbox, &mut signals).await;
    let outcome = match outcome {
        Ok(outcome) => outcome?,
        Err(code) => return Ok(code),
    };
    let code = match &outcome.ending {
        // Whatever its code says, nothing was returned.
        Ending::Exited(_) => exit::TRAPPED,
        ending => exit::of_ending(ending),
    };
    if format == Format::Json {
        report::print_json(&report::outcome_json(&outcome, code));
        return Ok(code);
    }
    for printed in [&outcome.stdout, &outcome.stderr] {
        let printed = String::from_utf8_lossy(printed.as_deref().unwrap_or_default());
        printed.lines().for_each(|line| report::say_of(&tool.name, line));
    }
    if let Ending::Exited(exited) = outcome.ending {
        report::say(&format!("the tool exited with {exited} instead of returning"));
    }
    if let Some(value) = &outcome.value {
        report::print_json(value);
    }
    run::tell(&outcome, None, usage);
    Ok(code)
}
