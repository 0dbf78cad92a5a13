//! How does the table lie in a CSV file? As RFC 4180 has it: a line of names, commas, quotes where they are needed, UTF-8.
//!
//! Readers guess a column's type from its first rows, so that what is missing must not hide it: a missing number is `NaN`, a missing
//! count or class -1 (as in `.npz`), a missing word empty. Numbers are the shortest that read back as the same f32 or f64, with a
//! point or an exponent even where they are whole; infinities are `inf`, `-inf`.

use std::io::{self, Write};

use super::{Cell, Table, Values};

/// Writes the table.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table<'_>, out: &mut impl Write) -> io::Result<()> {
    line(out, table.columns.iter().map(|column| Cell::Text(&column.name)))?;
    for row in 0..table.rows {
        line(out, table.columns.iter().map(|column| typed(&column.values, row)))?;
    }
    Ok(())
}

/// The value of a row; of what is missing, what stands for it in a column of this type.
fn typed<'a>(values: &'a Values<'_>, row: usize) -> Cell<'a> {
    match (values.cell(row), values) {
        (Cell::Missing, Values::Single(_) | Values::Double(_)) => Cell::Double(f64::NAN),
        (Cell::Missing, Values::Ids(_) | Values::Whole(_)) => Cell::Text("-1"),
        (cell, _) => cell,
    }
}

/// Writes one line.
///
/// # Errors
/// What the writer says.
pub fn line<'a>(out: &mut impl Write, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            out.write_all(b",")?;
        }
        match cell {
            Cell::Missing => {}
            Cell::Whole(value) => write!(out, "{value}")?,
            Cell::Text(text) => out.write_all(quoted(text).as_bytes())?,
            // Debug, unlike Display, doesn't write 1e300 with three hundred zeros.
            Cell::Single(value) => write!(out, "{value:?}")?,
            Cell::Double(value) => write!(out, "{value:?}")?,
        }
    }
    out.write_all(b"\n")
}

/// A field with quotes around it where its content needs them.
fn quoted(text: &str) -> std::borrow::Cow<'_, str> {
    // An empty field would be a missing value.
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\"")).into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::awkward;
    use super::*;
    use proptest::prelude::*;

    /// A reader of its own: fields of records, quotes taken off.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
        let mut characters = text.chars().peekable();
        let mut inside = false;
        while let Some(c) = characters.next() {
            match c {
                '"' if inside && characters.peek() == Some(&'"') => field.push(characters.next().unwrap()),
                '"' => inside = !inside,
                ',' if !inside => record.push(std::mem::take(&mut field)),
                '\n' if !inside => {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                c => field.push(c),
            }
        }
        assert!(!inside && field.is_empty() && record.is_empty(), "{text:?} ends inside a record");
        records
    }

    #[test]
    fn a_table_reads_back_value_by_value() {
        let table = awkward();
        let mut bytes = Vec::new();
        write(&table, &mut bytes).unwrap();
        let records = read(std::str::from_utf8(&bytes).unwrap());
        assert_eq!(records[0], table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
        for (row, record) in records[1..].iter().enumerate() {
            for (column, field) in table.columns.iter().zip(record) {
                let same = match column.values.cell(row) {
                    Cell::Missing => match column.values {
                        Values::Ids(_) | Values::Whole(_) => field == "-1",
                        Values::Single(_) | Values::Double(_) => field == "NaN",
                        Values::Words { .. } => field.is_empty(),
                    },
                    Cell::Whole(value) => field.parse() == Ok(value),
                    Cell::Text(text) => field == text,
                    Cell::Single(value) => field.parse::<f32>().unwrap().to_bits() == value.to_bits(),
                    Cell::Double(value) => field.parse::<f64>().unwrap().to_bits() == value.to_bits(),
                };
                assert!(same, "{} of row {row}: {field:?}", column.name);
                let typed = match column.values {
                    Values::Ids(_) | Values::Whole(_) => field.parse::<i64>().is_ok(),
                    // A reader that saw whole numbers alone would take them for a type that has no room for others.
                    Values::Single(_) | Values::Double(_) => field.contains(['.', 'e', 'N', 'i']),
                    Values::Words { .. } => true,
                };
                assert!(typed, "{} of row {row}: {field:?} tells nothing of the column's type", column.name);
            }
        }
        assert_eq!(records.len(), 6);
    }

    proptest! {
        #[test]
        fn any_words_read_back(words in prop::collection::vec(".{0,8}|[,\"\r\n]{0,4}", 1..5)) {
            let mut bytes = Vec::new();
            line(&mut bytes, words.iter().map(|word| Cell::Text(word))).unwrap();
            prop_assert_eq!(read(std::str::from_utf8(&bytes).unwrap()), vec![words]);
        }
    }
}
