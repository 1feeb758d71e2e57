//! The tool `data`: queries JSON, reads and writes CSV, and computes statistics.
//!
//! What a call returns is bounded, and says when there is more.

mod query;
mod rows;
mod statistics;
mod table;

/// Queries JSON, reads and writes CSV, and computes statistics.
#[palisade_guest::tool]
mod data {
    use std::fs;

    use crate::{query as queries, rows, statistics as numbers, table};

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

    /// Text of CSV.
    #[derive(Debug, PartialEq)]
    pub struct Csv {
        /// Rows which end in a line feed, cells in quotes where they need them.
        pub csv: String,
        /// How many rows that are, beside the names of the columns.
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
            header: named(header),
            cells: if numbers == Some(true) {
                table::Cells::Numbers
            } else {
                table::Cells::Text
            },
        };
        table::read(&load(source)?, &form, limit.unwrap_or(10_000))
    }

    /// Writes a JSON array of objects, or of arrays of one length, as CSV. Columns are in the order in which objects
    /// name them first; what an object has not, and null, is an empty cell.
    pub fn write_csv(
        source: Source,
        /// what is between cells, a comma when absent
        delimiter: Option<char>,
        /// whether the first row names the columns of objects, as when absent
        header: Option<bool>,
        /// whether arrays and objects in cells are written as JSON; they are refused when absent
        nested: Option<bool>,
        /// whether texts that begin as formulas do (=, +, -, @, a tab or carriage return) get a ' in front; ask for it
        /// where a spreadsheet will open what strangers wrote. Texts are kept as they are when absent
        quote_formulas: Option<bool>,
        /// the most rows, 10,000 when absent
        limit: Option<u32>,
    ) -> Result<Csv, String> {
        let form = rows::Form {
            delimiter: delimiter.unwrap_or(','),
            header: named(header),
            nested: if nested == Some(true) {
                rows::Nested::Json
            } else {
                rows::Nested::Refused
            },
            formulas: if quote_formulas == Some(true) {
                rows::Formulas::Quoted
            } else {
                rows::Formulas::Kept
            },
        };
        rows::write(&load(source)?, &form, limit.unwrap_or(10_000))
    }

    fn named(header: Option<bool>) -> table::Header {
        if header == Some(false) {
            table::Header::Absent
        } else {
            table::Header::First
        }
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
