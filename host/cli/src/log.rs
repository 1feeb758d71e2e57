//! The log, on standard error.

use std::io::stderr;

use palisade_server::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::report::{self, Format};

/// What `default` filters goes to standard error; `PALISADE_LOG` asks for more or less, as `RUST_LOG` does elsewhere. As
/// JSON each line is one object. Spans go to `traces`.
pub(crate) fn start(default: &str, format: Format, traces: Option<&Traces>) {
    let asked = std::env::var("PALISADE_LOG").unwrap_or_default();
    let filter = match EnvFilter::try_new(if asked.is_empty() { default } else { &asked }) {
        Ok(filter) => filter,
        Err(error) => {
            report::say(&format!("PALISADE_LOG is not a filter: {error}"));
            EnvFilter::new(default)
        }
    };
    let lines = fmt::layer().with_ansi(false).with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => Box::new(lines.with_filter(filter)),
        Format::Json => Box::new(lines.json().flatten_event(true).with_filter(filter)),
    };
    let log = tracing_subscriber::registry().with(lines);
    match traces {
        None => log.init(),
        Some(traces) => log.with(traces.layer()).init(),
    }
}
