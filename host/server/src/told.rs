//! How what the library knows is told: as the types of the wire, by the server, and by the command without one.

use std::time::Duration;

use palisade::policy::Policy;
use palisade::{Ending, FileKind, Kind, Limit, Outcome, State, Tool, ToolEntry, Usage};
use palisade_wire::{
    FunctionBody, KeyBody, OutcomeBody, PolicyBody, PolicyLine, PolicyReport, ProcessUsage, SandboxState, SkippedBody,
    ToolBody, ToolLine,
};

use crate::Key;

/// What is wrong.
pub fn kind(kind: Kind) -> palisade_wire::Kind {
    match kind {
        Kind::InvalidInput => palisade_wire::Kind::InvalidInput,
        Kind::NotFound => palisade_wire::Kind::NotFound,
        Kind::Denied => palisade_wire::Kind::Denied,
        Kind::Conflict => palisade_wire::Kind::Conflict,
        Kind::Exhausted => palisade_wire::Kind::Exhausted,
        Kind::Timeout => palisade_wire::Kind::Timeout,
        Kind::Unsupported => palisade_wire::Kind::Unsupported,
        Kind::Unavailable => palisade_wire::Kind::Unavailable,
        Kind::Corrupt => palisade_wire::Kind::Corrupt,
        Kind::Internal => palisade_wire::Kind::Internal,
    }
}

/// All of an outcome, with what was printed.
pub fn outcome(outcome: Outcome) -> OutcomeBody {
    let met = !outcome.limits_hit.is_empty() || matches!(outcome.ending, Ending::LimitReached(_));
    OutcomeBody {
        denials: outcome.denials,
        ending: ending(outcome.ending),
        limits: met.then_some(outcome.limits),
        limits_hit: outcome.limits_hit.into_iter().map(limit).collect(),
        more_denials: outcome.more_denials,
        stderr: Some(outcome.stderr),
        stdout: Some(outcome.stdout),
        usage: usage(&outcome.usage),
        value: outcome.value,
    }
}

/// An outcome without what was printed.
pub(crate) fn end(outcome: Outcome) -> OutcomeBody {
    OutcomeBody {
        stderr: None,
        stdout: None,
        ..self::outcome(outcome)
    }
}

pub(crate) fn ending(ending: Ending) -> palisade_wire::Ending {
    match ending {
        Ending::Exited(code) => palisade_wire::Ending::Exited(code),
        Ending::Returned => palisade_wire::Ending::Returned,
        Ending::Failed => palisade_wire::Ending::Failed,
        Ending::Trapped(why) => palisade_wire::Ending::Trapped(why),
        Ending::LimitReached(reached) => palisade_wire::Ending::LimitReached(limit(reached)),
        Ending::Killed => palisade_wire::Ending::Killed,
    }
}

fn limit(limit: Limit) -> palisade_wire::Limit {
    match limit {
        Limit::Memory => palisade_wire::Limit::Memory,
        Limit::Fuel => palisade_wire::Limit::Fuel,
        Limit::Time => palisade_wire::Limit::Time,
        Limit::Output => palisade_wire::Limit::Output,
        Limit::Disk => palisade_wire::Limit::Disk,
        Limit::Files => palisade_wire::Limit::Files,
        Limit::Handles => palisade_wire::Limit::Handles,
    }
}

pub(crate) fn usage(usage: &Usage) -> ProcessUsage {
    let Usage {
        fuel,
        host_time,
        elapsed,
        peak_memory,
        read,
        written,
    } = usage;
    let milliseconds = |time: &Duration| time.as_micros() as f64 / 1e3;
    ProcessUsage {
        elapsed_ms: milliseconds(elapsed),
        fuel: *fuel,
        host_time_ms: milliseconds(host_time),
        peak_memory_bytes: peak_memory.as_bytes(),
        read_bytes: read.as_bytes(),
        written_bytes: written.as_bytes(),
    }
}

pub(crate) fn state(state: State) -> SandboxState {
    match state {
        State::Creating => SandboxState::Creating,
        State::Ready => SandboxState::Ready,
        State::Running => SandboxState::Running,
        State::Suspended => SandboxState::Suspended,
        State::RollingBack => SandboxState::RollingBack,
        State::Stopping => SandboxState::Stopping,
        State::Stopped => SandboxState::Stopped,
        State::Failed => SandboxState::Failed,
        State::Destroyed => SandboxState::Destroyed,
    }
}

pub(crate) fn file_kind(kind: FileKind) -> palisade_wire::FileKind {
    match kind {
        FileKind::File => palisade_wire::FileKind::File,
        FileKind::Directory => palisade_wire::FileKind::Directory,
        FileKind::Symlink => palisade_wire::FileKind::Symlink,
        FileKind::Other => palisade_wire::FileKind::Other,
    }
}

/// What a tool offers.
pub fn tool(tool: &Tool) -> ToolBody {
    let description = tool.description();
    let function = |function: &palisade::Function| FunctionBody {
        name: function.name.clone(),
        docs: function.docs.clone(),
        parameters: function.parameters.clone(),
        result: function.result.clone(),
    };
    let skipped = |skipped: &palisade::Skipped| SkippedBody {
        name: skipped.name.clone(),
        reason: skipped.reason.clone(),
    };
    ToolBody {
        name: tool.name().to_owned(),
        digest: tool.digest().to_string(),
        interpreter: tool.interpreter().map(|digest| digest.to_string()),
        functions: description.functions.iter().map(function).collect(),
        imports: description.imports.clone(),
        skipped: description.skipped.iter().map(skipped).collect(),
    }
}

/// A tool as it is listed.
pub fn tool_line(entry: ToolEntry) -> ToolLine {
    ToolLine {
        name: entry.name,
        digest: entry.digest.to_string(),
        current: entry.current,
        enabled: entry.enabled,
    }
}

/// A policy as it is listed.
pub fn policy_line(name: &str, policy: &Policy) -> PolicyLine {
    PolicyLine {
        name: name.to_owned(),
        description: policy.description().map(str::to_owned),
    }
}

/// A policy with every value.
pub fn policy(name: &str, policy: &Policy) -> PolicyBody {
    PolicyBody {
        name: name.to_owned(),
        toml: policy.to_toml(),
        values: serde_json::json!(policy),
    }
}

/// What is wrong in the text of a policy.
pub fn policy_report(text: &str) -> PolicyReport {
    match Policy::from_toml(text) {
        Ok(policy) => PolicyReport {
            ok: true,
            description: policy.description().map(str::to_owned),
            problems: Vec::new(),
        },
        Err(problems) => PolicyReport {
            ok: false,
            description: None,
            problems,
        },
    }
}

/// A key, without its secret.
pub fn key(key: &Key) -> KeyBody {
    KeyBody {
        id: key.id.to_string(),
        role: key.role,
        created: key.created.to_string(),
        local: key.local,
    }
}
