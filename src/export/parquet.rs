//! How does the table lie in a parquet file? Plain columns, uncompressed, as every reader can: ids int64, counts and classes
//! int32, words text, numbers float and double.
//!
//! Missing values are null. What the numbers were made with stands in the footer under `diffscope`.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::{Cell, Column, Table, Values};

/// Rows of a group: what is turned into pages at a time.
const GROUP: usize = 1 << 17;

type Result<T> = std::result::Result<T, ParquetError>;

/// Writes the table.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table<'_>, out: impl Write + Send) -> Result<()> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_created_by(format!("diffscope {}", crate::VERSION))
        .set_key_value_metadata(Some(vec![KeyValue::new("diffscope".to_owned(), table.about.to_string())]));
    // A dictionary helps words alone; numbers go straight into pages.
    let numbers = table.columns.iter().filter(|column| !matches!(column.values, Values::Words { .. }));
    let properties = numbers.fold(properties, |properties, column| {
        properties.set_column_dictionary_enabled(vec![column.name.clone()].into(), false)
    });
    let fields = table.columns.iter().map(field).collect::<Result<_>>()?;
    let schema = Type::group_type_builder("examples").with_fields(fields).build()?;
    let mut writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties.build()))?;
    for start in (0..table.rows).step_by(GROUP) {
        let rows = start..(start + GROUP).min(table.rows);
        let mut group = writer.next_row_group()?;
        for column in &table.columns {
            put_column(&mut group, &column.values, rows.clone())?;
        }
        group.close()?;
    }
    writer.close().map(|_| ())
}

fn field(column: &Column<'_>) -> Result<Arc<Type>> {
    let (physical, logical) = match column.values {
        Values::Ids(_) => (Physical::INT64, None),
        Values::Whole(_) => (Physical::INT32, None),
        Values::Words { .. } => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Single(_) => (Physical::FLOAT, None),
        Values::Double(_) => (Physical::DOUBLE, None),
    };
    let field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(field.build()?))
}

fn put_column<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &Values<'_>,
    rows: Range<usize>,
) -> Result<()> {
    let cells = rows.map(|row| values.cell(row));
    match values {
        Values::Ids(_) => put::<Int64Type, W>(group, cells, |cell| match cell {
            Cell::Whole(value) => i64::try_from(value).ok(),
            _ => None,
        }),
        Values::Whole(_) => put::<Int32Type, W>(group, cells, |cell| match cell {
            Cell::Whole(value) => i32::try_from(value).ok(),
            _ => None,
        }),
        Values::Words { .. } => put::<ByteArrayType, W>(group, cells, |cell| match cell {
            Cell::Text(text) => Some(ByteArray::from(text)),
            _ => None,
        }),
        Values::Single(_) => put::<FloatType, W>(group, cells, |cell| match cell {
            Cell::Single(value) => Some(value),
            _ => None,
        }),
        Values::Double(_) => put::<DoubleType, W>(group, cells, |cell| match cell {
            Cell::Double(value) => Some(value),
            _ => None,
        }),
    }
}

/// Writes a column of the group: which cells have a value, and the values.
fn put<'a, T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Cell<'a>>,
    value: impl Fn(Cell<'a>) -> Option<T::T>,
) -> Result<()> {
    let cells: Vec<Option<T::T>> = cells.map(value).collect();
    let there: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("the schema has fewer columns".into()))?;
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::super::awkward;
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    #[test]
    fn a_table_reads_back_value_by_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let table = awkward();
        write(&table, std::fs::File::create(&path).unwrap()).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(metadata.iter().any(|entry| entry.key == "diffscope"));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(std::result::Result::unwrap).collect();
        assert_eq!(rows.len(), table.rows);
        for (row, read) in rows.iter().enumerate() {
            let fields: Vec<_> = read.get_column_iter().collect();
            assert_eq!(fields.len(), table.columns.len());
            for (column, (name, field)) in table.columns.iter().zip(fields) {
                let expected = match (column.values.cell(row), &column.values) {
                    (Cell::Whole(value), Values::Ids(_)) => Field::Long(i64::try_from(value).unwrap()),
                    (Cell::Whole(value), _) => Field::Int(i32::try_from(value).unwrap()),
                    (Cell::Text(text), _) => Field::Str(text.to_owned()),
                    (Cell::Single(value), _) => Field::Float(value),
                    (Cell::Double(value), _) => Field::Double(value),
                    (Cell::Missing, _) => Field::Null,
                };
                assert_eq!((name, field), (&column.name, &expected), "row {row}");
            }
        }
    }
}
