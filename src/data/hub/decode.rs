//! What is in the hub's parquet files? A column of PNG images and columns of labels, row by row.

use std::fs::File;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

use super::{Unit, Watch, stop};
use crate::data::ImageShape;
use crate::data::official::{Part, Set};
use crate::{Error, Result};

/// Rows decoded at a time.
const BATCH: usize = 1024;

/// A part as decoded.
#[derive(Debug)]
pub(super) struct Decoded {
    /// `[examples, channels, height, width]`
    pub(super) pixels: Vec<u8>,
    /// For each label column, the label of each example.
    pub(super) labels: Vec<Vec<u8>>,
}

/// Decodes a part; `name` stands for the file in messages.
///
/// # Errors
/// `Error::File`: no parquet file, other columns, another number of rows, images of another shape, labels that do not
/// exist.
pub(super) fn parquet(path: &Path, name: &Path, set: &Set, part: &Part, watch: &dyn Watch) -> Result<Decoded> {
    let file = File::open(path).map_err(Error::io(path))?;
    // The parquet crate panics on some damaged files. Nothing of ours is half changed when it does.
    let decoded = catch_unwind(AssertUnwindSafe(|| Reading { name, set, part, watch }.file(file)));
    decoded.unwrap_or_else(|_| Err(Error::file(name, "a damaged parquet file: its reader gave up")))
}

/// A part that is being decoded.
struct Reading<'a> {
    name: &'a Path,
    set: &'a Set,
    part: &'a Part,
    watch: &'a dyn Watch,
}

impl Reading<'_> {
    fn file(&self, file: File) -> Result<Decoded> {
        let reader = SerializedFileReader::new(file).map_err(self.damaged())?;
        let (images, labels) = self.columns(&reader)?;
        let (rows, expected) = (reader.metadata().file_metadata().num_rows(), self.part.examples);
        if usize::try_from(rows) != Ok(expected) {
            return Err(self.wrong(format!("{rows} rows, expected {expected}")));
        }
        let mut decoded = Decoded { pixels: Vec::new(), labels: vec![Vec::new(); labels.len()] };
        decoded.pixels.reserve_exact(expected * self.set.shape.len());
        let split = self.name.file_name().unwrap_or_default().display();
        self.watch.begin(&format!("{} {split}: decoding", self.set.source), Some(expected as u64), Unit::Images);
        for index in 0..reader.num_row_groups() {
            let group = reader.get_row_group(index).map_err(self.damaged())?;
            for ((column, values), known) in labels.iter().zip(self.set.labels).zip(&mut decoded.labels) {
                self.labels(&*group, *column, *values, known)?;
            }
            self.images(&*group, images, &mut decoded.pixels)?;
        }
        let complete = decoded.labels.iter().all(|labels| labels.len() == expected);
        if !complete || decoded.pixels.len() != expected * self.set.shape.len() {
            return Err(
                self.wrong(format!("its columns hold fewer or more than the {expected} rows that it announces"))
            );
        }
        Ok(decoded)
    }

    /// The places of the image column and of the label columns.
    fn columns(&self, reader: &SerializedFileReader<File>) -> Result<(usize, Vec<usize>)> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let paths: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
        let place = |wanted: String| {
            let found = paths.iter().position(|path| *path == wanted);
            let flat = found.filter(|place| schema.columns().get(*place).is_some_and(|it| it.max_rep_level() == 0));
            flat.ok_or_else(|| self.wrong(format!("no column `{wanted}`; there are {}", paths.join(", "))))
        };
        let labels = self.set.hub.labels.iter().map(|label| place((*label).to_owned()));
        Ok((place(format!("{}.bytes", self.set.hub.image))?, labels.collect::<Result<_>>()?))
    }

    fn labels(&self, group: &dyn RowGroupReader, column: usize, values: u16, known: &mut Vec<u8>) -> Result<()> {
        let ColumnReader::Int64ColumnReader(reader) = group.get_column_reader(column).map_err(self.damaged())? else {
            return Err(self.wrong("labels are no 64-bit whole numbers"));
        };
        batches::<Int64Type>(reader, |labels| {
            for label in labels {
                let label = u8::try_from(*label).ok().filter(|label| u16::from(*label) < values);
                let row = known.len();
                known.push(label.ok_or_else(|| self.wrong(format!("the label of row {row} is none of the {values}")))?);
            }
            Ok(())
        })
        .map_err(|error| self.either(error))
    }

    fn images(&self, group: &dyn RowGroupReader, column: usize, pixels: &mut Vec<u8>) -> Result<()> {
        let ColumnReader::ByteArrayColumnReader(reader) = group.get_column_reader(column).map_err(self.damaged())?
        else {
            return Err(self.wrong("images are no bytes"));
        };
        let (shape, expected) = (self.set.shape, self.part.examples);
        batches::<ByteArrayType>(reader, |images: &[ByteArray]| {
            stop(self.watch)?;
            for image in images {
                let row = pixels.len() / shape.len();
                if row == expected {
                    return Err(self.wrong(format!("more than the {expected} images that it announces")));
                }
                planes(image.data(), shape, pixels)
                    .map_err(|reason| self.wrong(format!("the image of row {row}: {reason}")))?;
            }
            self.watch.at((pixels.len() / shape.len()) as u64);
            Ok(())
        })
        .map_err(|error| self.either(error))
    }

    fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::file(self.name, reason)
    }

    fn damaged(&self) -> impl Fn(ParquetError) -> Error {
        |error| self.wrong(format!("no parquet file that can be read: {error}"))
    }

    fn either(&self, error: Failure) -> Error {
        match error {
            Failure::Parquet(error) => self.damaged()(error),
            Failure::Null => self.wrong("a row without image bytes or without a label"),
            Failure::Other(error) => error,
        }
    }
}

/// What stops a column.
enum Failure {
    Parquet(ParquetError),
    Null,
    Other(Error),
}

/// Hands a column's values on, some at a time.
fn batches<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    mut take: impl FnMut(&[T::T]) -> Result<()>,
) -> std::result::Result<(), Failure> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    loop {
        values.clear();
        levels.clear();
        let read = reader.read_records(BATCH, Some(&mut levels), None, &mut values);
        let (records, found, _) = read.map_err(Failure::Parquet)?;
        if records == 0 {
            return Ok(());
        }
        if found != records {
            return Err(Failure::Null);
        }
        take(&values).map_err(Failure::Other)?;
    }
}

/// Appends the planes of a PNG image, each row by row.
fn planes(png: &[u8], shape: ImageShape, pixels: &mut Vec<u8>) -> std::result::Result<(), String> {
    let mut decoder = png::Decoder::new(Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| format!("no PNG image: {error}"))?;
    let info = reader.info();
    let (width, height) = (info.width as usize, info.height as usize);
    let channels = match reader.output_color_type() {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => 1,
        (png::ColorType::Rgb, png::BitDepth::Eight) => 3,
        (other, _) => return Err(format!("{other:?} pixels, expected {shape}")),
    };
    if (channels, height, width) != (shape.channels, shape.height, shape.width) {
        return Err(format!("{channels}x{height}x{width} pixels, expected {shape}"));
    }
    let mut interleaved = vec![0; shape.len()];
    reader.next_frame(&mut interleaved).map_err(|error| format!("a damaged PNG image: {error}"))?;
    for channel in 0..channels {
        pixels.extend(interleaved.iter().skip(channel).step_by(channels));
    }
    Ok(())
}
