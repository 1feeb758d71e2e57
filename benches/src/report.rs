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
    /// What else is to be known.
    notes: Vec<String>,
    results: Vec<Measurement>,
}

impl Report {
    pub(crate) fn new(settings: Settings, results: Vec<Measurement>, notes: Vec<String>) -> Self {
        Self {
            machine: Machine::this(),
            commit: crate::machine::commit(),
            settings,
            notes,
            results,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}; commit {}; median of {} pairs, or of as many as are said",
            self.machine, self.commit, self.settings.pairs
        )?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))?;
        let width = self.results.iter().map(|result| result.name.len()).max().unwrap_or(0);
        writeln!(
            f,
            "{:width$}  {:>12}  {:>12}  {:>4}  {:>7}  {:>15}  {:>5}  {:>6}  met",
            "name", "ours", "floor", "", "ratio", "half of them", "pairs", "goal"
        )?;
        self.results.iter().try_for_each(|result| line(f, width, result))
    }
}

fn line(f: &mut fmt::Formatter<'_>, width: usize, result: &Measurement) -> fmt::Result {
    let (least, most) = result.spread;
    writeln!(
        f,
        "{:width$}  {:>12.2}  {:>12.2}  {:>4}  {:>7}  {:>15}  {:>5}  {:>6}  {}",
        result.name,
        result.ours,
        result.floor,
        result.unit,
        short(result.ratio, 3),
        format!("{}-{}", short(least, 3), short(most, 3)),
        result.pairs,
        result.goal.map_or_else(|| "-".to_owned(), |goal| short(goal, 2)),
        match result.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        },
    )
}

/// A ratio with so many digits, or with as many as a small one needs to say anything.
fn short(ratio: f64, digits: usize) -> String {
    let digits = if ratio < 0.1 { 4 } else { digits };
    format!("{ratio:.digits$}")
}
