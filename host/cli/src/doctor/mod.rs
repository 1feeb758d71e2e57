//! `palisade doctor`: what this machine can do, and what it lacks.

mod machine;
mod state;

use serde::Serialize;
use serde_json::json;

use crate::config::Config;
use crate::exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::report::{self, Format, visible};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    Warn,
    Fail,
}

impl Check {
    pub(crate) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Ok,
            detail: detail.into(),
            hint: None,
        }
    }

    fn warn(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Warn,
            detail: detail.into(),
            hint: Some(hint.into()),
        }
    }

    pub(crate) fn fail(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            status: Status::Fail,
            ..Self::warn(name, detail, hint)
        }
    }

    fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        visible(&format!("{status}  {:<16} {}{hint}", self.name, self.detail))
    }
}

/// Looks at this machine.
pub(crate) async fn here(config: &Config) -> Vec<Check> {
    let mut checks = machine::checks();
    checks.extend(state::checks(config));
    checks.push(state::end_to_end(config).await);
    checks
}

/// Tells what a host can do; fails if a program cannot be run there.
pub(crate) async fn doctor(host: &dyn Host, format: Format) -> Result<u8, Failure> {
    let checks = host.checks().await?;
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    match format {
        Format::Text => {
            let lines = checks.iter().map(|check| check.line() + "\n");
            report::print(lines.collect::<String>().as_bytes());
        }
        Format::Json => report::print_json(&json!({ "ok": !failed, "checks": checks })),
    }
    Ok(if failed { exit::PROBLEMS } else { 0 })
}
