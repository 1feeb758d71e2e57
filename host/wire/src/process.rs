//! Programs which run in a sandbox.

use palisade_policy::CallLimits;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::printed::Form;
use crate::{ErrorBody, OutcomeBody, printed};

/// A program to be run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProcessRequest {
    /// A wasm file of the sandbox, by its absolute path there: a module or component which is a command.
    pub program: String,
    /// Whether that file is removed before the program starts.
    #[serde(default)]
    pub remove_program: bool,
    /// Its arguments, without its name before them.
    #[serde(default)]
    pub args: Vec<String>,
    /// `none`, the default, or `pipe`.
    #[serde(default)]
    pub stdin: Stdin,
    /// The streams which the program takes for a terminal: `stdin`, `stdout` and `stderr`. None by default.
    #[serde(default)]
    pub terminals: Vec<StandardStream>,
    /// Whether it goes on when nobody listens.
    #[serde(default)]
    pub detached: bool,
    /// The most that it may use: `memory` and `output` as `"64 MiB"`, `time` as `"5s"`, `fuel` as a number.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    #[serde(default)]
    pub limits: CallLimits,
}

impl ProcessRequest {
    /// A program without arguments and input, which ends when nobody listens.
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            remove_program: false,
            args: Vec::new(),
            stdin: Stdin::None,
            terminals: Vec::new(),
            detached: false,
            limits: CallLimits::default(),
        }
    }
}

/// Whether what a client sends becomes the standard input of a process.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// It is at its end from the start.
    #[default]
    None,
    /// It is what is sent, until the end is.
    Pipe,
}

/// One of the streams which every program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StandardStream {
    /// What it reads.
    Stdin,
    /// What it prints.
    Stdout,
    /// What it says of errors.
    Stderr,
}

/// What comes after the bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "schema", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct InputRequest {
    /// Whether its standard input is at its end after them.
    #[serde(default)]
    pub eof: bool,
}

/// What is done to a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignalRequest {
    /// What it is told.
    pub signal: Signal,
}

/// A program in WebAssembly knows no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// To end.
    Kill,
}

/// A process which was started over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProcessBody {
    /// Its number in its sandbox.
    pub process: u64,
    /// The path by which it was started.
    pub program: String,
    /// Whether it goes on.
    pub state: ProcessState,
    /// When it was started, in RFC 3339.
    pub started: String,
    /// How it ended, without what it printed; `null` where it has not, or could not be run.
    pub outcome: Option<OutcomeBody>,
    /// Why it could not be run; `null` where it was.
    pub error: Option<ErrorBody>,
}

/// Whether a process goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It does.
    Running,
    /// It has ended.
    Ended,
}

/// The processes of a sandbox which were started over HTTP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProcessList {
    /// The oldest first.
    pub processes: Vec<ProcessBody>,
}

/// What takes place in a process: an object whose one field names it.
#[derive(Debug, Clone)]
pub enum ProcessEvent {
    /// It was started, which is told first.
    Started(StartedBody),
    /// It printed this.
    Stdout(Vec<u8>),
    /// It printed this to standard error.
    Stderr(Vec<u8>),
    /// It ended, which is told last.
    Outcome(Box<OutcomeBody>),
    /// It could not be run, which is told last.
    Error(ErrorBody),
    /// Something which this version does not know.
    Unknown,
}

/// A process which was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedBody {
    /// Its number in its sandbox.
    pub process: u64,
    /// The path by which it was started.
    pub program: String,
}

impl ProcessEvent {
    /// What it is called as a server-sent event.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Stdout(_) => "stdout",
            Self::Stderr(_) => "stderr",
            Self::Outcome(_) => "outcome",
            Self::Error(_) => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// The object of an event.
#[derive(Default, Serialize, Deserialize)]
struct Fields {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<StartedBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Box<OutcomeBody>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

impl Serialize for ProcessEvent {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::default();
        match self {
            Self::Started(started) => fields.started = Some(started.clone()),
            Self::Stdout(bytes) => match Form::of(bytes) {
                Form::Text(text) => fields.stdout = Some(text.to_owned()),
                Form::Base64(encoded) => fields.stdout_base64 = Some(encoded),
            },
            Self::Stderr(bytes) => match Form::of(bytes) {
                Form::Text(text) => fields.stderr = Some(text.to_owned()),
                Form::Base64(encoded) => fields.stderr_base64 = Some(encoded),
            },
            Self::Outcome(outcome) => fields.outcome = Some(outcome.clone()),
            Self::Error(error) => fields.error = Some(error.clone()),
            Self::Unknown => {}
        }
        fields.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ProcessEvent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(from)?;
        let stdout = printed::bytes(fields.stdout, fields.stdout_base64)?;
        let stderr = printed::bytes(fields.stderr, fields.stderr_base64)?;
        let started = fields.started.map(Self::Started);
        let printed = stdout.map(Self::Stdout).or(stderr.map(Self::Stderr));
        let ended = fields.outcome.map(Self::Outcome).or(fields.error.map(Self::Error));
        Ok(started.or(printed).or(ended).unwrap_or(Self::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for (written, name) in [
            (json!({"started": {"process": 1, "program": "/x"}}), "started"),
            (json!({"stdout": "text"}), "stdout"),
            (json!({"stderr_base64": "/w=="}), "stderr"),
            (json!({"error": {"kind": "denied", "message": "no"}}), "error"),
        ] {
            let read: ProcessEvent = serde_json::from_value(written.clone()).expect("it is an event");
            assert_eq!(read.name(), name);
            assert_eq!(serde_json::to_value(read).expect("it is written"), written);
        }
        let newer = serde_json::from_value(json!({"checkpoint": 1})).expect("it is an event");
        assert!(matches!(newer, ProcessEvent::Unknown));
    }
}
