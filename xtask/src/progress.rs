//! One line a step, with its time; a spinner while it runs if somebody is watching a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A step that is under way. Dropping it without [`Step::done`] prints it as failed.
pub(crate) struct Step {
    title: String,
    start: Instant,
    spinner: Option<ProgressBar>,
    finished: bool,
}

impl Step {
    pub(crate) fn start(title: impl Into<String>) -> Self {
        let title = title.into();
        let spinner = std::io::stderr().is_terminal().then(|| spinner(&title));
        Step {
            title,
            start: Instant::now(),
            spinner,
            finished: false,
        }
    }

    /// Prints the step's line.
    pub(crate) fn done(mut self) {
        self.finish("ok");
    }

    fn finish(&mut self, mark: &str) {
        self.finished = true;
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!(
            "{mark:>7}  {:<58} {:>7.1}s",
            self.title,
            self.start.elapsed().as_secs_f64()
        );
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.finished {
            self.finish("failed");
        }
    }
}

fn spinner(title: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("      {spinner}  {msg} {elapsed}").expect("the template is constant");
    let spinner = ProgressBar::new_spinner()
        .with_style(style)
        .with_message(title.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Prints a line beside the steps: something was found, reused or left out.
pub(crate) fn note(mark: &str, text: &str) {
    eprintln!("{mark:>7}  {text}");
}
