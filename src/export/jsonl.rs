//! How does the table lie in a file of JSON lines? An object per example, its keys in the order of the columns.
//!
//! A missing value is null, and so is an infinite one, which JSON has no word for. A reader that guesses types from the first rows
//! must look at all of them: a column may begin with many nulls.

use std::io::{self, Write};

use super::{Cell, Table};

/// Writes the table.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table<'_>, out: &mut impl Write) -> io::Result<()> {
    let keys: Vec<String> = table.columns.iter().map(|column| quoted(&column.name)).collect();
    for row in 0..table.rows {
        let mut between = '{';
        for (key, column) in keys.iter().zip(&table.columns) {
            write!(out, "{between}{key}:")?;
            value(out, column.values.cell(row))?;
            between = ',';
        }
        out.write_all(b"}\n")?;
    }
    Ok(())
}

fn value(out: &mut impl Write, cell: Cell<'_>) -> io::Result<()> {
    match cell {
        Cell::Whole(value) => write!(out, "{value}"),
        Cell::Text(text) => out.write_all(quoted(text).as_bytes()),
        Cell::Single(value) if value.is_finite() => write!(out, "{value:?}"),
        Cell::Double(value) if value.is_finite() => write!(out, "{value:?}"),
        Cell::Missing | Cell::Single(_) | Cell::Double(_) => out.write_all(b"null"),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::awkward;
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_table_reads_back_value_by_value() {
        let table = awkward();
        let mut bytes = Vec::new();
        write(&table, &mut bytes).unwrap();
        let lines: Vec<Value> =
            std::str::from_utf8(&bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        for (row, line) in lines.iter().enumerate() {
            assert_eq!(line.as_object().unwrap().len(), table.columns.len());
            for column in &table.columns {
                let expected = match column.values.cell(row) {
                    Cell::Whole(value) => json!(value),
                    Cell::Text(text) => json!(text),
                    Cell::Double(value) if value.is_finite() => json!(value),
                    Cell::Single(value) if value.is_finite() => {
                        assert!(
                            line[&column.name].as_f64().is_some_and(|read| (read as f32).to_bits() == value.to_bits())
                        );
                        continue;
                    }
                    _ => Value::Null,
                };
                assert_eq!(line[&column.name], expected, "{} of row {row}", column.name);
            }
        }
    }
}
