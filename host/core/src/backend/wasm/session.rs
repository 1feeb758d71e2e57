//! An instance of a component which is kept between calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{Func, Instance, Val};

use super::compiled::Linked;
use super::functions::Exported;
use super::{ProcessState, Run, call, ending_of, fuel, p2};
use crate::backend::{Ended, Form, FunctionCall, Job, Kept, Running};
use crate::{Ending, Error, Kind, Program, Result};

pub(super) fn prepare(linked: Arc<Linked>, job: Box<Job>) -> Result<Running> {
    linked.startable(&job.program)?;
    linked.functions(&job.program)?;
    Ok(Box::pin(instantiate(linked, job)))
}

struct Instantiated {
    linked: Arc<Linked>,
    program: Program,
    run: Run<p2::State>,
    instance: Instance,
    /// The functions which were called.
    called: BTreeMap<String, (Arc<Exported>, Func)>,
    fuel_limit: Option<u64>,
}

async fn instantiate(linked: Arc<Linked>, job: Box<Job>) -> Result<Ended> {
    let (fuel_limit, fuel, program) = (job.fuel, fuel(&job), job.program.clone());
    let startable = linked.startable(&program)?;
    let mut run = startable.run(p2::State::new(ProcessState::new(job)), fuel)?;
    let instance = match startable.instance.instantiate_async(&mut run.store).await {
        Ok(instance) => instance,
        Err(error) => return ending_of(&error, fuel_limit, run.store.data().process.refusals()).map(Ended::from),
    };
    run.tell_fuel();
    let kept = Instantiated {
        linked,
        program,
        run,
        instance,
        called: BTreeMap::new(),
        fuel_limit,
    };
    Ok(Ended {
        kept: Some(Box::new(kept)),
        ..Ending::Returned.into()
    })
}

impl Kept for Instantiated {
    fn call(mut self: Box<Self>, call: FunctionCall<'_>) -> Result<Running, (Box<dyn Kept>, Error)> {
        let form = call.answer;
        let found = self.find(&call.function);
        let checked = found.and_then(|(exported, function)| {
            let arguments = call::arguments(&exported, call)?;
            Ok((exported, function, arguments))
        });
        match checked {
            Ok((exported, function, arguments)) => Ok(Box::pin(self.make(exported, function, form, arguments))),
            Err(error) => Err((self, error)),
        }
    }
}

impl Instantiated {
    fn find(&mut self, name: &str) -> Result<(Arc<Exported>, Func)> {
        if let Some((exported, function)) = self.called.get(name) {
            return Ok((Arc::clone(exported), *function));
        }
        let exported = Arc::clone(self.linked.functions(&self.program)?.get(&self.program, name)?);
        let function = call::function(&mut self.run.store, &self.instance, &exported);
        let function = function.map_err(|error| Error::new(Kind::Internal, format!("{error:#}")))?;
        self.called.insert(name.to_owned(), (Arc::clone(&exported), function));
        Ok((exported, function))
    }

    async fn make(
        mut self: Box<Self>,
        exported: Arc<Exported>,
        function: Func,
        form: Form,
        arguments: Vec<Val>,
    ) -> Result<Ended> {
        let returned = call::invoke(&mut self.run.store, function, &exported, arguments).await;
        self.run.tell_fuel();
        let process = &self.run.store.data().process;
        match returned {
            Ok(value) => {
                let mut ended = call::answer(&exported, value, form, process)?;
                if !matches!(ended.ending, Ending::Trapped(_)) {
                    ended.kept = Some(self);
                }
                Ok(ended)
            }
            // It trapped, exited, or was stopped by a limit in the middle of what it did.
            Err(error) => ending_of(&error, self.fuel_limit, process.refusals()).map(Ended::from),
        }
    }
}
