//! Statistics of numbers.

use crate::data::Statistics;

/// Those of `numbers`.
pub fn of(mut numbers: Vec<f64>) -> Result<Statistics, String> {
    if numbers.is_empty() {
        return Err("there are no numbers".to_owned());
    }
    if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(format!("{number} is not a finite number"));
    }
    numbers.sort_unstable_by(f64::total_cmp);
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let mean = sum / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    Ok(Statistics {
        count: numbers.len() as u64,
        sum,
        mean,
        standard_deviation: if count > 1.0 {
            (squares / (count - 1.0)).sqrt()
        } else {
            0.0
        },
        minimum: quantile(&numbers, 0.0),
        first_quartile: quantile(&numbers, 0.25),
        median: quantile(&numbers, 0.5),
        third_quartile: quantile(&numbers, 0.75),
        maximum: quantile(&numbers, 1.0),
    })
}

/// The number below which a `share` of the sorted `numbers` is, of which there is one at least.
fn quantile(numbers: &[f64], share: f64) -> f64 {
    let at = share * (numbers.len() - 1) as f64;
    let (below, above) = (numbers[at.floor() as usize], numbers[at.ceil() as usize]);
    below + (above - below) * at.fract()
}
