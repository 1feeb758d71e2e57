//! Writes CSV.

use std::collections::HashSet;

use csv::WriterBuilder;
use serde_json::Value;

use crate::data::Csv;
use crate::table::{self, Header};

const MAX_BYTES: usize = 1 << 20;

/// How the text is to be written.
pub struct Form {
    pub delimiter: char,
    /// The names of the columns, where rows are objects.
    pub header: Header,
    pub nested: Nested,
    pub formulas: Formulas,
}

/// What becomes of arrays and objects in cells.
#[derive(PartialEq)]
pub enum Nested {
    Refused,
    /// They are written as JSON.
    Json,
}

/// What becomes of texts which a spreadsheet would compute.
#[derive(PartialEq)]
pub enum Formulas {
    /// They are written as they are.
    Kept,
    /// They get a `'` in front of them, as which a spreadsheet takes them for text.
    Quoted,
}

/// The first `limit` rows.
pub fn write(json: &str, form: &Form, limit: u32) -> Result<Csv, String> {
    let rows: Vec<Value> = serde_json::from_str(json).map_err(|error| format!("it is no JSON array: {error}"))?;
    let delimiter = table::delimiter(form.delimiter)?;
    let mut csv = Csv {
        csv: String::new(),
        count: 0,
        more: false,
    };
    if rows.is_empty() {
        return Ok(csv);
    }
    let columns = columns(&rows)?;
    if let (Columns::Named(names), Header::First) = (&columns, &form.header) {
        csv.csv = line(names.iter().map(|name| form.text(name)), delimiter)?;
        if csv.csv.len() > MAX_BYTES {
            return Err(format!("the names of the {} columns have over 1 MiB", names.len()));
        }
    }
    for (at, row) in rows.iter().enumerate() {
        let cells = cells(row, &columns)
            .iter()
            .map(|cell| form.cell(cell))
            .collect::<Result<Vec<_>, _>>();
        let line = line(
            cells.map_err(|what| format!("row {}: {what}", at + 1))?.into_iter(),
            delimiter,
        )?;
        if csv.count == limit || csv.csv.len() + line.len() > MAX_BYTES {
            csv.more = true;
            break;
        }
        csv.csv.push_str(&line);
        csv.count += 1;
    }
    Ok(csv)
}

/// What a row has cells by.
enum Columns<'a> {
    /// Names, in the order in which they come first.
    Named(Vec<&'a str>),
    Counted,
}

/// Those of all rows, which must be alike.
fn columns(rows: &[Value]) -> Result<Columns<'_>, String> {
    let wrong = |at: usize, what: &str| Err(format!("row {}: {what}", at + 1));
    let Some(Value::Array(first)) = rows.first() else {
        let (mut names, mut known) = (Vec::new(), HashSet::new());
        for (at, row) in rows.iter().enumerate() {
            let Value::Object(members) = row else {
                let what = if at == 0 {
                    "it is neither an object nor an array"
                } else {
                    "it is no object, as the first is"
                };
                return wrong(at, what);
            };
            names.extend(members.keys().map(String::as_str).filter(|name| known.insert(*name)));
        }
        return match names.is_empty() {
            true => wrong(0, "no object has members"),
            false => Ok(Columns::Named(names)),
        };
    };
    for (at, row) in rows.iter().enumerate() {
        match row {
            Value::Array(cells) if cells.is_empty() => return wrong(at, "it has no cells"),
            Value::Array(cells) if cells.len() == first.len() => {}
            Value::Array(cells) => {
                return wrong(
                    at,
                    &format!("it has {} cells, the first has {}", cells.len(), first.len()),
                );
            }
            _ => return wrong(at, "it is no array, as the first is"),
        }
    }
    Ok(Columns::Counted)
}

/// What is missing is null.
fn cells<'a>(row: &'a Value, columns: &Columns<'_>) -> Vec<&'a Value> {
    match columns {
        Columns::Named(names) => names.iter().map(|name| &row[*name]).collect(),
        Columns::Counted => row.as_array().into_iter().flatten().collect(),
    }
}

impl Form {
    fn cell(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(self.text(text)),
            Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
            Value::Array(_) | Value::Object(_) if self.nested == Nested::Json => Ok(value.to_string()),
            Value::Array(_) => Err("there is an array in a cell".to_owned()),
            Value::Object(_) => Err("there is an object in a cell".to_owned()),
        }
    }

    fn text(&self, text: &str) -> String {
        match self.formulas == Formulas::Quoted && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{text}"),
            false => text.to_owned(),
        }
    }
}

fn line(cells: impl Iterator<Item = String>, delimiter: u8) -> Result<String, String> {
    let mut writer = WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer
        .write_record(cells.map(String::into_bytes))
        .map_err(|error| error.to_string())?;
    let line = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(line).map_err(|error| error.to_string())
}
