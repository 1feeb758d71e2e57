use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes: `1048576`, `1 MiB`, `64MiB`, `1.5 GiB`, `2 GB`.
///
/// `KiB`, `MiB`, `GiB` and `TiB` (or `K`, `M`, `G`, `T`) are powers of 1,024; `KB`, `MB`, `GB` and `TB` are powers of
/// 1,000. Case does not matter, a fraction of a byte is dropped. It is written with the largest binary unit that
/// divides it, so that what is written reads back as the same number. It deserialises from a string or from an
/// integer, which counts bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// A text which is no [`ByteSize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size: write a number and a unit, such as `512 KiB`, `64 MiB` or `2 GiB`")]
pub struct InvalidByteSize(String);

const UNITS: [(&str, u64); 14] = [
    ("B", 1),
    ("", 1),
    ("KiB", 1 << 10),
    ("K", 1 << 10),
    ("KB", 1_000),
    ("MiB", 1 << 20),
    ("M", 1 << 20),
    ("MB", 1_000_000),
    ("GiB", 1 << 30),
    ("G", 1 << 30),
    ("GB", 1_000_000_000),
    ("TiB", 1 << 40),
    ("T", 1 << 40),
    ("TB", 1_000_000_000_000),
];

/// Decimals beyond these could not change the number of bytes in a TiB by a whole one.
const MAX_DECIMALS: usize = 15;

impl ByteSize {
    /// A number of bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A number of MiB (1,048,576 bytes each); at most 2^44 - 1, or it wraps.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// A number of GiB (1,073,741,824 bytes each); at most 2^34 - 1, or it wraps.
    pub const fn from_gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        parse(text.trim()).ok_or_else(|| InvalidByteSize(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<ByteSize> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let (_, scale) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let whole = whole.parse::<u64>().ok()?.checked_mul(*scale)?;
    Some(ByteSize(whole.checked_add(fraction_of(*scale, decimals)?)?))
}

/// How many whole units there are in `0.{decimals}` times `scale`.
fn fraction_of(scale: u64, decimals: &str) -> Option<u64> {
    if decimals.len() > MAX_DECIMALS {
        return None;
    }
    let digits = u128::from(decimals.parse::<u64>().ok()?);
    let divisor = 10u128.pow(u32::try_from(decimals.len()).ok()?);
    u64::try_from(u128::from(scale) * digits / divisor).ok()
}

/// The largest binary unit that divides it: `2 GiB`, `1536 MiB`, `1000 B`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            ("TiB", 1u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let divides = |(_, scale): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*scale);
        let (unit, scale) = units.iter().find(divides).copied().unwrap_or(("B", 1));
        write!(f, "{} {unit}", self.0 / scale)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl de::Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64 MiB\" or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        let unexpected = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
        u64::try_from(bytes).map(ByteSize).map_err(|_| unexpected())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_as_their_authors_mean_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("1 MiB", 1 << 20),
            ("64MiB", 64 << 20),
            (" 1.5 gib ", 3 << 29),
            ("2 GB", 2_000_000_000),
            ("0.1 GiB", 107_374_182),
            ("1.5 B", 1),
            ("3 TB", 3_000_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::from_bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            ".",
            "1.",
            ".5 GiB",
            "1.2.3",
            "-1",
            "+1",
            "1 QiB",
            "1e3",
            "16777216 TiB",
            "18446744073709551616",
            "1.0000000000000001 B",
            "１ MiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn it_is_written_with_the_largest_unit_that_divides_it() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_000, "1000 B"),
            (1 << 20, "1 MiB"),
            (3 << 29, "1536 MiB"),
            ((1 << 30) + 1, "1073741825 B"),
            (2 << 40, "2 TiB"),
        ] {
            assert_eq!(ByteSize::from_bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn it_deserialises_from_a_string_or_a_number_of_bytes() {
        let read = |json: &str| serde_json::from_str::<ByteSize>(json);
        assert_eq!(read("\"2 GiB\"").unwrap(), ByteSize::from_gib(2));
        assert_eq!(read("4096").unwrap(), ByteSize::from_bytes(4096));
        assert!(read("-1").is_err() && read("1.5").is_err() && read("true").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_exactly(mantissa: u64, shift in 0u32..64) {
            let size = ByteSize::from_bytes(mantissa << shift);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
            let json = serde_json::to_string(&size).unwrap();
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&json).unwrap(), size);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[0-9.]{0,30} ?[KMGTkmgt]?i?[Bb]?") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
