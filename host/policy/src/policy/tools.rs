//! Which tools may be called, and what of the sandbox a call has.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits;
use crate::file::ToolRuleFile;
use crate::problem::{Problems, one_line};
use crate::spelling::element;
use crate::{CallGrant, CallLimits, Denial, EnvPattern, FileAccess, Metering, NamePattern};

/// Which functions of which tools may be called, and with what. The default is none.
///
/// Of the entries whose name matches a tool, only the most exact one counts, wherever it stands: the name itself, else
/// the longest prefix. What that one does not allow is denied, whatever the others say. Cloning it is cheap. Serde
/// writes it as the `[[tools]]` of a policy file, and checks what it reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolGrants(Arc<[ToolRule]>);

/// A checked entry. No two of one policy have the same name.
#[derive(Debug, Clone, PartialEq)]
struct ToolRule {
    name: NamePattern,
    functions: Vec<NamePattern>,
    files: FileAccess,
    env: Arc<[EnvPattern]>,
    limits: CallLimits,
}

impl ToolGrants {
    pub(super) fn check(files: Vec<ToolRuleFile>, metering: Metering, problems: &mut Problems) -> Self {
        report_duplicates(&files, problems);
        let files = files.into_iter().enumerate();
        let rule = |(n, file)| ToolRule::check(&element("tools", n), file, metering, problems);
        Self(files.filter_map(rule).collect())
    }

    pub(super) fn to_file(&self) -> Vec<ToolRuleFile> {
        self.0.iter().map(ToolRule::to_file).collect()
    }

    /// What a call of `function` in `tool` gets of its sandbox, or why there is no such call.
    ///
    /// It does not know which tools and functions exist.
    pub fn judge(&self, tool: &str, function: &str) -> Result<CallGrant, Denial> {
        let Some((index, rule)) = self.deciding(tool) else {
            let grant = ToolRuleFile::granting(tool, function);
            return Err(denial("tools".into(), tool, function, &grant));
        };
        if rule.functions.iter().any(|pattern| pattern.matches(function)) {
            return Ok(rule.grant());
        }
        let rule_path = format!("{}.functions", element("tools", index));
        Err(denial(rule_path, tool, function, &rule.widened(tool, function)))
    }

    /// The most exact entry for `tool`.
    fn deciding(&self, tool: &str) -> Option<(usize, &ToolRule)> {
        let rules = self.0.iter().enumerate();
        let matching = rules.filter(|(_, rule)| rule.name.matches(tool));
        matching.max_by_key(|(_, rule)| rule.name.exactness())
    }
}

impl Serialize for ToolGrants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_file().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ToolGrants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut problems = Problems::default();
        let grants = Self::check(Vec::deserialize(deserializer)?, Metering::default(), &mut problems);
        problems.or(grants).map_err(|problems| de::Error::custom(&problems[0]))
    }
}

impl ToolRule {
    fn check(path: &str, file: ToolRuleFile, metering: Metering, problems: &mut Problems) -> Option<Self> {
        limits::report_call_flaws(&format!("{path}.limits"), &file.limits, metering, problems);
        let Some(name) = file.name else {
            problems.report(format!("{path}.name"), "missing; write `*` for every tool");
            return None;
        };
        Some(Self {
            name,
            functions: file.functions.unwrap_or_else(|| vec![NamePattern::all()]),
            files: file.files.unwrap_or(FileAccess::None),
            env: file.env.unwrap_or_default().into(),
            limits: file.limits,
        })
    }

    fn to_file(&self) -> ToolRuleFile {
        ToolRuleFile {
            name: Some(self.name.clone()),
            functions: Some(self.functions.clone()),
            files: Some(self.files),
            env: Some(self.env.to_vec()),
            limits: self.limits,
        }
    }

    fn grant(&self) -> CallGrant {
        CallGrant {
            files: self.files,
            env: Arc::clone(&self.env),
            limits: self.limits,
        }
    }

    /// The entry for `tool` which says all that this one says, and allows `function` too. It takes this one's place, or
    /// stands beside it where this one is for more tools.
    fn widened(&self, tool: &str, function: &str) -> ToolRuleFile {
        let asked = ToolRuleFile::granting(tool, function);
        let functions = self.functions.iter().cloned();
        ToolRuleFile {
            name: asked.name,
            functions: Some(functions.chain(asked.functions.into_iter().flatten()).collect()),
            ..self.to_file()
        }
    }
}

impl ToolRuleFile {
    /// The entry which allows `function` of `tool`, and nothing of the sandbox.
    fn granting(tool: &str, function: &str) -> Self {
        Self {
            name: Some(NamePattern::narrowest(tool)),
            functions: Some(vec![NamePattern::narrowest(function)]),
            ..Self::default()
        }
    }

    /// The entry on one line.
    fn to_inline_toml(&self) -> String {
        let mut text = String::new();
        self.serialize(toml::ser::ValueSerializer::new(&mut text))
            .expect("every integer fits TOML, checked in `check`");
        text
    }
}

fn denial(rule: String, tool: &str, function: &str, grant: &ToolRuleFile) -> Denial {
    Denial {
        rule,
        asked: one_line(&format!("call of {function} in the tool {tool}")),
        smallest_grant: format!("tools = [{}]", grant.to_inline_toml()),
    }
}

fn report_duplicates(files: &[ToolRuleFile], problems: &mut Problems) {
    let mut first = std::collections::HashMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(name) = &file.name else { continue };
        let known = *first.entry(name).or_insert(index);
        if known != index {
            let message = format!("{} has the same name", element("tools", known));
            problems.report(format!("{}.name", element("tools", index)), message);
        }
    }
}
