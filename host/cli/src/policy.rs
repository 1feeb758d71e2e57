//! `palisade policy`, and where policies come from.

use std::path::Path;

use palisade::Kind;
use palisade::policy::{Policy, Problem};
use serde_json::json;

use crate::exit;
use crate::failure::Failure;
use crate::host_limits::HostLimits;
use crate::report::{self, Format, visible};
use crate::text_file;

/// The shipped policy of that name, or else the policy in that file.
pub(crate) fn load(named: &str) -> Result<Policy, Failure> {
    if let Some(policy) = Policy::shipped(named) {
        return Ok(policy);
    }
    let is_file = |failure: &Failure| failure.kind() != Kind::NotFound || named.contains(['/', '.']);
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

/// Reports every problem in a file.
pub(crate) fn check(file: &Path, format: Format) -> Result<u8, Failure> {
    let text = text_file::read(file)?;
    let name = file.display().to_string();
    let (description, problems) = match Policy::from_toml(&text) {
        Ok(policy) => (policy.description().map(str::to_owned), Vec::new()),
        Err(problems) => (None, problems),
    };
    match format {
        Format::Json => report::print_json(&json!({
            "file": name,
            "ok": problems.is_empty(),
            "description": description,
            "problems": problems,
        })),
        Format::Text if problems.is_empty() => {
            let description = description.as_deref().unwrap_or("a policy without a description");
            report::print(format!("{}: ok: {}\n", visible(&name), visible(description)).as_bytes());
        }
        Format::Text => {
            let lines = problems.iter().map(|one| visible(&problem_line(&name, one)) + "\n");
            report::print(lines.collect::<String>().as_bytes());
        }
    }
    Ok(if problems.is_empty() { 0 } else { exit::PROBLEMS })
}

/// Shows a policy with every value spelled out, under the limits of this host.
pub(crate) fn show(named: &str, host: &HostLimits, format: Format) -> Result<u8, Failure> {
    let policy = host.apply(load(named)?)?;
    match format {
        Format::Text => {
            let lines: String = policy.to_toml().lines().map(|line| visible(line) + "\n").collect();
            report::print(lines.as_bytes());
        }
        Format::Json => report::print_json(&json!(policy)),
    }
    Ok(0)
}

/// Lists the shipped policies.
pub(crate) fn list(format: Format) -> u8 {
    let policies = Policy::SHIPPED.map(|name| {
        let policy = Policy::shipped(name);
        let description = policy.as_ref().and_then(Policy::description).unwrap_or_default();
        (name, description.to_owned())
    });
    match format {
        Format::Text => {
            let lines = policies.map(|(name, description)| format!("{name:<10} {description}\n"));
            report::print(lines.concat().as_bytes());
        }
        Format::Json => {
            let list = policies.map(|(name, description)| json!({ "name": name, "description": description }));
            report::print_json(&json!({ "policies": list }));
        }
    }
    0
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
