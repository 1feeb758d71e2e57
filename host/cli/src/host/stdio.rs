//! The standard streams between the guest and ours.

use std::io::IsTerminal;
use std::time::Duration;

use palisade::{Command, Device, Output, PipeReader, Process, Stdin};
use palisade_client::wire::StandardStream;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::report::Format;

/// How long output is still handed on after a guest was stopped: who reads it may be what stalled it.
pub(super) const DRAIN: Duration = Duration::from_secs(1);

/// Which of the guest's streams are terminals of ours.
pub(super) fn terminals(format: Format) -> Vec<StandardStream> {
    let mut terminals = Vec::new();
    if std::io::stdin().is_terminal() {
        terminals.push(StandardStream::Stdin);
    }
    if format == Format::Text && std::io::stdout().is_terminal() {
        terminals.push(StandardStream::Stdout);
    }
    if format == Format::Text && std::io::stderr().is_terminal() {
        terminals.push(StandardStream::Stderr);
    }
    terminals
}

/// Gives the command our streams; with JSON, its output is kept for the answer.
pub(super) fn connect(command: Command, format: Format) -> Command {
    let output = match format {
        Format::Text => Output::Pipe,
        Format::Json => Output::Capture,
    };
    let terminals = terminals(format);
    let device = |stream| match terminals.contains(&stream) {
        true => Device::Terminal,
        false => Device::Stream,
    };
    command
        .stdin(Stdin::reader(tokio::io::stdin()))
        .stdout(output)
        .stderr(output)
        .devices(
            device(StandardStream::Stdin),
            device(StandardStream::Stdout),
            device(StandardStream::Stderr),
        )
}

/// The tasks which hand on what a guest prints. Dropping this stops them.
pub(super) struct Streams(JoinSet<()>);

impl Streams {
    pub(super) fn start(process: &mut Process) -> Self {
        let mut pumps = JoinSet::new();
        if let Some(reader) = process.take_stdout() {
            pumps.spawn(pump(reader, tokio::io::stdout()));
        }
        if let Some(reader) = process.take_stderr() {
            pumps.spawn(pump(reader, tokio::io::stderr()));
        }
        Self(pumps)
    }

    /// Waits until everything is handed on. Cancel safe.
    pub(super) async fn finish(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Hands on what comes, at once. When nobody takes it any more the reader is dropped, and the guest's writes fail.
async fn pump(mut reader: PipeReader, mut writer: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let written = writer.write_all(&buffer[..length]).await;
        if written.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}
