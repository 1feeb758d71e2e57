//! Programs which run in a sandbox.

use hyper::header;
use palisade_wire::{
    InputRequest, ProcessBody, ProcessEvent, ProcessList, ProcessRequest, Signal, SignalRequest, StartedBody,
};
use tokio::io::AsyncRead;

use crate::body::{self, Lines};
use crate::{Error, Kind, Result, Sandbox};

/// A process of a sandbox, by its number. It is there whatever becomes of this.
#[derive(Debug, Clone)]
pub struct Process {
    sandbox: Sandbox,
    number: u64,
}

/// A process which is told of while this is read. What it prints waits until it is taken, and the process waits with it.
///
/// Where it was started attached, dropping this ends it.
#[derive(Debug)]
pub struct Running {
    process: Process,
    lines: Lines,
    ended: bool,
}

impl Sandbox {
    /// Starts a program which ends when what is returned is dropped.
    ///
    /// # Errors
    /// `not-found` where the sandbox has no such file, `invalid-input` where that is no program, `exhausted` where too
    /// many run.
    pub async fn start(&self, request: &ProcessRequest) -> Result<Running> {
        let request = ProcessRequest {
            detached: false,
            ..request.clone()
        };
        let asked = self.client.post(self.path("/processes")).json(&request)?;
        let asked = asked.header(header::ACCEPT, "application/x-ndjson")?;
        Running::of(self, Lines::new(asked.patiently().follow().await?)).await
    }

    /// Starts a program which goes on when nobody listens.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_detached(&self, request: &ProcessRequest) -> Result<Process> {
        let request = ProcessRequest {
            detached: true,
            ..request.clone()
        };
        let asked = self.client.post(self.path("/processes")).json(&request)?;
        let made: ProcessBody = asked.patiently().object().await?;
        Ok(self.process(made.process))
    }

    /// The process of that number.
    pub fn process(&self, number: u64) -> Process {
        Process {
            sandbox: self.clone(),
            number,
        }
    }

    /// Its processes, the oldest first: those which run, and up to 100 which have ended.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn processes(&self) -> Result<Vec<ProcessBody>> {
        let list: ProcessList = self.client.get(self.path("/processes")).object().await?;
        Ok(list.processes)
    }
}

impl Process {
    /// Its number in its sandbox.
    pub fn number(&self) -> u64 {
        self.number
    }

    fn path(&self, below: &str) -> String {
        self.sandbox.path(&format!("/processes/{}{below}", self.number))
    }

    /// What it is, and how it ended if it has.
    ///
    /// # Errors
    /// `not-found` where it is not kept any more, here and in what follows.
    pub async fn show(&self) -> Result<ProcessBody> {
        self.sandbox.client.get(self.path("")).object().await
    }

    /// Waits for its end. Its output is not read by this.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn wait(&self) -> Result<ProcessBody> {
        self.sandbox.client.get(self.path("/wait")).patiently().object().await
    }

    /// What it prints from here on, and how it ends. It goes on when this is dropped.
    ///
    /// # Errors
    /// `conflict` while another reads it.
    pub async fn output(&self) -> Result<Running> {
        let asked = self.sandbox.client.get(self.path("/output"));
        let asked = asked.header(header::ACCEPT, "application/x-ndjson")?;
        Running::of(&self.sandbox, Lines::new(asked.follow().await?)).await
    }

    /// Writes what `reader` has to its standard input, as fast as it reads.
    ///
    /// # Errors
    /// `conflict` where that was not piped, is closed, is written to by another, or the process ended.
    pub async fn send(&self, reader: impl AsyncRead + Send + Unpin + 'static, then: InputRequest) -> Result<()> {
        let asked = self.sandbox.client.post(self.path("/stdin")).query(&then)?;
        let asked = asked.body("application/octet-stream", body::streamed(reader))?;
        asked.patiently().done().await
    }

    /// Ends it. Harmless when it has ended.
    ///
    /// # Errors
    /// Those of the server and the connection.
    pub async fn kill(&self) -> Result<()> {
        let signal = SignalRequest { signal: Signal::Kill };
        self.sandbox
            .client
            .post(self.path("/signal"))
            .json(&signal)?
            .done()
            .await
    }
}

impl Running {
    async fn of(sandbox: &Sandbox, mut lines: Lines) -> Result<Self> {
        match next(&mut lines).await? {
            Some(ProcessEvent::Started(StartedBody { process, .. })) => Ok(Self {
                process: sandbox.process(process),
                lines,
                ended: false,
            }),
            Some(ProcessEvent::Error(error)) => Err(error.into()),
            _ => Err(Error::new(
                Kind::Garbled,
                "the answer does not begin with what was started",
            )),
        }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What takes place next; `None` after its end. Cancel safe.
    ///
    /// # Errors
    /// [`Kind::Unreachable`] where the answer breaks off before that.
    pub async fn next(&mut self) -> Result<Option<ProcessEvent>> {
        if self.ended {
            return Ok(None);
        }
        let Some(event) = next(&mut self.lines).await? else {
            return Err(Error::new(
                Kind::Unreachable,
                "the answer broke off before the end of the process",
            ));
        };
        self.ended = matches!(event, ProcessEvent::Outcome(_) | ProcessEvent::Error(_));
        Ok(Some(event))
    }
}

async fn next(lines: &mut Lines) -> Result<Option<ProcessEvent>> {
    match lines.next().await? {
        Some(line) => body::parse(&line).map(Some),
        None => Ok(None),
    }
}
