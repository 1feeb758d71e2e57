//! The tool `text`: digests, encodings, counts and order of text. It reaches nothing outside.

mod encodings;

palisade_guest::without_wasi!();

/// Digests, encodings, counts and order of text.
#[palisade_guest::tool]
mod text {
    use sha2::Digest;

    use crate::encodings;

    /// How a digest is made.
    #[derive(Clone, Copy)]
    pub enum Algorithm {
        Sha256,
        Blake3,
    }

    /// How bytes are written as text.
    #[derive(Clone, Copy, Debug)]
    pub enum Encoding {
        /// RFC 4648, with padding.
        Base64,
        /// RFC 4648 for URLs and file names, without padding.
        Base64Url,
        Hex,
        /// Percent-encoding of all but letters, digits and `-._~`, as in a part of a URL.
        Percent,
    }

    /// How large a text is.
    #[derive(Debug, PartialEq)]
    pub struct Counts {
        /// In UTF-8.
        pub bytes: u64,
        /// Unicode scalar values.
        pub characters: u64,
        /// What white space is between.
        pub words: u64,
        /// The last needs no newline at its end.
        pub lines: u64,
    }

    /// The digest of a text's UTF-8, in lower-case hexadecimal.
    pub fn digest(text: String, algorithm: Algorithm) -> String {
        match algorithm {
            Algorithm::Sha256 => encodings::encode(&sha2::Sha256::digest(&text), Encoding::Hex),
            Algorithm::Blake3 => blake3::hash(text.as_bytes()).to_string(),
        }
    }

    /// A text's UTF-8 in another encoding.
    pub fn encode(text: String, encoding: Encoding) -> String {
        encodings::encode(text.as_bytes(), encoding)
    }

    /// The text which was encoded. White space around it is ignored; that it is not UTF-8 is an error.
    pub fn decode(encoded: String, encoding: Encoding) -> Result<String, String> {
        let bytes = encodings::decode(encoded.trim(), encoding)?;
        let length = bytes.len();
        String::from_utf8(bytes).map_err(|_| format!("the {length} bytes which were encoded are not UTF-8"))
    }

    /// Counts bytes, characters, words and lines.
    pub fn count(text: String) -> Counts {
        Counts {
            bytes: text.len() as u64,
            characters: text.chars().count() as u64,
            words: text.split_whitespace().count() as u64,
            lines: text.lines().count() as u64,
        }
    }

    /// The lines of a text in order, by their bytes.
    pub fn sort(
        text: String,
        /// each line once
        unique: Option<bool>,
        /// the last first
        reverse: Option<bool>,
    ) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        if unique == Some(true) {
            lines.dedup();
        }
        if reverse == Some(true) {
            lines.reverse();
        }
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::text::*;

    #[test]
    fn digests_are_the_known_ones() {
        let sha256 = digest("abc".to_owned(), Algorithm::Sha256);
        assert_eq!(
            sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let blake3 = digest("abc".to_owned(), Algorithm::Blake3);
        assert_eq!(
            blake3,
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
        );
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for (encoding, encoded) in [
            (Encoding::Base64, "PD4vw7w/"),
            (Encoding::Base64Url, "PD4vw7w_"),
            (Encoding::Hex, "3c3e2fc3bc3f"),
            (Encoding::Percent, "%3C%3E%2F%C3%BC%3F"),
        ] {
            assert_eq!(encode("<>/ü?".to_owned(), encoding), encoded);
            assert_eq!(decode(format!(" {encoded}\n"), encoding).unwrap(), "<>/ü?");
        }
        decode("ff".to_owned(), Encoding::Hex).unwrap_err();
        decode("*".to_owned(), Encoding::Base64).unwrap_err();
    }

    #[test]
    fn lines_are_sorted_and_counted() {
        let text = "b b\nü\nb b".to_owned();
        let expected = Counts {
            bytes: 10,
            characters: 9,
            words: 5,
            lines: 3,
        };
        assert_eq!(count(text.clone()), expected);
        assert_eq!(sort(text.clone(), None, None), "b b\nb b\nü\n");
        assert_eq!(sort(text, Some(true), Some(true)), "ü\nb b\n");
    }
}
