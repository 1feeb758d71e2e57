//! Several sides which do the same, one after the other, round by round.

use std::time::{Duration, Instant};

use wasmtime::Result;

use crate::harness::{Measurement, Settings};

/// As much of the clock as one side gets, with what it needs before.
const PATIENCE: Duration = Duration::from_secs(4);

/// As many rounds as one gets all the same for which there is a goal, unless they take several times as long.
const FEWEST: usize = 3;

/// One of those which are compared.
pub(super) struct Side<'a> {
    pub name: String,
    /// The most that the ratio of ours to it may be.
    pub goal: Option<f64>,
    /// Does it once, and gives a figure.
    pub measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        name: impl Into<String>,
        goal: impl Into<Option<f64>>,
        measure: impl FnMut() -> Result<f64> + 'a,
    ) -> Self {
        Self {
            name: name.into(),
            goal: goal.into(),
            measure: Box::new(measure),
        }
    }
}

/// Compares ours with each of the others: as many rounds as there are to be pairs, each begun by another side. Whoever has
/// used its time is left out of the later ones.
pub(super) fn compare(
    settings: Settings,
    (what, unit): (&str, &'static str),
    ours: Side<'_>,
    others: Vec<Side<'_>>,
) -> Result<Vec<Measurement>> {
    let mut sides = vec![ours];
    sides.extend(others);
    let mut spent = vec![Duration::ZERO; sides.len()];
    let mut figures: Vec<Vec<Option<f64>>> = vec![Vec::new(); sides.len()];
    for round in 0..settings.pairs {
        let takes_part: Vec<_> = sides
            .iter()
            .zip(&spent)
            .map(|(side, spent)| {
                let patience = if side.goal.is_some() && round < FEWEST {
                    PATIENCE * 4
                } else {
                    PATIENCE
                };
                *spent < patience
            })
            .collect();
        // Ours goes on for as long as somebody is there to be compared with.
        if !takes_part[1..].contains(&true) {
            break;
        }
        for turn in 0..sides.len() {
            let side = (round + turn) % sides.len();
            let start = Instant::now();
            let measured = (side == 0 || takes_part[side]).then(|| (sides[side].measure)());
            figures[side].push(measured.transpose()?);
            spent[side] += start.elapsed();
        }
    }
    let compared = sides.iter().zip(&figures).skip(1);
    let measurements = compared.map(|(side, theirs)| {
        let both = figures[0].iter().zip(theirs);
        let pairs: Vec<_> = both.filter_map(|(ours, theirs)| ours.zip(*theirs)).collect();
        Measurement::from_pairs(format!("{what}, {}", side.name), unit, side.goal, &pairs)
    });
    Ok(measurements.inspect(tell).collect())
}

/// Says what was found, for who waits for the rest.
pub(super) fn tell(found: &Measurement) {
    eprintln!("{}: {:.4}", found.name, found.ratio);
}
