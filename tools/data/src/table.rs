//! Reads CSV.

use csv::{ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use crate::data::Rows;

const MAX_BYTES: usize = 1 << 20;

/// How the text is to be read.
pub struct Form {
    pub delimiter: char,
    pub header: Header,
    pub cells: Cells,
}

#[derive(PartialEq)]
pub enum Header {
    /// The first row has the names of the columns.
    First,
    Absent,
}

#[derive(PartialEq)]
pub enum Cells {
    Text,
    /// Those which are numbers of JSON are numbers.
    Numbers,
}

/// The first `limit` rows.
pub fn read(text: &str, form: &Form, limit: u32) -> Result<Rows, String> {
    let delimiter = delimiter(form.delimiter)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(form.header == Header::First)
        .from_reader(text.as_bytes());
    let wrong = |error: csv::Error| error.to_string();
    let names = match form.header {
        Header::First => Some(reader.headers().map_err(wrong)?.clone()),
        Header::Absent => None,
    };
    let mut rows = Rows {
        json: "[".to_owned(),
        count: 0,
        more: false,
    };
    for record in reader.records() {
        let row = row(&record.map_err(wrong)?, names.as_ref(), &form.cells).to_string();
        if rows.count == limit || rows.json.len() + row.len() > MAX_BYTES {
            rows.more = true;
            break;
        }
        if rows.count > 0 {
            rows.json.push(',');
        }
        rows.json.push_str(&row);
        rows.count += 1;
    }
    rows.json.push(']');
    Ok(rows)
}

/// One that can be told from what is in cells.
pub fn delimiter(character: char) -> Result<u8, String> {
    let delimiter = u8::try_from(character).ok().filter(u8::is_ascii);
    let delimiter = delimiter.filter(|delimiter| !b"\"\r\n".contains(delimiter));
    delimiter.ok_or_else(|| format!("the delimiter {character:?} is not of ASCII, or is a quote or the end of a line"))
}

fn row(record: &StringRecord, names: Option<&StringRecord>, cells: &Cells) -> Value {
    let values = record.iter().map(|text| cell(text, cells));
    match names {
        Some(names) => {
            let members = names.iter().map(str::to_owned).zip(values);
            Value::Object(members.collect::<Map<_, _>>())
        }
        None => Value::Array(values.collect()),
    }
}

fn cell(text: &str, cells: &Cells) -> Value {
    let number = match cells {
        Cells::Numbers => serde_json::from_str(text).ok().filter(Value::is_number),
        Cells::Text => None,
    };
    number.unwrap_or_else(|| text.into())
}
