//! A program which runs on another host, and our streams.

use std::time::Duration;

use async_trait::async_trait;
use palisade::Kind;
use palisade::policy::ByteSize;
use palisade_client::wire::{self, Ending, InputRequest, OutcomeBody, ProcessEvent, StandardStream};
use palisade_client::{self as client, Running};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::stdio::DRAIN;
use super::super::{Ended, Process, Result};
use crate::failure::Failure;
use crate::report::{self, Format};

/// How long a host may take to tell how a program ended which was killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pieces of output which wait for whoever reads ours.
const PIECES: usize = 4;
/// What is kept of what is printed; the host keeps to the limit of its sandbox.
const MAX_KEPT: ByteSize = ByteSize::from_gib(1);
/// What ends a native program whose output nobody takes.
const SIGPIPE: u8 = 13;

/// A program on another host.
pub(super) struct Started {
    running: Running,
    output: Output,
    /// What hands its output on.
    pumps: JoinSet<()>,
    /// What sends our input, or that it is to end.
    senders: JoinSet<()>,
}

/// What becomes of what it prints.
enum Output {
    /// It is handed on.
    Printed {
        stdout: Sender<Vec<u8>>,
        stderr: Sender<Vec<u8>>,
    },
    /// It is kept for the answer.
    Kept { stdout: Vec<u8>, stderr: Vec<u8> },
}

/// Whether somebody takes what is printed.
#[derive(PartialEq, Eq)]
enum Taken {
    Yes,
    No,
}

/// Whether output waits for who takes it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Waits,
    Drops,
}

impl Started {
    pub(super) fn new(running: Running, format: Format) -> Self {
        let (mut pumps, mut senders) = (JoinSet::new(), JoinSet::new());
        let process = running.process().clone();
        senders.spawn(async move {
            let end = InputRequest { eof: true };
            let Err(error) = process.send(tokio::io::stdin(), end.clone()).await else {
                return;
            };
            match error.kind() {
                // It ended, or does not read all of it: that is the program's to say.
                client::Kind::Answered(wire::Kind::Conflict | wire::Kind::NotFound) => {}
                // Here, a reader which fails has ended.
                client::Kind::Unsendable => {
                    let _ = process.send(tokio::io::empty(), end).await;
                }
                _ => {
                    report::say(&format!("its input is not sent: {error}"));
                    let _ = process.kill().await;
                }
            }
        });
        let output = match format {
            Format::Text => {
                let (stdout, printed) = channel(PIECES);
                let (stderr, said) = channel(PIECES);
                pumps.spawn(pump(printed, tokio::io::stdout()));
                pumps.spawn(pump(said, tokio::io::stderr()));
                Output::Printed { stdout, stderr }
            }
            Format::Json => Output::Kept {
                stdout: Vec::new(),
                stderr: Vec::new(),
            },
        };
        Self {
            running,
            output,
            pumps,
            senders,
        }
    }

    /// Has it end, and does not wait for that.
    fn kill(&mut self) {
        let process = self.running.process().clone();
        self.senders.spawn(async move {
            // Who waits for its end hears if that does not come.
            let _ = process.kill().await;
        });
    }
}

/// Hands on what comes, at once, until nobody takes it.
async fn pump(mut pieces: Receiver<Vec<u8>>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(piece) = pieces.recv().await {
        let written = writer.write_all(&piece).await;
        if written.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

impl Output {
    /// Hands on a piece of output, or keeps it.
    async fn take(&mut self, stream: StandardStream, bytes: Vec<u8>, pace: Pace) -> Result<Taken> {
        let is_error = stream == StandardStream::Stderr;
        match self {
            Self::Printed { stdout, stderr } => {
                let sender = if is_error { stderr } else { stdout };
                let taken = match pace {
                    Pace::Waits => sender.send(bytes).await.is_ok(),
                    Pace::Drops => !matches!(sender.try_send(bytes), Err(TrySendError::Closed(_))),
                };
                Ok(if taken { Taken::Yes } else { Taken::No })
            }
            Self::Kept { stdout, stderr } => {
                if (stdout.len() + stderr.len() + bytes.len()) as u64 > MAX_KEPT.as_bytes() {
                    let message = format!("the host tells of more output than {MAX_KEPT}, the most that is kept here");
                    return Err(Failure::new(Kind::Unavailable, message));
                }
                let kept = if is_error { stderr } else { stdout };
                kept.extend(bytes);
                Ok(Taken::Yes)
            }
        }
    }

    fn into_outcome(self, outcome: OutcomeBody) -> OutcomeBody {
        let (stdout, stderr) = match self {
            Self::Printed { .. } => Default::default(),
            Self::Kept { stdout, stderr } => (stdout, stderr),
        };
        OutcomeBody {
            stdout: Some(stdout),
            stderr: Some(stderr),
            ..outcome
        }
    }
}

#[async_trait]
impl Process for Started {
    async fn end(mut self: Box<Self>, mut stop: oneshot::Receiver<()>) -> Result<Ended> {
        let mut signal = None;
        let mut killed = None;
        let outcome = loop {
            let event = tokio::select! {
                event = self.running.next() => event?,
                Ok(()) = &mut stop, if killed.is_none() => {
                    self.kill();
                    killed = Some(Instant::now());
                    continue;
                }
                () = after(killed) => return Err(silent()),
            };
            let (stream, bytes) = match event {
                Some(ProcessEvent::Stdout(bytes)) => (StandardStream::Stdout, bytes),
                Some(ProcessEvent::Stderr(bytes)) => (StandardStream::Stderr, bytes),
                Some(ProcessEvent::Outcome(outcome)) => break *outcome,
                Some(ProcessEvent::Error(error)) => return Err(palisade_client::Error::from(error).into()),
                Some(ProcessEvent::Started(_) | ProcessEvent::Unknown) => continue,
                None => return Err(silent()),
            };
            let pace = if killed.is_some() { Pace::Drops } else { Pace::Waits };
            let taken = tokio::select! {
                taken = self.output.take(stream, bytes, pace) => taken?,
                Ok(()) = &mut stop, if killed.is_none() => {
                    self.kill();
                    killed = Some(Instant::now());
                    continue;
                }
            };
            // What is said of errors may be heard by nobody.
            if taken == Taken::No && stream == StandardStream::Stdout && killed.is_none() {
                self.kill();
                killed = Some(Instant::now());
                signal = Some(SIGPIPE);
            }
        };
        let Self { output, mut pumps, .. } = *self;
        let outcome = output.into_outcome(outcome);
        let by_itself = killed.is_none() && !matches!(outcome.ending, Ending::LimitReached(_) | Ending::Killed);
        tokio::select! {
            () = async { while pumps.join_next().await.is_some() {} } => {}
            () = tokio::time::sleep(DRAIN), if !by_itself => {}
            Ok(()) = &mut stop, if killed.is_none() => {}
        }
        Ok(Ended { outcome, signal })
    }
}

/// Once a program which was killed should have ended.
async fn after(killed: Option<Instant>) {
    match killed {
        Some(killed) => tokio::time::sleep_until(killed + PATIENCE).await,
        None => std::future::pending().await,
    }
}

fn silent() -> Failure {
    Failure::new(Kind::Timeout, "the host does not tell how the program ended")
}
