//! How many requests each route has had, how they were answered and how long that took.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

use crate::access::{Rule, TABLE};

/// What a request may have taken for each bucket but the last, in microseconds.
const BOUNDS: [u64; 8] = [
    1_000, 5_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000, 60_000_000,
];
/// By the first digit of the status; the first are those which had no answer.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The figures of every route. Nothing is shared by the requests of two routes.
pub(crate) struct Requests {
    /// In the order of the table.
    routes: Vec<Figures>,
    /// Those which no route is for.
    others: Figures,
}

#[derive(Default)]
struct Figures {
    answered: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What is told of one route.
pub(crate) struct Told {
    /// `None`: of what no route is for.
    pub rule: Option<&'static Rule>,
    /// How many were answered with each class of status, where there were some.
    pub answered: Vec<(&'static str, u64)>,
    pub seconds: f64,
    /// Upper bounds in seconds, and how many took so long; `f64::INFINITY` for the last.
    pub buckets: Vec<(f64, u64)>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            routes: TABLE.iter().map(|_| Figures::default()).collect(),
            others: Figures::default(),
        }
    }
}

impl Requests {
    /// Notes one which took so long until the head of its answer; one without an answer has no time.
    pub(crate) fn note(&self, route: Option<usize>, status: Option<StatusCode>, took: Duration) {
        let figures = route.and_then(|route| self.routes.get(route)).unwrap_or(&self.others);
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        if let Some(answered) = figures.answered.get(class) {
            answered.fetch_add(1, Ordering::Relaxed);
        }
        if status.is_some() {
            let micros = took.as_micros() as u64;
            let bucket = BOUNDS.partition_point(|bound| *bound < micros);
            figures.buckets[bucket].fetch_add(1, Ordering::Relaxed);
            figures.micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// Of each route which was asked for, and of the rest.
    pub(crate) fn told(&self) -> impl Iterator<Item = Told> {
        let routes = TABLE.iter().map(Some).zip(&self.routes);
        let all = routes.chain([(None, &self.others)]);
        all.map(|(rule, figures)| figures.told(rule))
            .filter(|told| !told.answered.is_empty())
    }
}

impl Figures {
    fn told(&self, rule: Option<&'static Rule>) -> Told {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let answered = CLASSES.into_iter().zip(self.answered.iter().map(read));
        let bounds = BOUNDS
            .into_iter()
            .map(|micros| micros as f64 / 1e6)
            .chain([f64::INFINITY]);
        Told {
            rule,
            answered: answered.filter(|(_, count)| *count > 0).collect(),
            seconds: read(&self.micros) as f64 / 1e6,
            buckets: bounds.zip(self.buckets.iter().map(read)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_has_its_own_figures_and_what_no_route_is_for_has_some() {
        let requests = Requests::default();
        let ok = Some(StatusCode::OK);
        requests.note(Some(1), ok, Duration::from_millis(1));
        requests.note(Some(1), ok, Duration::from_micros(1_001));
        requests.note(Some(1), None, Duration::from_secs(1));
        requests.note(None, Some(StatusCode::NOT_FOUND), Duration::from_secs(100));
        requests.note(Some(usize::MAX), Some(StatusCode::NOT_FOUND), Duration::ZERO);
        let told: Vec<Told> = requests.told().collect();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].rule.unwrap().path(), "/readyz");
        assert_eq!(told[0].answered, [("none", 1), ("2xx", 2)]);
        assert_eq!(told[0].buckets[..3], [(0.001, 1), (0.005, 1), (0.02, 0)]);
        assert!((told[0].seconds - 0.002_001).abs() < 1e-9, "{}", told[0].seconds);
        assert_eq!((told[1].rule.is_none(), &*told[1].answered), (true, &[("4xx", 2)][..]));
        assert_eq!(told[1].buckets.last(), Some(&(f64::INFINITY, 1)));
    }
}
