//! `palisade.toml`, read key by key so that every problem is told at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use palisade::policy::{ByteSize, LimitsFile, PolicyFile, Position, Problem};
use palisade_server::{CollectorUrl, HostName};
use toml::{Table, Value};

use crate::failure::Failure;
use crate::host_limits::HostLimits;

/// What somebody wrote, each value checked by itself.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ConfigFile {
    pub state_dir: Option<PathBuf>,
    pub policy: Option<String>,
    pub listen: Option<SocketAddr>,
    pub hosts: Option<Vec<HostName>>,
    pub otlp: Option<CollectorUrl>,
    pub artefact_cache: Option<ByteSize>,
    pub host_limits: HostLimits,
}

const KEYS: [&str; 8] = [
    "state-dir",
    "policy",
    "listen",
    "host-names",
    "otlp",
    "defaults",
    "ceilings",
    "retention",
];
const RETENTION_KEYS: [&str; 1] = ["artefact-cache"];

impl ConfigFile {
    /// Reads the text of the file at `path`.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let mut reading = Reading::default();
        let file = match text.parse::<Table>() {
            Ok(table) => reading.config(path, table),
            Err(error) => {
                let position = error.span().map(|span| position(span.start, text));
                reading.problems.push(Problem {
                    key: String::new(),
                    message: error.message().to_owned(),
                    position,
                });
                Self::default()
            }
        };
        match reading.problems.is_empty() {
            true => Ok(file),
            false => Err(Failure::problems(path.display().to_string(), reading.problems)),
        }
    }
}

#[derive(Default)]
struct Reading {
    problems: Vec<Problem>,
}

impl Reading {
    fn config(&mut self, path: &Path, mut table: Table) -> ConfigFile {
        let state_dir = self.parse_text::<PathBuf>(&mut table, "", "state-dir");
        if state_dir.as_ref().is_some_and(|path| !path.is_absolute()) {
            self.report("state-dir", "must be an absolute path");
        }
        let file = ConfigFile {
            state_dir,
            policy: self
                .parse_text(&mut table, "", "policy")
                .map(|policy| super::beside(path, policy)),
            listen: self.parse_text(&mut table, "", "listen"),
            hosts: self.parse_texts(&mut table, "host-names"),
            otlp: self.parse_text(&mut table, "", "otlp"),
            artefact_cache: self.table(&mut table, "retention").and_then(|mut retention| {
                let size = self.parse_text(&mut retention, "retention.", "artefact-cache");
                self.report_unknown(&retention, "retention.", &RETENTION_KEYS);
                size
            }),
            host_limits: HostLimits {
                defaults: self.limits(&mut table, "defaults"),
                ceilings: self.limits(&mut table, "ceilings"),
            },
        };
        self.report_unknown(&table, "", &KEYS);
        file
    }

    /// A table of limits, by the code which reads those of a policy file.
    fn limits(&mut self, table: &mut Table, key: &str) -> LimitsFile {
        let Some(limits) = self.table(table, key) else {
            return LimitsFile::default();
        };
        // Read as ceilings, for those need no others beside them.
        let text = Table::from_iter([("ceilings".to_owned(), Value::Table(limits))]).to_string();
        let parsed = PolicyFile::parse(&text).and_then(|file| {
            file.clone().validate()?;
            Ok(file.ceilings)
        });
        parsed.unwrap_or_else(|problems| {
            for Problem {
                key: place, message, ..
            } in problems
            {
                let rest = place.strip_prefix("ceilings").unwrap_or_default();
                self.report(&format!("{key}{rest}"), message);
            }
            LimitsFile::default()
        })
    }

    fn table(&mut self, table: &mut Table, key: &str) -> Option<Table> {
        match table.remove(key)? {
            Value::Table(table) => Some(table),
            other => {
                self.report(key, format!("expected a table, found {}", other.type_str()));
                None
            }
        }
    }

    fn parse_text<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        table: &mut Table,
        prefix: &str,
        key: &str,
    ) -> Option<T> {
        let path = format!("{prefix}{key}");
        match table.remove(key)? {
            Value::String(text) if text.is_empty() => {
                self.report(&path, "must not be empty");
                None
            }
            Value::String(text) => match text.parse() {
                Ok(value) => Some(value),
                Err(error) => {
                    self.report(&path, format!("{text:?}: {error}"));
                    None
                }
            },
            other => {
                self.report(&path, format!("expected a string, found {}", other.type_str()));
                None
            }
        }
    }

    fn parse_texts<T: FromStr<Err: std::fmt::Display>>(&mut self, table: &mut Table, key: &str) -> Option<Vec<T>> {
        let items = match table.remove(key)? {
            Value::Array(items) => items,
            other => {
                self.report(key, format!("expected an array, found {}", other.type_str()));
                return None;
            }
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("{key}[{index}]");
            let mut only = Table::from_iter([(place.clone(), item)]);
            values.extend(self.parse_text(&mut only, "", &place));
        }
        Some(values)
    }

    fn report_unknown(&mut self, rest: &Table, prefix: &str, known: &[&str]) {
        for key in rest.keys() {
            self.report(
                &format!("{prefix}{key}"),
                format!("no such key; the keys here are {}", known.join(", ")),
            );
        }
    }

    fn report(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            key: key.to_owned(),
            message: message.into(),
            position: None,
        });
    }
}

fn position(offset: usize, text: &str) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
