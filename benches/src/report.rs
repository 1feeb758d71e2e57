//! The table for people and the JSON for programs.

use std::fmt;

use serde::Serialize;

use crate::harness::{Measurement, Settings};
use crate::machine::Machine;

/// Everything that one run found, and what it found it on.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    commit: String,
    settings: Settings,
    results: Vec<Measurement>,
}

impl Report {
    pub(crate) fn new(settings: Settings, results: Vec<Measurement>) -> Self {
        Self {
            machine: Machine::this(),
            commit: crate::machine::commit(),
            settings,
            results,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; commit {}; median of {} pairs",
            self.machine, self.commit, self.settings.pairs
        )?;
        let width = self.results.iter().map(|result| result.name.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{:width$}  {:>12}  {:>12}  {:>9}  {:>7}  {:>6}  met",
            "name", "ours", "floor", "", "ratio", "goal"
        )?;
        for result in &self.results {
            let goal = result.goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}"));
            writeln!(
                f,
                "{:width$}  {:>12.2}  {:>12.2}  {:>9}  {:>7.3}  {goal:>6}  {}",
                result.name,
                result.ours,
                result.floor,
                result.unit,
                result.ratio,
                match result.met {
                    Some(true) => "yes",
                    Some(false) => "NO",
                    None => "-",
                },
            )?;
        }
        Ok(())
    }
}
