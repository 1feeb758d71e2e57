//! `wasi:cli`: arguments, environment, standard streams, and the end of the program.

use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr, terminal_stdin,
    terminal_stdout,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::State;
use super::stdio::{Input, Output};
use crate::backend::Stop;
use crate::stdio::{GuestOutput, Outputs};

impl environment::Host for State {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.process.meter().charge_bytes(self.process.env_bytes());
        Ok(self.process.job.env.clone())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.process.meter().charge_bytes(self.process.args_bytes());
        Ok(self.process.args().map(str::to_owned).collect())
    }

    /// What the environment says it is: the one place where a process is told so, whatever its ABI.
    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        let cwd = self
            .process
            .job
            .env
            .iter()
            .find(|(name, value)| name == "PWD" && value.starts_with('/'));
        Ok(cwd.map(|(_, value)| value.clone()))
    }
}

impl exit::Host for State {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Stop::Exit(status.is_err().into()).into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(Stop::Exit(code).into())
    }
}

impl State {
    fn push_output(&mut self, which: fn(&Outputs) -> GuestOutput<'_>) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream = Output::new(which, Arc::clone(&self.process.job.record));
        Ok(self.push(Box::new(stream) as DynOutputStream)?)
    }

    fn push_terminal(
        &mut self,
        is_terminal: bool,
    ) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(if is_terminal {
            Some(self.push(terminal_output::TerminalOutput)?)
        } else {
            None
        })
    }
}

impl stdin::Host for State {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream = Input::new(self.process.job.stdin.clone(), Arc::clone(&self.process.job.record));
        Ok(self.push(Box::new(stream) as DynInputStream)?)
    }
}

impl stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.push_output(Outputs::stdout)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.push_output(Outputs::stderr)
    }
}

impl terminal_stdin::Host for State {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(if self.process.job.stdin.is_terminal() {
            Some(self.push(terminal_input::TerminalInput)?)
        } else {
            None
        })
    }
}

impl terminal_stdout::Host for State {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        self.push_terminal(self.process.outputs().stdout().is_terminal())
    }
}

impl terminal_stderr::Host for State {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        self.push_terminal(self.process.outputs().stderr().is_terminal())
    }
}

impl terminal_input::Host for State {}

impl terminal_input::HostTerminalInput for State {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl terminal_output::Host for State {}

impl terminal_output::HostTerminalOutput for State {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}
