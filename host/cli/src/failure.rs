//! Why a command could not do what it was told, and how that is told.

use palisade::Kind;
use palisade::policy::{Denial, Problem};
use palisade_server::told;
use serde_json::json;

use crate::report::{self, Format};
use crate::{exit, policy};

/// An error of palisade or of its user; never of a guest.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: palisade_client::Kind,
    message: String,
    denials: Vec<Denial>,
    /// The request, as the log of its host names it.
    request_id: Option<String>,
    /// What is wrong with a file, with the file's name.
    problems: Option<Box<(String, Vec<Problem>)>>,
    code: u8,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self::of(palisade_client::Kind::Answered(told::kind(kind)), message.into())
    }

    fn of(kind: palisade_client::Kind, message: String) -> Self {
        Self {
            kind,
            message,
            denials: Vec::new(),
            request_id: None,
            problems: None,
            code: exit::of_kind(kind),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// A file with problems in it.
    pub(crate) fn problems(file: impl Into<String>, problems: Vec<Problem>) -> Self {
        let file = file.into();
        let lines: Vec<String> = problems.iter().map(|one| policy::problem_line(&file, one)).collect();
        Self {
            problems: Some(Box::new((file, problems))),
            ..Self::invalid(lines.join("; "))
        }
    }

    /// The program, tool or function that was asked for cannot be had.
    pub(crate) fn program(error: impl Into<Self>) -> Self {
        let failure: Self = error.into();
        let code = if failure.is_not_found() {
            exit::NO_PROGRAM
        } else {
            failure.code
        };
        Self { code, ..failure }
    }

    /// A second signal came before the first was obeyed.
    pub(crate) fn interrupted(signal: u8) -> Self {
        let code = exit::of_signal(signal);
        Self {
            code,
            ..Self::new(Kind::Unavailable, "interrupted")
        }
    }

    /// Names the rules of each denial anew.
    pub(crate) fn rename_rules(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        for denial in &mut self.denials {
            if let Some(rule) = rename(&denial.rule) {
                denial.rule = rule;
            }
        }
        self
    }

    /// Whether there is no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == palisade_client::Kind::Answered(palisade_client::wire::Kind::NotFound)
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Tells it, and returns the exit code.
    pub(crate) fn report(&self, format: Format) -> u8 {
        match format {
            Format::Text => self.lines().iter().for_each(|line| report::say(line)),
            Format::Json => report::print_json(&self.to_json()),
        }
        self.code
    }

    fn lines(&self) -> Vec<String> {
        if !self.denials.is_empty() {
            return self.denials.iter().map(report::denial_line).collect();
        }
        match self.problems.as_deref() {
            Some((file, problems)) => problems
                .iter()
                .map(|problem| policy::problem_line(file, problem))
                .collect(),
            None => vec![self.message.clone()],
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let mut error = json!({
            "kind": self.kind,
            "message": self.message,
            "denials": report::denials_json(&self.denials),
        });
        if let Some(request) = &self.request_id {
            error["request_id"] = json!(request);
        }
        if let Some((file, problems)) = self.problems.as_deref() {
            error["file"] = json!(file);
            error["problems"] = json!(problems);
        }
        json!({ "error": error })
    }
}

impl From<palisade::Error> for Failure {
    fn from(error: palisade::Error) -> Self {
        Self {
            denials: error.denials().to_vec(),
            ..Self::new(error.kind(), error.to_string())
        }
    }
}

impl From<palisade_client::Error> for Failure {
    fn from(error: palisade_client::Error) -> Self {
        Self {
            denials: error.denials().to_vec(),
            request_id: error.request_id().map(str::to_owned),
            ..Self::of(error.kind(), error.to_string())
        }
    }
}
