//! Reads tables key by key, so that one wrong value hides no other.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::Problem;
use crate::problem::{Position, Problems};
use crate::spelling::{element, member, nearest};

/// A text which is being read: the problems so far, and where each key was.
#[derive(Debug)]
pub(crate) struct Reading<'text> {
    text: &'text str,
    problems: Problems,
    offsets: BTreeMap<String, usize>,
}

impl<'text> Reading<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self {
            text,
            problems: Problems::default(),
            offsets: BTreeMap::new(),
        }
    }

    pub(super) fn report_at(&mut self, offset: usize, key: &str, message: impl fmt::Display) {
        let position = || Some(Position::of(offset, self.text));
        self.problems.add(key.to_owned(), message, position);
    }

    /// Takes over what was found in the values, and gives each problem its place. What only follows from a problem
    /// that is known already is left out.
    pub(crate) fn add(&mut self, found: Problems) {
        let (list, more) = found.drain();
        for Problem { key, message, .. } in list {
            if !self.problems.covers(&key) {
                let offset = self.offset_of(&key);
                self.report_at(offset, &key, message);
            }
        }
        self.problems.add_uncounted(more);
    }

    /// `value` if all of the text was understood, else every problem.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Vec<Problem>> {
        self.problems.or(value)
    }

    /// Where `key` is; for a missing one, where the table is which misses it.
    fn offset_of(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(offset) = self.offsets.get(key) {
                return *offset;
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return 0,
            }
        }
    }

    fn note(&mut self, path: &str, value: &Spanned<DeValue<'text>>) {
        self.offsets.insert(path.to_owned(), value.span().start);
    }

    fn value<T: DeserializeOwned>(&mut self, path: &str, value: Spanned<DeValue<'text>>) -> Option<T> {
        let offset = value.span().start;
        self.note(path, &value);
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.report_at(offset, path, error.message());
                None
            }
        }
    }

    fn wrong_type(&mut self, path: &str, value: &Spanned<DeValue<'text>>, expected: &str) {
        let found = value.get_ref().type_str();
        self.report_at(
            value.span().start,
            path,
            format_args!("expected {expected}, found {found}"),
        );
    }

    fn as_table(&mut self, path: &str, value: Spanned<DeValue<'text>>) -> Option<DeTable<'text>> {
        self.note(path, &value);
        if !value.get_ref().is_table() {
            self.wrong_type(path, &value, "a table");
        }
        match value.into_inner() {
            DeValue::Table(entries) => Some(entries),
            _ => None,
        }
    }
}

/// A table whose keys are taken one by one; what nobody asked for in the end is unknown.
pub(super) struct Section<'reading, 'text> {
    path: String,
    entries: DeTable<'text>,
    known: Vec<&'static str>,
    reading: &'reading mut Reading<'text>,
}

impl<'text> Section<'_, 'text> {
    /// What `read` makes of the table at `path`; the keys it does not ask for are reported.
    pub(super) fn read<T>(
        path: &str,
        entries: DeTable<'text>,
        reading: &mut Reading<'text>,
        read: impl FnOnce(&mut Section<'_, 'text>) -> T,
    ) -> T {
        let mut section = Section {
            path: path.to_owned(),
            entries,
            known: Vec::new(),
            reading,
        };
        let value = read(&mut section);
        section.report_unknown();
        value
    }

    /// A single value.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        let (path, value) = self.pull(key)?;
        self.reading.value(&path, value)
    }

    /// One of the words that `T` has for its variants.
    pub(super) fn word<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.take(key).map(|Word(variant)| variant)
    }

    /// An array of single values, without those that are wrong; one that is absent is empty.
    pub(super) fn list<T: DeserializeOwned>(&mut self, key: &'static str) -> Vec<T> {
        self.optional_list(key).unwrap_or_default()
    }

    /// An array of single values, without those that are wrong.
    pub(super) fn optional_list<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let read =
            |(index, value), path: &str, reading: &mut Reading<'text>| reading.value(&element(path, index), value);
        let (path, values) = self.pull_array(key)?;
        let values = values.into_iter().enumerate();
        Some(values.filter_map(|value| read(value, &path, self.reading)).collect())
    }

    /// A table whose keys are free, without the values that are wrong.
    pub(super) fn map<T: DeserializeOwned>(&mut self, key: &'static str) -> BTreeMap<String, T> {
        let Some((path, entries)) = self.pull_table(key) else {
            return BTreeMap::new();
        };
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let key = key.into_inner().into_owned();
            if let Some(value) = self.reading.value(&member(&path, &key), value) {
                map.insert(key, value);
            }
        }
        map
    }

    /// A table with keys of its own.
    pub(super) fn table<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'text>) -> T,
    ) -> T {
        match self.pull_table(key) {
            Some((path, entries)) => Section::read(&path, entries, self.reading, read),
            None => T::default(),
        }
    }

    /// An array of tables. What is no table is reported and counts as an empty one, so that indexes stay true.
    pub(super) fn tables<T: Default>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'text>) -> T,
    ) -> Vec<T> {
        let Some((path, values)) = self.pull_array(key) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = element(&path, index);
            let entries = self.reading.as_table(&path, value);
            let read = |entries| Section::read(&path, entries, self.reading, &mut read);
            tables.push(entries.map(read).unwrap_or_default());
        }
        tables
    }

    fn pull(&mut self, key: &'static str) -> Option<(String, Spanned<DeValue<'text>>)> {
        self.known.push(key);
        self.entries.remove(key).map(|value| (member(&self.path, key), value))
    }

    fn pull_table(&mut self, key: &'static str) -> Option<(String, DeTable<'text>)> {
        let (path, value) = self.pull(key)?;
        let entries = self.reading.as_table(&path, value)?;
        Some((path, entries))
    }

    fn pull_array(&mut self, key: &'static str) -> Option<(String, toml::de::DeArray<'text>)> {
        let (path, value) = self.pull(key)?;
        self.reading.note(&path, &value);
        if !value.get_ref().is_array() {
            self.reading.wrong_type(&path, &value, "an array");
            return None;
        }
        match value.into_inner() {
            DeValue::Array(values) => Some((path, values)),
            _ => None,
        }
    }

    fn report_unknown(self) {
        for key in self.entries.keys() {
            let path = member(&self.path, key.get_ref());
            let help = match nearest(key.get_ref(), &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("the keys here are {}", self.known.join(", ")),
            };
            self.reading
                .report_at(key.span().start, &path, format_args!("no such key; {help}"));
        }
    }
}

/// An enum as a string and nothing else; TOML would also take a table, `{ variant = {} }`.
struct Word<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::deserialize(text.into_deserializer()).map(Self)
    }
}
