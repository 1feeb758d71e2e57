//! The tool `data`: queries JSON, reads CSV, and computes statistics.
//!
//! What a call returns is bounded, and says when there is more.

mod query;
mod statistics;
mod table;

/// Queries JSON, reads CSV, and computes statistics.
#[palisade_guest::tool]
mod data {
    use std::fs;

    use crate::{query as queries, statistics as numbers, table};

    /// Where data is.
    pub enum Source {
        /// It is given.
        Text(String),
        /// In the file of this path, which may have 16 MiB.
        File(String),
    }

    /// What a query gives.
    #[derive(Debug, PartialEq)]
    pub struct Outputs {
        /// Each as JSON.
        pub values: Vec<String>,
        /// Whether there are more than 1,000, or than 1 MiB of text.
        pub more: bool,
    }

    /// Rows of CSV.
    #[derive(Debug, PartialEq)]
    pub struct Rows {
        /// A JSON array: of objects by the names of the columns, or of arrays where there is no header.
        pub json: String,
        /// How many rows that are.
        pub count: u32,
        /// Whether the limit, or that of 1 MiB of text, left some out.
        pub more: bool,
    }

    /// What is to be said of numbers.
    #[derive(Debug, PartialEq)]
    pub struct Statistics {
        pub count: u64,
        pub sum: f64,
        pub mean: f64,
        /// Of the sample: with one less than the count. 0 for one number.
        pub standard_deviation: f64,
        pub minimum: f64,
        /// A quarter of the numbers is not above it; between two numbers it is interpolated.
        pub first_quartile: f64,
        pub median: f64,
        pub third_quartile: f64,
        pub maximum: f64,
    }

    /// Runs a jq filter on JSON, on each value where there are several.
    pub fn query(source: Source, filter: String) -> Result<Outputs, String> {
        queries::run(&load(source)?, &filter)
    }

    /// Reads CSV as JSON.
    pub fn read_csv(
        source: Source,
        /// what is between cells, a comma when absent
        delimiter: Option<char>,
        /// whether the first row names the columns, as when absent
        header: Option<bool>,
        /// whether cells which are numbers become numbers, not as when absent
        numbers: Option<bool>,
        /// the most rows, 10,000 when absent
        limit: Option<u32>,
    ) -> Result<Rows, String> {
        let form = table::Form {
            delimiter: delimiter.unwrap_or(','),
            header: if header == Some(false) {
                table::Header::Absent
            } else {
                table::Header::First
            },
            cells: if numbers == Some(true) {
                table::Cells::Numbers
            } else {
                table::Cells::Text
            },
        };
        table::read(&load(source)?, &form, limit.unwrap_or(10_000))
    }

    /// Computes statistics of at least one number.
    pub fn statistics(numbers: Vec<f64>) -> Result<Statistics, String> {
        numbers::of(numbers)
    }

    const MAX_FILE_BYTES: u64 = 16 << 20;

    fn load(source: Source) -> Result<String, String> {
        let path = match source {
            Source::Text(text) => return Ok(text),
            Source::File(path) => path,
        };
        let length = fs::metadata(&path)
            .map_err(|error| format!("cannot read {path}: {error}"))?
            .len();
        if length > MAX_FILE_BYTES {
            return Err(format!("{path} is {length} bytes long, the most is {MAX_FILE_BYTES}"));
        }
        fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
    }
}

#[cfg(test)]
mod tests;
