//! Calls one function of a component, in a fresh instance.

use std::io;
use std::sync::Arc;

use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::{Func, Instance, Val};

use super::compiled::Linked;
use super::functions::{Exported, Returns};
use super::values::{BadResult, Encoded, parse};
use super::{ProcessState, ending_of, fuel, p2};
use crate::backend::{Ended, Form, FunctionCall, Job, Running, Told};
use crate::limits::Limit;
use crate::{Ending, Error, Kind, Result};

/// What arguments may take in the host's memory, in bytes, before they are the guest's.
const MAX_ARGUMENTS: usize = 256 << 20;

/// What an answer may take there.
const MAX_ANSWER: usize = 128 << 20;

/// How a script ends whose interpreter does not keep to what interpreters do.
const NO_JSON: &str = "the interpreter's answer is no JSON, or takes too much memory";

/// Checks the function and its arguments: an error is told before anything runs.
pub(super) fn prepare(linked: Arc<Linked>, job: Box<Job>, call: FunctionCall<'_>) -> Result<Running> {
    linked.startable(&job.program)?;
    let exported = linked.functions(&job.program)?.get(&job.program, &call.function)?;
    let exported = Arc::clone(exported);
    let form = call.answer;
    let arguments = arguments(&exported, call)?;
    Ok(Box::pin(run(linked, exported, job, form, arguments)))
}

pub(super) fn arguments(exported: &Exported, call: FunctionCall<'_>) -> Result<Vec<Val>> {
    let arguments = exported.signature.arguments(call.arguments, MAX_ARGUMENTS);
    arguments.map_err(|bad| Error::new(Kind::InvalidInput, format!("{}: {bad}", call.function)))
}

async fn run(
    linked: Arc<Linked>,
    exported: Arc<Exported>,
    job: Box<Job>,
    form: Form,
    arguments: Vec<Val>,
) -> Result<Ended> {
    let startable = linked.startable(&job.program)?;
    let (fuel, limit) = (fuel(&job), job.fuel);
    let mut run = startable.run(p2::State::new(ProcessState::new(job)), fuel)?;
    let returned = async {
        let instance = startable.instance.instantiate_async(&mut run.store).await?;
        let function = function(&mut run.store, &instance, &exported)?;
        invoke(&mut run.store, function, &exported, arguments).await
    };
    let returned = returned.await;
    let process = &run.store.data().process;
    match returned {
        Ok(value) => answer(&exported, value, form, process),
        Err(error) => ending_of(&error, limit, process.refusals()).map(Ended::from),
    }
}

/// The function in an instance.
pub(super) fn function(
    store: &mut Store<p2::State>,
    instance: &Instance,
    exported: &Exported,
) -> wasmtime::Result<Func> {
    let function = instance.get_func(store, exported.index);
    function.ok_or_else(|| wasmtime::format_err!("the function is gone"))
}

/// What the function returns; anything where that is nothing.
pub(super) async fn invoke(
    store: &mut Store<p2::State>,
    function: Func,
    exported: &Exported,
    arguments: Vec<Val>,
) -> wasmtime::Result<Val> {
    let mut result = [Val::Bool(false)];
    let results = match exported.returns {
        Returns::Nothing => &mut result[..0],
        Returns::Value | Returns::Result => &mut result[..],
    };
    let memory = store.data().process.max_lifted();
    store.set_hostcall_fuel(exported.signature.max_lifted().min(memory));
    function.call_async(store, &arguments, results).await?;
    let [value] = result;
    Ok(value)
}

/// The `error` of a function's own result is how it failed; everything else is an answer.
pub(super) fn answer(exported: &Exported, value: Val, form: Form, process: &ProcessState) -> Result<Ended> {
    let mut ended = Ended::from(Ending::Returned);
    if exported.returns == Returns::Nothing {
        return Ok(ended);
    }
    ended.value = json(exported, value, form, process.job.max_answer)?;
    let Some(told) = &mut ended.value else {
        process.refusals().hit(Limit::Output);
        return Ok(Ending::LimitReached(Limit::Output).into());
    };
    if exported.returns == Returns::Result {
        *told = match told.get_mut("error") {
            Some(error) => {
                ended.ending = Ending::Failed;
                error.take()
            }
            None => told.get_mut("ok").map(Value::take).unwrap_or_default(),
        };
    }
    if form.told == Told::Json {
        match read(told, process) {
            Some(json) => *told = json,
            None => return Ok(Ending::Trapped(NO_JSON.to_owned()).into()),
        }
    }
    Ok(ended)
}

/// What an interpreter tells in a string.
fn read(told: &Value, process: &ProcessState) -> Option<Value> {
    parse(told.as_str()?, MAX_ANSWER.min(process.max_lifted())).ok()
}

/// The result as JSON, or `None` where its text is longer than an answer may be.
fn json(exported: &Exported, value: Val, form: Form, longest: u64) -> Result<Option<Value>> {
    match exported.signature.result(Some(value), form.bytes, MAX_ANSWER) {
        Ok(Encoded { json, max_text }) => {
            // Measuring takes as long as writing it.
            let fits = max_text as u64 <= longest || fits(&json, longest);
            Ok(fits.then_some(json))
        }
        Err(BadResult::TooLarge { .. }) => Ok(None),
        Err(error @ BadResult::Mistyped) => Err(Error::new(Kind::Internal, error.to_string())),
    }
}

/// Whether a value's text has at most `longest` bytes.
fn fits(value: &Value, longest: u64) -> bool {
    struct Room(u64);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.0.checked_sub(bytes.len() as u64);
            self.0 = left.ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(longest), value).is_ok()
}
