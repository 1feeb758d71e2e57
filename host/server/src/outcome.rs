//! How an outcome is told as JSON, over HTTP and by the command.

use std::time::Duration;

use base64::Engine;
use palisade::{Ending, Outcome, Usage};
use serde_json::{Map, Value, json};

/// All of an outcome as one object, units in its names. `value` is there only where something was returned. What was
/// printed is a string where it is UTF-8 and takes at most twice its bytes as JSON, otherwise base64 under
/// `stdout_base64` or `stderr_base64`: control characters would take six times theirs.
pub fn outcome_json(outcome: &Outcome) -> Map<String, Value> {
    let Outcome {
        ending,
        value,
        usage,
        limits_hit,
        denials,
        more_denials,
        stdout,
        stderr,
    } = outcome;
    let mut object = Map::new();
    object.insert("ending".into(), ending_json(ending));
    if let Some(value) = value {
        object.insert("value".into(), value.clone());
    }
    object.insert("usage".into(), usage_json(usage));
    object.insert("limits_hit".into(), json!(limits_hit));
    object.insert("denials".into(), json!(denials));
    object.insert("more_denials".into(), json!(more_denials));
    insert_bytes(&mut object, "stdout", stdout);
    insert_bytes(&mut object, "stderr", stderr);
    object
}

pub(crate) fn ending_json(ending: &Ending) -> Value {
    match ending {
        Ending::Exited(code) => json!({ "exited": code }),
        Ending::Returned => json!("returned"),
        Ending::Failed => json!("failed"),
        Ending::Trapped(why) => json!({ "trapped": why }),
        Ending::LimitReached(limit) => json!({ "limit-reached": limit }),
        Ending::Killed => json!("killed"),
    }
}

pub(crate) fn usage_json(usage: &Usage) -> Value {
    let Usage {
        fuel,
        host_time,
        elapsed,
        peak_memory,
        read,
        written,
    } = usage;
    let milliseconds = |time: &Duration| time.as_micros() as f64 / 1e3;
    json!({
        "fuel": fuel,
        "host_time_ms": milliseconds(host_time),
        "elapsed_ms": milliseconds(elapsed),
        "peak_memory_bytes": peak_memory.as_bytes(),
        "read_bytes": read.as_bytes(),
        "written_bytes": written.as_bytes(),
    })
}

/// As a string where it is one, else in base64 under another name.
pub(crate) fn insert_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if written(bytes) <= 2 * bytes.len() => object.insert(name.into(), json!(text)),
        _ => {
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            object.insert(format!("{name}_base64"), json!(encoded))
        }
    };
}

/// How many bytes a text has in a string of JSON.
fn written(text: &[u8]) -> usize {
    let of_byte = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(of_byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_takes_at_most_twice_its_bytes() {
        let told = |bytes: &[u8]| {
            let mut object = Map::new();
            insert_bytes(&mut object, "stdout", bytes);
            object
        };
        assert_eq!(told(b"")["stdout"], "");
        assert_eq!(told(b"\"a\"\n\n\n")["stdout"], "\"a\"\n\n\n");
        assert_eq!(told(b"\x1b[1mbold\x1b[0m")["stdout"], "\x1b[1mbold\x1b[0m");
        assert_eq!(told(b"\0")["stdout_base64"], "AA==");
        assert_eq!(told(b"\xff")["stdout_base64"], "/w==");
        for length in 1..100 {
            for text in (0..=127).map(|byte| vec![byte; length]) {
                let object = Value::Object(told(&text)).to_string();
                let most = 2 * length.max(2) + r#"{"stdout_base64":""}"#.len();
                assert!(object.len() <= most, "{object}");
            }
        }
    }

    #[test]
    fn escapes_are_counted_as_they_are_written() {
        for byte in 0..=127 {
            let text = char::from(byte).to_string();
            let string = serde_json::to_string(&text).unwrap();
            assert_eq!(written(text.as_bytes()) + 2, string.len(), "{string}");
        }
    }
}
