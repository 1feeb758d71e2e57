//! The tool `{{name}}`.

// It computes only, and so imports nothing and starts fast. Without this line it can read files and print.
palisade_guest::without_wasi!();

/// Greets people, and counts words.
#[palisade_guest::tool]
mod tool {
    /// A word of a text.
    pub struct Word {
        /// As it stands there.
        pub text: String,
        /// How often it does.
        pub count: u32,
    }

    /// Greets someone: once, or as often as `times` says, which is 1 to 100.
    pub fn greet(name: String, times: Option<u32>) -> Result<String, String> {
        let times = times.unwrap_or(1);
        if !(1..=100).contains(&times) {
            return Err(format!("cannot greet {times} times"));
        }
        let greetings: Vec<String> = (0..times).map(|_| format!("Hello, {name}!")).collect();
        Ok(greetings.join(" "))
    }

    /// Counts the words of a text, which white space is between, in the order in which they first appear.
    pub fn count_words(text: String) -> Vec<Word> {
        let mut words: Vec<Word> = Vec::new();
        for found in text.split_ascii_whitespace() {
            match words.iter_mut().find(|word| word.text == found) {
                Some(word) => word.count += 1,
                None => words.push(Word {
                    text: found.to_owned(),
                    count: 1,
                }),
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::tool::*;

    #[test]
    fn people_are_greeted() {
        let greeting = greet("Ada".to_owned(), Some(2));
        assert_eq!(greeting, Ok("Hello, Ada! Hello, Ada!".to_owned()));
        assert!(greet("Ada".to_owned(), Some(0)).is_err());
    }

    #[test]
    fn words_are_counted() {
        let words = count_words("to be or not to be".to_owned());
        let words: Vec<(&str, u32)> = words.iter().map(|word| (&*word.text, word.count)).collect();
        assert_eq!(words, [("to", 2), ("be", 2), ("or", 1), ("not", 1)]);
    }
}
