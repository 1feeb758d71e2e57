//! Plug-ins: components which the embedder calls with the types of its own language, and which call functions of the
//! embedder's.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::{Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use super::compiled::Linked;
use super::values::MAX_LIFTED;
use super::workshop::refuse;
use super::{HasProcess, ProcessState, Run, ending_of, fuel, p2};
use crate::backend::{Ended, Job, Running};
use crate::{Ending, Program, Result};

/// A component for [`Sandbox::with_plugin`](crate::Sandbox::with_plugin), with functions of the embedder's that it may
/// import beside WASI. Cheap to clone.
pub struct Plugin<T: Send + 'static>(Arc<Inner<T>>);

struct Inner<T: Send + 'static> {
    program: Program,
    link: Box<Link<T>>,
    /// Kept by the hosts, so that a plug-in keeps nothing of them.
    linked: Mutex<Vec<Weak<InstancePre<PluginState<T>>>>>,
}

type Link<T> = dyn Fn(&mut Linker<PluginState<T>>) -> wasmtime::Result<()> + Send + Sync;

/// What the store of a plug-in holds: the embedder's data, and the plug-in's side of WASI.
pub struct PluginState<T> {
    data: T,
    p2: p2::State,
}

impl<T: Send + 'static> Plugin<T> {
    /// A plug-in which may import what `link` adds, by `add_to_linker` of the bindings for its world. It is compiled
    /// and linked at its first use, and `link` called once for each engine that a host then has: for each combination
    /// of metering and form of NaNs in its policies.
    ///
    /// Functions of the embedder's run on the stack of the plug-in, with 2 MiB of it left to them, in which they end the
    /// whole process when they overflow it. The plug-in pays 1,000 units of fuel for a call which takes its data by
    /// [`PluginState`], and nothing for what the call moves.
    pub fn new(
        program: &Program,
        link: impl Fn(&mut Linker<PluginState<T>>) -> wasmtime::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            program: program.clone(),
            link: Box::new(link),
            linked: Mutex::default(),
        }))
    }

    /// The component.
    pub fn program(&self) -> &Program {
        &self.0.program
    }

    pub(crate) fn visit<W, R>(&self, data: T, work: W) -> (Box<dyn Visit>, Answer<R>)
    where
        R: Send + 'static,
        W: Visitor<T, R>,
    {
        let answer = Answer::default();
        let visiting = Visiting {
            plugin: self.clone(),
            data,
            work,
            answer: Arc::clone(&answer),
        };
        (Box::new(visiting), answer)
    }

    fn linked(&self, component: &Linked) -> wasmtime::Result<Arc<InstancePre<PluginState<T>>>> {
        let engine = component.component.engine();
        let mut linked = self.0.linked.lock().unwrap_or_else(PoisonError::into_inner);
        linked.retain(|known| known.strong_count() > 0);
        let mut known = linked.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.find(|known| Engine::same(known.engine(), engine)) {
            return Ok(known);
        }
        let mut linker = Linker::new(engine);
        p2::add_to_linker(&mut linker)?;
        (self.0.link)(&mut linker)?;
        let ready = Arc::new(linker.instantiate_pre(&component.component)?);
        component.keep(Arc::clone(&ready) as Arc<dyn Any + Send + Sync>);
        linked.push(Arc::downgrade(&ready));
        Ok(ready)
    }
}

impl<T: Send + 'static> Clone for Plugin<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + 'static> fmt::Debug for Plugin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plugin").field(&self.0.program).finish()
    }
}

impl<T> PluginState<T> {
    /// The embedder's data, for one call as well.
    pub fn data(&self) -> &T {
        self.p2.process.meter().count_call();
        &self.data
    }

    /// The embedder's data, for one call of a function of the embedder's: it costs the plug-in what any host call does.
    pub fn data_mut(&mut self) -> &mut T {
        self.p2.process.meter().count_call();
        &mut self.data
    }
}

impl<T: fmt::Debug> fmt::Debug for PluginState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginState")
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> HasProcess for PluginState<T> {
    fn process(&mut self) -> &mut ProcessState {
        &mut self.p2.process
    }
}

impl<T: Send + 'static> p2::HasState for PluginState<T> {
    fn p2(&mut self) -> &mut p2::State {
        self.p2.p2()
    }
}

/// What the embedder does with an instance.
pub(crate) trait Visit: Send {
    /// Links `component`, and gives what runs it.
    fn prepare(self: Box<Self>, component: &Linked, job: Box<Job>) -> Result<Running>;
}

/// What [`Visit`] came to, where it came to its end.
pub(crate) type Answer<R> = Arc<Mutex<Option<R>>>;

struct Visiting<T: Send + 'static, W, R> {
    plugin: Plugin<T>,
    data: T,
    work: W,
    answer: Answer<R>,
}

impl<T, W, R> Visit for Visiting<T, W, R>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Visitor<T, R>,
{
    fn prepare(self: Box<Self>, component: &Linked, job: Box<Job>) -> Result<Running> {
        let linked = self.plugin.linked(component);
        let linked = linked.map_err(|error| refuse(&job.program, &error))?;
        Ok(Box::pin(self.run(linked, job)))
    }
}

impl<T, W, R> Visiting<T, W, R>
where
    T: Send + 'static,
    R: Send + 'static,
    W: Visitor<T, R>,
{
    async fn run(self: Box<Self>, linked: Arc<InstancePre<PluginState<T>>>, job: Box<Job>) -> Result<Ended> {
        let Self { data, work, answer, .. } = *self;
        let (record, fuel, limit) = (Arc::clone(&job.record), fuel(&job), job.fuel);
        let p2 = p2::State::new(ProcessState::new(job));
        let mut run = Run::new(linked.engine(), PluginState { data, p2 }, fuel)?;
        let max_lifted = run.store.data().p2.process.max_lifted();
        run.store.set_hostcall_fuel(MAX_LIFTED.min(max_lifted));
        let worked = async {
            let instance = linked.instantiate_async(&mut run.store).await?;
            work(&mut run.store, instance).await
        };
        match worked.await {
            Ok(value) => {
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(Ending::Returned.into())
            }
            Err(error) => ending_of(&error, limit, &record.refusals).map(Ended::from),
        }
    }
}

/// A function which is given the store and the instance, and calls what it likes.
pub(crate) trait Visitor<T: Send + 'static, R>:
    for<'a> FnOnce(&'a mut Store<PluginState<T>>, Instance) -> Working<'a, R> + Send + 'static
{
}

impl<T: Send + 'static, R, W> Visitor<T, R> for W where
    W: for<'a> FnOnce(&'a mut Store<PluginState<T>>, Instance) -> Working<'a, R> + Send + 'static
{
}

/// What comes of work with a plug-in: `Box::pin(async move { … })`.
pub type Working<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;
