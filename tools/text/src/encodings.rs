//! Bytes as text.

use data_encoding::{BASE64, BASE64URL_NOPAD, DecodeError, HEXLOWER, HEXLOWER_PERMISSIVE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::text::Encoding;

/// What RFC 3986 reserves, and all that is not ASCII.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Base64Url => BASE64URL_NOPAD.encode(bytes),
        Encoding::Hex => HEXLOWER.encode(bytes),
        Encoding::Percent => percent_encoding::percent_encode(bytes, RESERVED).to_string(),
    }
}

pub fn decode(encoded: &str, encoding: Encoding) -> Result<Vec<u8>, String> {
    let bytes = encoded.as_bytes();
    let wrong = |error: DecodeError| format!("at byte {}: {}", error.position, error.kind);
    match encoding {
        Encoding::Base64 => BASE64.decode(bytes).map_err(wrong),
        Encoding::Base64Url => BASE64URL_NOPAD
            .decode(encoded.trim_end_matches('=').as_bytes())
            .map_err(wrong),
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(bytes).map_err(wrong),
        Encoding::Percent => Ok(percent_encoding::percent_decode(bytes).collect()),
    }
}
