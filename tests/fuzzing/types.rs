//! Types of components, as text.

use std::fmt::Write;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const PLAIN: [&str; 13] = [
    "bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
];

/// Names which mean something in JSON, in schemas or to those who read them.
const NAMES: [&str; 10] = [
    "a",
    "some",
    "ok",
    "error",
    "null",
    "x-1",
    "LONG-name",
    "type",
    "enum",
    "proto",
];

/// Types which were defined, each exported under a name of its own, and used again at random.
#[derive(Default)]
pub(crate) struct Types {
    /// The definitions, in the text of a component.
    pub(crate) definitions: String,
    count: usize,
}

/// Types of every kind, or those alone which every engine takes and every value comes back from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    All,
    Valued,
}

impl Types {
    /// A type, nested at most `depth` deep in what is new of it.
    pub(crate) fn any(&mut self, random: &mut ChaCha8Rng, kinds: Kinds, depth: usize) -> String {
        if depth == 0 || random.random_ratio(1, 3) {
            return PLAIN[random.random_range(0..PLAIN.len())].into();
        }
        // Those who use one type twice are far larger when they are written out.
        if self.count > 0 && random.random_ratio(1, 4) {
            return format!("$t{}", random.random_range(1..=self.count));
        }
        let choice = match kinds == Kinds::All && random.random_ratio(1, 60) {
            true => random.random_range(10..13),
            false => random.random_range(0..10),
        };
        let text = match choice {
            0 => format!("(list {})", self.any(random, kinds, depth - 1)),
            1 => format!("(option {})", self.any(random, kinds, depth - 1)),
            2 => self.result(random, kinds, depth),
            3 => format!("(tuple{})", self.parts(random, kinds, depth, |_, ty| format!(" {ty}"))),
            4 | 5 => {
                let fields = self.parts(random, kinds, depth, |at, ty| format!(" (field \"{}\" {ty})", name(at)));
                format!("(record{fields})")
            }
            6 | 7 => self.variant(random, kinds, depth),
            8 => format!("(enum{})", names(random.random_range(1..40))),
            9 => format!("(flags{})", names(random.random_range(1..=32))),
            10 => format!("(flags{})", names(random.random_range(33..70))),
            11 => format!(
                "(list {} {})",
                self.any(random, kinds, depth - 1),
                random.random_range(0..4)
            ),
            _ => format!("(record (field \"{}\" u8))", "n".repeat(random.random_range(1..300))),
        };
        self.define(&text)
    }

    /// One type in another, `depth` times.
    pub(crate) fn deep(&mut self, random: &mut ChaCha8Rng, depth: usize) -> String {
        (0..depth).fold("u16".into(), |inner, _| {
            let text = match random.random_range(0..5) {
                0 => format!("(list {inner})"),
                1 => format!("(tuple {inner} {inner})"),
                2 => format!("(record (field \"a\" {inner}) (field \"b\" {inner}))"),
                3 => format!("(result (error {inner}))"),
                _ => format!("(option {inner})"),
            };
            self.define(&text)
        })
    }

    fn define(&mut self, text: &str) -> String {
        self.count += 1;
        let at = self.count;
        let _ = writeln!(
            self.definitions,
            "(type $t{at}' {text}) (export $t{at} \"t{at}\" (type $t{at}'))"
        );
        format!("$t{at}")
    }

    fn parts(
        &mut self,
        random: &mut ChaCha8Rng,
        kinds: Kinds,
        depth: usize,
        part: impl Fn(usize, &str) -> String,
    ) -> String {
        let count = random.random_range(1..5);
        (0..count)
            .map(|at| part(at, &self.any(random, kinds, depth - 1)))
            .collect()
    }

    fn result(&mut self, random: &mut ChaCha8Rng, kinds: Kinds, depth: usize) -> String {
        let mut side = || random.random_ratio(2, 3).then(|| self.any(random, kinds, depth - 1));
        let (ok, error) = (side().unwrap_or_default(), side());
        let error = error.map(|ty| format!("(error {ty})")).unwrap_or_default();
        format!("(result {ok} {error})")
    }

    fn variant(&mut self, random: &mut ChaCha8Rng, kinds: Kinds, depth: usize) -> String {
        let cases = (0..random.random_range(1..5)).map(|at| {
            let payload = random.random_ratio(2, 3).then(|| self.any(random, kinds, depth - 1));
            format!(" (case \"{}\" {})", name(at), payload.unwrap_or_default())
        });
        format!("(variant{})", cases.collect::<String>())
    }
}

fn names(count: usize) -> String {
    (0..count).map(|at| format!(" \"{}\"", name(at))).collect()
}

fn name(at: usize) -> String {
    NAMES.get(at).map_or_else(|| format!("n{at}"), |&name| name.into())
}
