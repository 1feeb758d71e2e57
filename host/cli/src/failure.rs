//! Why a command could not do what it was told, and how that is told.

use palisade::Kind;
use palisade::policy::{Denial, Problem};
use serde_json::json;

use crate::report::{self, Format};
use crate::{exit, policy};

/// An error of palisade or of its user; never of a guest.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    denials: Vec<Denial>,
    /// What is wrong with a file, with the file's name.
    problems: Option<(String, Vec<Problem>)>,
    code: u8,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            denials: Vec::new(),
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
            problems: Some((file, problems)),
            ..Self::invalid(lines.join("; "))
        }
    }

    /// The program that was to be run cannot be loaded.
    pub(crate) fn program(error: palisade::Error) -> Self {
        let code = match error.kind() {
            Kind::NotFound => exit::NO_PROGRAM,
            kind => exit::of_kind(kind),
        };
        Self { code, ..error.into() }
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

    pub(crate) fn kind(&self) -> Kind {
        self.kind
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
        match &self.problems {
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
        if let Some((file, problems)) = &self.problems {
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
