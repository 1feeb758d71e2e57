//! What palisade says of a run, as lines for people and as JSON for programs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use palisade::policy::{ByteSize, Denial, Limits};
use palisade_client::wire::{Ending, Limit, OutcomeBody, ProcessUsage};
use serde_json::{Value, json};

/// In which form a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Says one line on standard error. Nobody may be there to read it, which is no reason to fail.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("palisade: {}\n", visible(line)).as_bytes());
}

/// Says a line on standard error which somebody else has written.
pub(crate) fn say_of(who: &str, line: &str) {
    let _ = std::io::stderr().write_all(format!("{}: {}\n", visible(who), visible(line)).as_bytes());
}

/// Prints to standard output, where somebody still reads it.
pub(crate) fn print(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Prints one JSON document and a line feed.
pub(crate) fn print_json(value: &Value) {
    print(json_line(value).as_bytes());
}

/// JSON escapes few of the hidden characters by itself. All of them stand in strings, and fit into one escape.
fn json_line(value: &Value) -> String {
    let escape = |hidden: char| {
        let mut units = [0; 2];
        hidden
            .encode_utf16(&mut units)
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect()
    };
    escape_hidden(&value.to_string(), escape) + "\n"
}

/// The text with escapes for its hidden characters.
pub(crate) fn visible(text: &str) -> String {
    escape_hidden(text, |hidden| hidden.escape_default().to_string())
}

fn escape_hidden(text: &str, escape: impl Fn(char) -> String) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            escaped.push_str(&escape(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether it would drive a terminal, turn the direction of its text, or be nowhere to be seen.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{180e}' | '\u{e0000}'..='\u{e0fff}')
}

/// Denials of a run which are told in full.
const MAX_DENIALS: usize = 5;

/// The lines about how a run ended, where it did not end well, and about what it was refused.
pub(crate) fn run_lines(outcome: &OutcomeBody) -> Vec<String> {
    let used = usage_line(&outcome.usage);
    let mut lines = Vec::new();
    match &outcome.ending {
        Ending::Exited(_) | Ending::Returned => {}
        Ending::Failed => lines.push("the function returned an error".into()),
        Ending::Trapped(why) => lines.push(format!("the program trapped: {why}")),
        Ending::LimitReached(limit) => {
            lines.push(format!(
                "stopped by the limit of {}: {used}",
                with_value(*limit, outcome)
            ));
        }
        Ending::Killed => lines.push(format!("the program was killed: {used}")),
        other => lines.push(format!("the program ended as {}: {used}", json!(other))),
    }
    lines.extend(survived_line(outcome));
    let told = outcome.denials.len().min(MAX_DENIALS);
    lines.extend(outcome.denials[..told].iter().map(denial_line));
    let more = ((outcome.denials.len() - told) as u64).saturating_add(outcome.more_denials);
    if more > 0 {
        lines.push(format!("and {more} more denials"));
    }
    lines
}

/// Limits that refused the guest something without ending it.
fn survived_line(outcome: &OutcomeBody) -> Option<String> {
    let hit = outcome.limits_hit.iter().copied();
    let survived: Vec<String> = hit
        .filter(|limit| outcome.ending != Ending::LimitReached(*limit))
        .map(|limit| with_value(limit, outcome))
        .collect();
    (!survived.is_empty()).then(|| format!("the program met the limit of {}", survived.join(", ")))
}

pub(crate) fn denial_line(denial: &Denial) -> String {
    let Denial {
        rule,
        asked,
        smallest_grant,
    } = denial;
    format!("denied by {rule}: {asked}; the smallest grant that would do: {smallest_grant}")
}

/// `used 12,345,678 fuel, 1.98s of processor time, …`
pub(crate) fn usage_line(usage: &ProcessUsage) -> String {
    let mut line = String::from("used ");
    if let Some(fuel) = usage.fuel {
        let _ = write!(line, "{} fuel, ", grouped(fuel));
    }
    let _ = write!(
        line,
        "{} of processor time, {} of memory at most, {} in all; read {}, wrote {}",
        short(usage.host_time()),
        short_size(ByteSize::from_bytes(usage.peak_memory_bytes)),
        short(usage.elapsed()),
        short_size(ByteSize::from_bytes(usage.read_bytes)),
        short_size(ByteSize::from_bytes(usage.written_bytes)),
    );
    line
}

/// `memory (64 MiB)`
fn with_value(limit: Limit, outcome: &OutcomeBody) -> String {
    match outcome.limits.as_ref().and_then(|limits| value_of(limit, limits)) {
        Some(value) => format!("{limit} ({value})"),
        None => limit.to_string(),
    }
}

fn value_of(limit: Limit, limits: &Limits) -> Option<String> {
    Some(match limit {
        Limit::Memory => limits.memory.to_string(),
        Limit::Fuel => limits.fuel.map_or_else(|| "unlimited".into(), grouped),
        Limit::Time => humantime::format_duration(limits.time).to_string(),
        Limit::Output => limits.output.to_string(),
        Limit::Disk => limits.disk.to_string(),
        Limit::Files => grouped(limits.files),
        Limit::Handles => grouped(limits.handles.into()),
        _ => return None,
    })
}

/// `12,345,678`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Three digits or so of a duration: `1.98s`, `12.3ms`.
pub(crate) fn short(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2}s"),
        seconds if seconds >= 0.001 => format!("{:.1}ms", seconds * 1e3),
        seconds => format!("{:.0}µs", seconds * 1e6),
    }
}

/// A size to a tenth of its unit; sizes print themselves exactly, which is too long here.
pub(crate) fn short_size(size: ByteSize) -> String {
    let bytes = size.as_bytes();
    for (unit, scale) in [
        ("TiB", 1u64 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ] {
        if bytes >= scale {
            let tenths = (bytes as f64 / scale as f64 * 10.0).round() / 10.0;
            return format!("{tenths} {unit}");
        }
    }
    format!("{bytes} B")
}

/// All of a run as one object.
pub(crate) fn outcome_json(outcome: &OutcomeBody, exit_code: u8) -> Value {
    let mut told = json!(outcome);
    told["exit_code"] = json!(exit_code);
    told
}

pub(crate) fn denials_json(denials: &[Denial]) -> Value {
    json!(denials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(ending: Ending) -> OutcomeBody {
        OutcomeBody {
            ending,
            value: None,
            usage: ProcessUsage {
                fuel: Some(12_345_678),
                peak_memory_bytes: 17 << 20,
                ..ProcessUsage::default()
            },
            limits: None,
            limits_hit: Vec::new(),
            denials: Vec::new(),
            more_denials: 0,
            stdout: Some(Vec::new()),
            stderr: Some(vec![0xff]),
        }
    }

    #[test]
    fn a_limit_is_told_with_its_value_and_what_was_used() {
        let mut stopped = outcome(Ending::LimitReached(Limit::Time));
        stopped.limits = Some(Limits {
            time: Duration::from_secs(2),
            ..Limits::default()
        });
        let lines = run_lines(&stopped);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with("stopped by the limit of time (2s): used 12,345,678 fuel, "),
            "{lines:?}"
        );
        assert!(lines[0].contains("17 MiB of memory at most"), "{lines:?}");
        assert!(run_lines(&outcome(Ending::Exited(0))).is_empty());
        stopped.ending = Ending::LimitReached(Limit::Unknown);
        let lines = run_lines(&stopped);
        assert!(
            lines[0].starts_with("stopped by the limit of unknown: used"),
            "{lines:?}"
        );
    }

    #[test]
    fn at_most_five_denials_are_told() {
        let denial = |n: usize| Denial {
            rule: "mounts".into(),
            asked: format!("write /{n}"),
            smallest_grant: "x".into(),
        };
        let mut outcome = outcome(Ending::Exited(1));
        outcome.denials = (0..7).map(denial).collect();
        outcome.more_denials = 3;
        let lines = run_lines(&outcome);
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5], "and 5 more denials");
    }

    #[test]
    fn what_would_drive_a_terminal_is_escaped() {
        assert_eq!(visible("a\x1b[2J\nb\u{202e}é"), "a\\u{1b}[2J\\nb\\u{202e}é");
    }

    /// C0 and C1, the marks of direction, and what has no width.
    fn hidden() -> String {
        let ranges = [
            '\0'..='\x1f',
            '\x7f'..='\u{9f}',
            '\u{61c}'..='\u{61c}',
            '\u{200b}'..='\u{200f}',
        ];
        let more = [
            '\u{2028}'..='\u{202e}',
            '\u{2060}'..='\u{206f}',
            '\u{feff}'..='\u{feff}',
        ];
        ranges.into_iter().chain(more).flatten().collect()
    }

    #[test]
    fn no_hidden_character_is_said() {
        for character in hidden().chars() {
            let said = visible(&character.to_string());
            assert!(said.starts_with('\\') && said.is_ascii(), "{said:?}");
        }
    }

    #[test]
    fn json_has_no_hidden_character_and_reads_back_as_it_was() {
        let text = hidden() + "\"\\ é 漢 😀";
        let value = json!({ "text": text, &text: [text] });
        let line = json_line(&value);
        assert!(line.contains("\\u009b") && line.contains("é 漢 😀"), "{line:?}");
        let body = line.strip_suffix('\n').unwrap();
        assert!(!body.contains(|character| hidden().contains(character)), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }

    #[test]
    fn json_has_units_in_its_names_and_base64_for_bytes() {
        let value = outcome_json(&outcome(Ending::Trapped("oh".into())), 134);
        assert_eq!(value["ending"], json!({ "trapped": "oh" }));
        assert_eq!(value["usage"]["peak_memory_bytes"], json!(17 << 20));
        assert_eq!(value["stdout"], json!(""));
        assert_eq!(value["stderr_base64"], json!("/w=="));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
