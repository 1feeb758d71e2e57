//! `palisade tool`: new tools, the registry of them, and calls of their functions.

mod arguments;
mod new;
mod script;
mod show;

use std::path::Path;
use std::time::Duration;

use palisade::policy::CallRequest;
use palisade::{Bytes, Call, Ending, Host, Program, Tool, Tools};

use crate::args::{ToolAction, ToolCall};
use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::report::{self, Format};
use crate::request::Request;
use crate::run;
use crate::signals::Signals;

pub(crate) use new::new;

pub(crate) async fn tool(action: ToolAction, config: &Config, format: Format) -> Result<u8, Failure> {
    let host = Host::open(config.to_host()?)?;
    let tools = host.tools();
    match action {
        ToolAction::Add {
            file,
            name,
            interpreter,
        } => {
            let name = name_of(name, &file)?;
            let add = async {
                match script::interpreter(interpreter, &file) {
                    Some(interpreter) => script::add(&host, &name, &file, &interpreter).await,
                    None => {
                        let component = Program::from_file(&file).map_err(Failure::program)?;
                        Ok(tools.add(&name, component).await?)
                    }
                }
            };
            show::added(&patiently(add).await?, format);
        }
        ToolAction::List => show::list(&tools.list()?, format),
        ToolAction::Show { tool } => show::show(&get(&host, &tool).await?, format),
        ToolAction::Call(call) => return self::call(&host, *call, config, format).await,
        ToolAction::Disable { tool } => tools.set_enabled(&tool, false).await.map_err(Failure::program)?,
        ToolAction::Enable { tool } => tools.set_enabled(&tool, true).await.map_err(Failure::program)?,
        ToolAction::Remove { tool } => tools.remove(&tool).await.map_err(Failure::program)?,
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

async fn get(host: &Host, reference: &str) -> Result<Tool, Failure> {
    host.tools().get(reference).await.map_err(Failure::program)
}

/// The name that was given, or the file's.
fn name_of(given: Option<String>, file: &Path) -> Result<String, Failure> {
    let stem = || file.file_stem()?.to_str().filter(|stem| Tools::is_name(stem));
    given.or_else(|| stem().map(str::to_owned)).ok_or_else(|| {
        let message = format!("{file:?} gives no name of a-z, 0-9, - and _ to the tool: say one with --name");
        Failure::invalid(message)
    })
}

async fn call(host: &Host, call: ToolCall, config: &Config, format: Format) -> Result<u8, Failure> {
    let tool = get(host, &call.tool).await?;
    let function = tool.function(&call.function).map_err(Failure::program)?;
    let arguments = arguments::arguments(&call.arguments, function)?;
    let Request { spec, base, usage } = Request::new(call.sandbox, config)?;
    let sandbox = host.create(spec).map_err(|error| config.named_rules(error, &base))?;
    let bytes = if call.byte_arrays { Bytes::Array } else { Bytes::Base64 };
    let request = CallRequest {
        files: call.files_access,
        ..CallRequest::default()
    };
    let call = Call::new(&tool, &function.name, arguments).bytes(bytes).narrow(request);
    let mut signals = Signals::new()?;
    let outcome = tokio::select! {
        outcome = sandbox.call(call) => Ok(outcome?),
        number = signals.next() => Err(exit::of_signal(number)),
    };
    sandbox.destroy().await?;
    let outcome = match outcome {
        Ok(outcome) => outcome,
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
        let printed = String::from_utf8_lossy(printed);
        printed.lines().for_each(|line| report::say_of(tool.name(), line));
    }
    if let Ending::Exited(exited) = outcome.ending {
        report::say(&format!("the tool exited with {exited} instead of returning"));
    }
    if let Some(value) = &outcome.value {
        report::print_json(value);
    }
    let granted = sandbox.grants().tools.judge(tool.name(), &function.name);
    let limits = granted.map_or_else(|_| sandbox.limits(), |granted| granted.limits.within(&sandbox.limits()));
    run::tell(&outcome, &limits, None, usage);
    Ok(code)
}
