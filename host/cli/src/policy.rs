//! `palisade policy`, and where policies come from.

use std::path::Path;

use palisade::Kind;
use palisade::policy::{Policy, Problem};
use palisade_client::wire::{PolicyBody, PolicyLine, PolicyReport};
use serde_json::json;

use crate::args::PolicyAction;
use crate::exit;
use crate::failure::Failure;
use crate::host::Host;
use crate::report::{self, Format, visible};
use crate::text_file;

/// The shipped policy of that name, or else the policy in that file.
pub(crate) fn load(named: &str) -> Result<Policy, Failure> {
    if let Some(policy) = Policy::shipped(named) {
        return Ok(policy);
    }
    let is_file = |failure: &Failure| !failure.is_not_found() || named.contains(['/', '.']);
    let text = text_file::read(Path::new(named)).map_err(|failure| match is_file(&failure) {
        true => failure,
        false => Failure::new(
            Kind::NotFound,
            format!(
                "no policy named {named:?}: there are {}, and files",
                Policy::SHIPPED.join(", ")
            ),
        ),
    })?;
    Policy::from_toml(&text).map_err(|problems| Failure::problems(named, problems))
}

/// `FILE:line:column: key: message`
pub(crate) fn problem_line(file: &str, problem: &Problem) -> String {
    let Problem { key, message, position } = problem;
    let place = position
        .map(|at| format!("{}:{}:", at.line, at.column))
        .unwrap_or_default();
    let key = if key.is_empty() {
        String::new()
    } else {
        format!("{key}: ")
    };
    format!("{file}:{place} {key}{message}")
}

pub(crate) async fn policy(action: PolicyAction, host: &dyn Host, format: Format) -> Result<u8, Failure> {
    match action {
        PolicyAction::Check { file } => return check(&file, host, format).await,
        PolicyAction::Show { policy } => show(&host.policy(&policy).await?, format),
        PolicyAction::List => list(host.policies().await?, format),
    }
    Ok(0)
}

/// Reports every problem in a file.
async fn check(file: &Path, host: &dyn Host, format: Format) -> Result<u8, Failure> {
    let text = text_file::read(file)?;
    let name = file.display().to_string();
    let PolicyReport {
        ok,
        description,
        problems,
    } = host.check_policy(text).await?;
    match format {
        Format::Json => report::print_json(&json!({
            "file": name,
            "ok": ok,
            "description": description,
            "problems": problems,
        })),
        Format::Text if ok => {
            let description = description.as_deref().unwrap_or("a policy without a description");
            report::print(format!("{}: ok: {}\n", visible(&name), visible(description)).as_bytes());
        }
        Format::Text => {
            let lines = problems.iter().map(|one| visible(&problem_line(&name, one)) + "\n");
            report::print(lines.collect::<String>().as_bytes());
        }
    }
    Ok(if ok { 0 } else { exit::PROBLEMS })
}

/// Shows a policy with every value spelled out.
fn show(policy: &PolicyBody, format: Format) {
    match format {
        Format::Text => {
            let lines: String = policy.toml.lines().map(|line| visible(line) + "\n").collect();
            report::print(lines.as_bytes());
        }
        Format::Json => report::print_json(&policy.values),
    }
}

/// Lists policies, in the order of their names.
fn list(mut policies: Vec<PolicyLine>, format: Format) {
    policies.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    match format {
        Format::Text => {
            let lines = policies.iter().map(|PolicyLine { name, description }| {
                let description = description.as_deref().unwrap_or_default();
                visible(&format!("{name:<10} {description}")) + "\n"
            });
            report::print(lines.collect::<String>().as_bytes());
        }
        Format::Json => report::print_json(&json!({ "policies": policies })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_with_its_place() {
        let problems = Policy::from_toml("[limits]\nmemroy = 1\n").unwrap_err();
        let line = problem_line("p.toml", &problems[0]);
        assert!(line.starts_with("p.toml:2:1: limits.memroy: "), "{line}");
    }

    #[test]
    fn a_name_that_is_no_file_is_told_the_names() {
        let failure = load("lax").unwrap_err();
        assert!(
            failure.message().contains("strict, default, trusted"),
            "{}",
            failure.message()
        );
        assert!(load("./nowhere.toml").unwrap_err().message().contains("nowhere.toml"));
        assert!(load("strict").is_ok());
    }
}
