//! Which part of a file a client asks for.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The part of a file which is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Only(Range<u64>),
    /// It asks for bytes behind the end, and for no others.
    Beyond,
}

impl Part {
    /// What the headers ask for of `size` bytes, by RFC 9110.
    ///
    /// What is no range of bytes is passed over, as are several ranges. So is one with `If-Range`: validators here are
    /// weak, and those match none.
    pub(super) fn asked(headers: &HeaderMap, size: u64) -> Self {
        let mut ranges = headers.get_all(header::RANGE).iter();
        match (ranges.next(), ranges.next()) {
            (Some(range), None) if !headers.contains_key(header::IF_RANGE) => {
                let part = range.to_str().ok().and_then(|range| Self::parse(range, size));
                part.unwrap_or(Self::Whole)
            }
            _ => Self::Whole,
        }
    }

    /// `None` where it is not one range of bytes.
    fn parse(range: &str, size: u64) -> Option<Self> {
        let (unit, range) = range.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (number(first)?, number(last)?) {
            (None, None) => None,
            (None, Some(0)) => Some(Self::Beyond),
            (None, Some(_)) if size == 0 => Some(Self::Whole),
            (None, Some(length)) => Some(Self::Only(size.saturating_sub(length)..size)),
            (Some(first), Some(last)) if last < first => None,
            (Some(first), _) if first >= size => Some(Self::Beyond),
            (Some(first), last) => {
                let end = last.map_or(size, |last| last.saturating_add(1).min(size));
                Some(Self::Only(first..end))
            }
        }
    }
}

/// `Some(None)` where there is nothing. What no file can have stands for as much as one can.
fn number(digits: &str) -> Option<Option<u64>> {
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, size: u64) -> Part {
        Part::asked(&HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]), size)
    }

    #[test]
    fn one_range_of_bytes_is_that_part() {
        for (range, part) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("BYTES=2-4", 2..5),
            ("bytes= 2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=9-99", 9..10),
            ("bytes=9-99999999999999999999999", 9..10),
            ("bytes=-3", 7..10),
            ("bytes=-10", 0..10),
            ("bytes=-99999999999999999999999", 0..10),
        ] {
            assert_eq!(asked(range, 10), Part::Only(part), "{range}");
        }
    }

    #[test]
    fn what_is_behind_the_end_is_beyond() {
        for (range, size) in [
            ("bytes=10-", 10),
            ("bytes=10-12", 10),
            ("bytes=99999999999999999999999-", 10),
            ("bytes=-0", 10),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
        ] {
            assert_eq!(asked(range, size), Part::Beyond, "{range}");
        }
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_passed_over() {
        for range in [
            "bytes=4-2",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "0-1",
            "bytes",
        ] {
            assert_eq!(asked(range, 10), Part::Whole, "{range}");
        }
        assert_eq!(asked("bytes=-5", 0), Part::Whole);
        let mut twice = HeaderMap::new();
        twice.append(header::RANGE, "bytes=0-1".parse().unwrap());
        twice.append(header::RANGE, "bytes=0-1".parse().unwrap());
        assert_eq!(Part::asked(&twice, 10), Part::Whole);
        assert_eq!(Part::asked(&HeaderMap::new(), 10), Part::Whole);
    }

    #[test]
    fn a_range_for_a_known_version_is_passed_over() {
        let mut headers = HeaderMap::new();
        headers.append(header::RANGE, "bytes=0-1".parse().unwrap());
        headers.append(header::IF_RANGE, "W/\"1\"".parse().unwrap());
        assert_eq!(Part::asked(&headers, 10), Part::Whole);
    }
}
