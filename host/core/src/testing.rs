//! A host whose programs do what a test tells them, without WebAssembly: for tests of lifecycles and of what is built
//! on this library. Behind the feature `testing`.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::backend::{Backend, Instances, Job, Preparing, Running};
use crate::state_dir::StateDir;
use crate::tool::Description;
use crate::{Ending, Error, Host, HostConfig, Kind, Program, Result};

/// What a program of [`host`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Ends at once with this code.
    Exit(u8),
    /// Waits until it is ended.
    Hang,
    /// Cannot be started.
    Refuse,
    /// Panics, as only a defect of a backend would.
    Panic,
}

const HEADER: &[u8] = b"\0asm\x01\0\0\0";

/// A host which runs [`program`]s.
///
/// # Errors
/// As [`Host::open`].
pub fn host(state_dir: &Path) -> Result<Host> {
    let config = HostConfig::new(state_dir);
    Ok(Host::with_backend(
        StateDir::open(state_dir)?,
        config.max_sandboxes,
        Arc::new(FakeBackend),
    ))
}

/// A program which does as told, in [`host`] alone.
pub fn program(behaviour: Behaviour) -> Program {
    let what = match behaviour {
        Behaviour::Exit(code) => [0, code],
        Behaviour::Hang => [1, 0],
        Behaviour::Refuse => [2, 0],
        Behaviour::Panic => [3, 0],
    };
    Program::from_bytes(format!("{behaviour:?}"), [HEADER, &what].concat()).expect("it has the header of a module")
}

struct FakeBackend;

impl Backend for FakeBackend {
    fn describe(&self, program: Program) -> BoxFuture<'static, Result<Description>> {
        let message = format!("{:?}: nothing here can be called", program.name());
        Box::pin(async move { Err(Error::new(Kind::Unsupported, message)) })
    }

    fn instances(&self) -> Option<Instances> {
        None
    }

    fn prepare(&self, job: Box<Job>) -> Preparing {
        Preparing::Begun(Box::pin(async move {
            let running: Running = match job.program.bytes()?[HEADER.len()..] {
                [0, code] => Box::pin(async move { Ok(Ending::Exited(code).into()) }),
                [1, _] => Box::pin(std::future::pending()),
                [2, _] => return Err(Error::new(Kind::InvalidInput, "it was told to refuse")),
                _ => Box::pin(async { panic!("it was told to panic") }),
            };
            Ok(running)
        }))
    }
}
