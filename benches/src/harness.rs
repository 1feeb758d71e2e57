//! Pairs of measurements, and the ratio between them.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::{Builder, Handle, Runtime};
use wasmtime::Result;

/// How a run measures.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Settings {
    /// Pairs of which each ratio is the median.
    pub pairs: usize,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub name: String,
    /// The median of ours, in `unit`.
    pub ours: f64,
    /// The median of the floor, in `unit`.
    pub floor: f64,
    pub unit: &'static str,
    /// The median of the ratios of the pairs.
    pub ratio: f64,
    /// Between which a half of the ratios are.
    pub spread: (f64, f64),
    /// How many pairs there were.
    pub pairs: usize,
    /// The most that the ratio may be; `None`: it only says how much it is.
    pub goal: Option<f64>,
    pub met: Option<bool>,
}

impl Measurement {
    /// From pairs of ours and the floor's.
    pub(crate) fn from_pairs(
        name: impl Into<String>,
        unit: &'static str,
        goal: impl Into<Option<f64>>,
        pairs: &[(f64, f64)],
    ) -> Self {
        let goal = goal.into();
        let median = |figure: &dyn Fn(&(f64, f64)) -> f64| median(pairs.iter().map(figure).collect());
        let ratio = median(&|(ours, floor)| ours / floor);
        Self {
            name: name.into(),
            ours: median(&|(ours, _)| *ours),
            floor: median(&|(_, floor)| *floor),
            unit,
            ratio,
            spread: middle_half(pairs.iter().map(|(ours, floor)| ours / floor).collect()),
            pairs: pairs.len(),
            goal,
            met: goal.map(|goal| ratio <= goal),
        }
    }
}

/// Takes pairs of measurements in turn, each starting first every other time, after one pair which does not count.
pub(crate) fn pairs(
    settings: Settings,
    mut ours: impl FnMut() -> Result<f64>,
    mut floor: impl FnMut() -> Result<f64>,
) -> Result<Vec<(f64, f64)>> {
    ours()?;
    floor()?;
    (0..settings.pairs)
        .map(|pair| {
            if pair % 2 == 0 {
                let ours = ours()?;
                Ok((ours, floor()?))
            } else {
                let floor = floor()?;
                Ok((ours()?, floor))
            }
        })
        .collect()
}

/// Microseconds that one of `count` repetitions takes, when one task awaits each after the other.
pub(crate) fn time_each<T>(count: u32, mut repetition: impl AsyncFnMut() -> Result<T>) -> Result<f64> {
    wait(async {
        let start = Instant::now();
        for _ in 0..count {
            repetition().await?;
        }
        Ok(micros(start.elapsed()) / f64::from(count))
    })
}

/// The same for repetitions which are each given an input of their own; making that does not count.
pub(crate) fn time_each_of<I, T>(
    count: u32,
    mut input: impl FnMut() -> I,
    mut repetition: impl AsyncFnMut(I) -> Result<T>,
) -> Result<f64> {
    wait(async {
        let mut spent = Duration::ZERO;
        for _ in 0..count {
            let input = input();
            let start = Instant::now();
            drop(repetition(input).await?);
            spent += start.elapsed();
        }
        Ok(micros(spent) / f64::from(count))
    })
}

/// Microseconds of the median one of `count` repetitions, each of which is given an input of its own; making that does not
/// count. For what may wait for the disk, where a mean is that of the few which wait longest.
pub(crate) fn time_middle_of<I>(
    count: u32,
    mut input: impl FnMut() -> Result<I>,
    mut repetition: impl FnMut(I) -> Result<()>,
) -> Result<f64> {
    let times = (0..count).map(|_| {
        let input = input()?;
        let start = Instant::now();
        repetition(input)?;
        Ok(micros(start.elapsed()))
    });
    Ok(median(times.collect::<Result<_>>()?))
}

/// The runtime which both sides run in.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// Runs a future to its end on this thread, within the runtime which was entered.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    Handle::current().block_on(future)
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 0 => f64::midpoint(figures[middle - 1], figures[middle]),
        _ => figures[middle],
    }
}

/// The least and the most of the half in the middle.
fn middle_half(mut figures: Vec<f64>) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    let quarter = figures.len().saturating_sub(1) / 4;
    let least = figures.get(quarter).copied();
    let most = figures.iter().rev().nth(quarter).copied();
    (least.unwrap_or(f64::NAN), most.unwrap_or(f64::NAN))
}
