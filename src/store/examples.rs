//! Which example is which: `examples.parquet`, the training examples, then the test examples.
//!
//! Columns `id` (int64), `label` and `given_label` (int32; they differ where label noise was injected), `split`
//! (`train` or `test`) and `source` (text), all required; where labels are unknown, they are all -1. The footer holds a digest of the file: the parquet crate
//! panics on some damaged files, so none reaches it.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::atomic;
use crate::data::Dataset;
use crate::{Error, Result};

const SCHEMA: &str = "message examples {
    required int64 id;
    required int32 label;
    required int32 given_label;
    required binary split (UTF8);
    required binary source (UTF8);
}";
const COLUMNS: [(&str, Physical); 5] = [
    ("id", Physical::INT64),
    ("label", Physical::INT32),
    ("given_label", Physical::INT32),
    ("split", Physical::BYTE_ARRAY),
    ("source", Physical::BYTE_ARRAY),
];
/// In front of the digest, in the footer's entry of the same name.
const SEAL: &str = "diffscope-blake3:";
/// Stands where the digest goes while the digest is computed.
const UNSEALED: [u8; 64] = [b'0'; 64];
/// Values decoded at a time: what a file claims to hold is not taken on trust.
const BATCH: usize = 8192;
/// The label of every example where labels are unknown.
const UNKNOWN: i32 = -1;

/// The examples of a study by position: the training examples first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExampleTable {
    /// Stable id of each example.
    pub ids: Vec<u32>,
    /// Label of each example, as the source has it; empty where labels are unknown.
    pub labels: Vec<u16>,
    /// Label that training used; empty where labels are unknown.
    pub given_labels: Vec<u16>,
    /// How many are training examples.
    pub train: usize,
    /// The source's name.
    pub source: String,
}

impl ExampleTable {
    /// The examples of a data set.
    pub fn of(data: &Dataset) -> Self {
        Self {
            ids: data.ids.clone(),
            labels: data.true_labels.clone(),
            given_labels: data.labels.clone(),
            train: data.train,
            source: data.source.clone(),
        }
    }

    /// Number of examples, training and test.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Writes the table, atomically.
    pub fn write(&self, path: &Path) -> Result<()> {
        let count = self.len();
        let fits = |labels: &[u16]| labels.is_empty() || labels.len() == count;
        if !fits(&self.labels) || self.given_labels.len() != self.labels.len() || self.train > count {
            return Err(Error::file(path, format!("the columns of {count} examples differ in length")));
        }
        let bytes = self.encode().map_err(|error| Error::file(path, error.to_string()))?;
        atomic::write(path, &bytes)
    }

    fn encode(&self) -> std::result::Result<Vec<u8>, ParquetError> {
        let mut bytes = Vec::new();
        // Plain and uncompressed: a few bytes per example, and every reader can.
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_encoding(Encoding::PLAIN)
            .set_key_value_metadata(Some(vec![KeyValue::new(SEAL.to_owned(), format!("{SEAL}{}", "0".repeat(64)))]))
            .build();
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
        let mut group = writer.next_row_group()?;
        let labels = |labels: &[u16]| match labels {
            [] => vec![UNKNOWN; self.len()],
            known => known.iter().copied().map(i32::from).collect::<Vec<_>>(),
        };
        let (train, test) = (ByteArray::from("train"), ByteArray::from("test"));
        let split = |position| if position < self.train { train.clone() } else { test.clone() };
        put::<Int64Type>(&mut group, &self.ids.iter().copied().map(i64::from).collect::<Vec<_>>())?;
        put::<Int32Type>(&mut group, &labels(&self.labels))?;
        put::<Int32Type>(&mut group, &labels(&self.given_labels))?;
        put::<ByteArrayType>(&mut group, &(0..self.len()).map(split).collect::<Vec<_>>())?;
        put::<ByteArrayType>(&mut group, &vec![ByteArray::from(self.source.as_str()); self.len()])?;
        group.close()?;
        writer.close()?;
        let digest = blake3::hash(&bytes).to_hex();
        if let Some(place) = seal(&mut bytes) {
            place.copy_from_slice(digest.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads the table.
    ///
    /// # Errors
    /// Another table, labels that are no class, or test examples before training examples.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |reason: &str| Error::file(path, format!("not the examples of a study: {reason}"));
        let columns = Columns::read(path)?;
        let count = columns.ids.len();
        let labels = |mut values: Vec<i32>| {
            if values.len() == count && values.iter().all(|label| *label == UNKNOWN) {
                values.clear();
            }
            values.into_iter().map(u16::try_from).collect::<std::result::Result<Vec<_>, _>>()
        };
        let ids = columns.ids.into_iter().map(u32::try_from).collect::<std::result::Result<Vec<_>, _>>();
        let train = columns.splits.iter().take_while(|split| split.data() == b"train").count();
        if columns.splits.iter().skip(train).any(|split| split.data() != b"test") {
            return Err(bad("expected split `train`, then `test`"));
        }
        let source =
            columns.sources.first().map_or(Ok(""), ByteArray::as_utf8).map_err(|_| bad("source is no text"))?;
        if columns.sources.iter().any(|other| other.data() != source.as_bytes()) {
            return Err(bad("expected one source"));
        }
        let examples = Self {
            ids: ids.map_err(|_| bad("an id is not from 0 to 4294967295"))?,
            labels: labels(columns.labels).map_err(|_| bad("a label is not from 0 to 65535"))?,
            given_labels: labels(columns.given_labels).map_err(|_| bad("a given label is not from 0 to 65535"))?,
            train,
            source: source.to_owned(),
        };
        let fits = |labels: &[u16]| labels.is_empty() || labels.len() == count;
        let alike = examples.given_labels.len() == examples.labels.len() && fits(&examples.labels);
        if !alike || columns.splits.len() != count || columns.sources.len() != count {
            return Err(bad("its columns differ in length"));
        }
        Ok(examples)
    }
}

/// The columns as they are in the file.
#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    labels: Vec<i32>,
    given_labels: Vec<i32>,
    splits: Vec<ByteArray>,
    sources: Vec<ByteArray>,
}

impl Columns {
    fn read(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io(path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::io(path))?;
        if !is_sealed(&mut bytes) {
            return Err(Error::file(path, "damaged, or not written by this program: its digest does not fit"));
        }
        Self::decode(file).map_err(|error| Error::file(path, format!("not the examples of a study: {error}")))
    }

    fn decode(file: File) -> std::result::Result<Self, ParquetError> {
        let reader = SerializedFileReader::new(file)?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let found =
            schema.columns().iter().map(|column| (column.name(), column.physical_type(), column.max_def_level()));
        if !found.eq(COLUMNS.map(|(name, physical)| (name, physical, 0))) {
            let names = COLUMNS.map(|(name, _)| name).join(", ");
            return Err(ParquetError::General(format!("expected the columns {names}")));
        }
        let mut columns = Self::default();
        for index in 0..reader.num_row_groups() {
            let group = reader.get_row_group(index)?;
            take_i64(&*group, 0, &mut columns.ids)?;
            take_i32(&*group, 1, &mut columns.labels)?;
            take_i32(&*group, 2, &mut columns.given_labels)?;
            take_text(&*group, 3, &mut columns.splits)?;
            take_text(&*group, 4, &mut columns.sources)?;
        }
        Ok(columns)
    }
}

/// The place of the digest.
fn seal(bytes: &mut [u8]) -> Option<&mut [u8; 64]> {
    let found = bytes.windows(SEAL.len() + UNSEALED.len()).rposition(|window| window.starts_with(SEAL.as_bytes()))?;
    bytes.get_mut(found + SEAL.len()..)?.first_chunk_mut()
}

/// Whether the file is as it was written; afterwards the place of the digest is blank.
fn is_sealed(bytes: &mut [u8]) -> bool {
    let Some(digest) = seal(bytes).map(|place| std::mem::replace(place, UNSEALED)) else { return false };
    blake3::hash(bytes).to_hex().as_bytes() == digest
}

fn put<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
) -> std::result::Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("the schema has fewer columns".into()))?;
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

macro_rules! take {
    ($($name:ident, $variant:ident => $value:ty;)*) => {$(
        fn $name(group: &dyn RowGroupReader, column: usize, values: &mut Vec<$value>) -> std::result::Result<(), ParquetError> {
            match group.get_column_reader(column)? {
                ColumnReader::$variant(reader) => drain(reader, values),
                _ => Err(ParquetError::General(format!("column {column} has another type"))),
            }
        }
    )*};
}
take! {
    take_i64, Int64ColumnReader => i64;
    take_i32, Int32ColumnReader => i32;
    take_text, ByteArrayColumnReader => ByteArray;
}

fn drain<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
) -> std::result::Result<(), ParquetError> {
    loop {
        let (records, ..) = reader.read_records(BATCH, None, None, values)?;
        if records == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn examples(count: u32) -> ExampleTable {
        ExampleTable {
            ids: (0..count).map(|n| 3 * n).collect(),
            labels: (0..count).map(|n| (n % 10) as u16).collect(),
            given_labels: (0..count).map(|n| (n % 7) as u16).collect(),
            train: count as usize * 2 / 3,
            source: "fashion-mnist".into(),
        }
    }

    fn place() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("examples.parquet");
        (folder, path)
    }

    #[test]
    fn examples_come_back_as_written() {
        let (_folder, path) = place();
        for count in [1, 100, 20_001] {
            examples(count).write(&path).unwrap();
            assert_eq!(ExampleTable::read(&path).unwrap(), examples(count));
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        }
        ExampleTable::default().write(&path).unwrap();
        assert_eq!(ExampleTable::read(&path).unwrap(), ExampleTable::default());
    }

    #[test]
    fn unknown_labels_stay_unknown() {
        let (_folder, path) = place();
        let unknown = ExampleTable { labels: vec![], given_labels: vec![], ..examples(7) };
        unknown.write(&path).unwrap();
        assert_eq!(ExampleTable::read(&path).unwrap(), unknown);
    }

    #[test]
    fn errors_name_the_file() {
        let (_folder, path) = place();
        let uneven = ExampleTable { labels: vec![], ..examples(3) };
        let mut errors = vec![ExampleTable::read(&path).unwrap_err(), uneven.write(&path).unwrap_err()];
        for bytes in [&b""[..], b"PAR1PAR1", b"PAR1\xff\xff\xff\x7fPAR1"] {
            std::fs::write(&path, bytes).unwrap();
            errors.push(ExampleTable::read(&path).unwrap_err());
        }
        for error in errors {
            assert!(error.to_string().contains("examples.parquet"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_damage_is_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), keep in any::<prop::sample::Index>()) {
            let (_folder, path) = place();
            let whole = examples(20).encode().unwrap();
            let mut bytes = whole.clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(keep.index(2 * whole.len()));
            std::fs::write(&path, &bytes).unwrap();
            prop_assert_eq!(ExampleTable::read(&path).is_ok(), bytes == whole);
        }
    }
}
