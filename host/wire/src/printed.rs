//! What a guest printed, in JSON: a string where it is UTF-8 and takes at most twice its bytes, otherwise base64 under
//! another name. Control characters would take six times theirs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

/// The form of some bytes.
pub(crate) enum Form<'a> {
    Text(&'a str),
    Base64(String),
}

impl<'a> Form<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if written(bytes) <= 2 * bytes.len() => Self::Text(text),
            _ => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// The bytes of either form.
pub(crate) fn bytes<E: serde::de::Error>(text: Option<String>, encoded: Option<String>) -> Result<Option<Vec<u8>>, E> {
    match (text, encoded) {
        (None, Some(encoded)) => STANDARD.decode(encoded).map(Some).map_err(E::custom),
        (text, _) => Ok(text.map(String::into_bytes)),
    }
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

/// A field for one of the streams, flattened into its object.
macro_rules! field {
    ($stream:ident, $encoded:ident) => {
        pub(crate) mod $stream {
            use super::*;

            #[derive(Serialize, Deserialize)]
            struct Fields<T> {
                #[serde(default = "none", skip_serializing_if = "Option::is_none")]
                $stream: Option<T>,
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $encoded: Option<String>,
            }

            fn none<T>() -> Option<T> {
                None
            }

            pub(crate) fn serialize<S: serde::Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
                let ($stream, $encoded) = match bytes.as_deref().map(Form::of) {
                    None => (None, None),
                    Some(Form::Text(text)) => (Some(text), None),
                    Some(Form::Base64(encoded)) => (None, Some(encoded)),
                };
                Fields { $stream, $encoded }.serialize(to)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
                let Fields { $stream, $encoded } = Fields::<String>::deserialize(from)?;
                bytes($stream, $encoded).map_err(|error: serde::de::value::Error| D::Error::custom(error))
            }
        }
    };
}

field!(stdout, stdout_base64);
field!(stderr, stderr_base64);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> String {
        match Form::of(bytes) {
            Form::Text(text) => text.to_owned(),
            Form::Base64(encoded) => format!("base64 {encoded}"),
        }
    }

    #[test]
    fn what_was_printed_takes_at_most_twice_its_bytes() {
        assert_eq!(told(b""), "");
        assert_eq!(told(b"\"a\"\n\n\n"), "\"a\"\n\n\n");
        assert_eq!(told(b"\x1b[1mbold\x1b[0m"), "\x1b[1mbold\x1b[0m");
        assert_eq!(told(b"\0"), "base64 AA==");
        assert_eq!(told(b"\xff"), "base64 /w==");
        for length in 1..100 {
            for text in (0..=127).map(|byte| vec![byte; length]) {
                let string = serde_json::to_string(&told(&text)).expect("a string is written");
                let most = 2 * length.max(2) + r#""base64 ""#.len();
                assert!(string.len() <= most, "{string}");
            }
        }
    }

    #[test]
    fn escapes_are_counted_as_they_are_written() {
        for byte in 0..=127 {
            let text = char::from(byte).to_string();
            let string = serde_json::to_string(&text).expect("a string is written");
            assert_eq!(written(text.as_bytes()) + 2, string.len(), "{string}");
        }
    }
}
