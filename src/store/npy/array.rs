//! An open array file: rows, columns and blocks, read and written in place.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Dtype, Element, Header, Order};
use crate::{Error, Result};

/// Bytes read at a time where only some of them are wanted.
const WINDOW: usize = 1 << 20;

/// An open array file. Reading and writing take `&self` and carry their own positions, so threads may share it.
#[derive(Debug)]
pub struct Npy {
    file: File,
    path: PathBuf,
    header: Header,
}

impl Npy {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with(path, OpenOptions::new().read(true))
    }

    /// Opens a file for reading and for writing rows in place.
    pub fn open_to_write(path: &Path) -> Result<Self> {
        Self::with(path, OpenOptions::new().read(true).write(true))
    }

    fn with(path: &Path, options: &OpenOptions) -> Result<Self> {
        let file = options.open(path).map_err(Error::io(path))?;
        let header = Header::read(&file).map_err(|reason| Error::file(path, reason))?;
        Ok(Self { file, path: path.to_path_buf(), header })
    }

    /// Type, order and shape.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Row `row`: `shape[0]` of them, each of the product of the other axes.
    pub fn row<T: Element>(&self, row: usize) -> Result<Vec<T>> {
        self.expect::<T>()?;
        self.check("row", row, self.header.rows())?;
        let (rows, width, size) = (self.header.rows(), self.header.width(), T::DTYPE.size());
        if self.header.order() == Order::C {
            return Ok(T::take(&self.bytes(row * width, width)?));
        }
        let mut wanted = Vec::with_capacity(width * size);
        let columns_at_once = (WINDOW / (rows * size)).max(1);
        for first in (0..width).step_by(columns_at_once) {
            let columns = columns_at_once.min(width - first);
            let window = self.bytes(first * rows, columns * rows)?;
            for column in window.chunks_exact(rows * size) {
                wanted.extend_from_slice(&column[row * size..(row + 1) * size]);
            }
        }
        Ok(T::take(&wanted))
    }

    /// The first `rows` values of a column: one read in Fortran order, one per row in C order.
    pub fn column<T: Element>(&self, column: usize, rows: usize) -> Result<Vec<T>> {
        self.expect::<T>()?;
        self.check("column", column, self.header.width())?;
        let (all, width) = (self.header.rows(), self.header.width());
        if rows > all {
            return Err(Error::file(&self.path, format!("has {all} rows, {rows} were asked for")));
        }
        if self.header.order() == Order::Fortran {
            return Ok(T::take(&self.bytes(column * all, rows)?));
        }
        let size = T::DTYPE.size();
        let mut bytes = vec![0; rows * size];
        for (row, value) in bytes.chunks_exact_mut(size).enumerate() {
            self.fill(value, row * width + column)?;
        }
        Ok(T::take(&bytes))
    }

    /// All values in C order.
    pub fn all<T: Element>(&self) -> Result<Vec<T>> {
        self.expect::<T>()?;
        Ok(T::take(&self.block(0..self.header.width())?))
    }

    /// Writes row `row` in place. In a file turned around already every value is a write of its own: right, but slow.
    pub fn write_row<T: Element>(&self, row: usize, values: &[T]) -> Result<()> {
        self.expect::<T>()?;
        self.check("row", row, self.header.rows())?;
        let (rows, width) = (self.header.rows(), self.header.width());
        if values.len() != width {
            return Err(Error::file(&self.path, format!("a row has {width} values, got {}", values.len())));
        }
        let mut bytes = Vec::new();
        T::put(values, &mut bytes);
        if self.header.order() == Order::C {
            return self.file.write_all_at(&bytes, self.header.at(row * width)).map_err(Error::io(&self.path));
        }
        for (column, value) in bytes.chunks_exact(T::DTYPE.size()).enumerate() {
            self.file.write_all_at(value, self.header.at(column * rows + row)).map_err(Error::io(&self.path))?;
        }
        Ok(())
    }

    /// Makes the rows written so far last through a power cut.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(&self.path))
    }

    /// The bytes of some columns of all rows, in C order.
    pub(super) fn block(&self, columns: Range<usize>) -> Result<Vec<u8>> {
        let (rows, width, size) = (self.header.rows(), self.header.width(), self.header.dtype().size());
        let count = columns.len();
        if self.header.order() == Order::Fortran {
            let turned = self.bytes(columns.start * rows, rows * count)?;
            return Ok(transpose(&turned, count, rows, size));
        }
        if count == width {
            return self.bytes(0, rows * width);
        }
        let mut block = vec![0; rows * count * size];
        for (row, part) in block.chunks_exact_mut(count * size).enumerate() {
            self.fill(part, row * width + columns.start)?;
        }
        Ok(block)
    }

    /// The bytes of `count` values from position `first` in the file's order.
    fn bytes(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; count * self.header.dtype().size()];
        self.fill(&mut bytes, first)?;
        Ok(bytes)
    }

    fn fill(&self, bytes: &mut [u8], first: usize) -> Result<()> {
        self.file.read_exact_at(bytes, self.header.at(first)).map_err(Error::io(&self.path))
    }

    fn expect<T: Element>(&self) -> Result<()> {
        let (found, expected): (Dtype, Dtype) = (self.header.dtype(), T::DTYPE);
        if found == expected {
            return Ok(());
        }
        Err(Error::file(&self.path, format!("holds {}, expected {}", found.descr(), expected.descr())))
    }

    fn check(&self, what: &str, index: usize, count: usize) -> Result<()> {
        if index < count {
            return Ok(());
        }
        let shape = self.header.shape();
        Err(Error::file(&self.path, format!("has no {what} {index} (from 0): its shape is {shape:?}")))
    }
}

/// Writes some columns of all rows, given in C order, to where they belong in a file with this header.
pub(super) fn write_block(file: &File, header: &Header, columns: Range<usize>, block: &[u8]) -> std::io::Result<()> {
    let (rows, width, size) = (header.rows(), header.width(), header.dtype().size());
    let count = columns.len();
    if header.order() == Order::Fortran {
        let turned = transpose(block, rows, count, size);
        return file.write_all_at(&turned, header.at(columns.start * rows));
    }
    for (row, part) in block.chunks_exact(count * size).enumerate() {
        file.write_all_at(part, header.at(row * width + columns.start))?;
    }
    Ok(())
}

/// Transposes `[rows, columns]` values of `size` bytes each.
fn transpose(bytes: &[u8], rows: usize, columns: usize, size: usize) -> Vec<u8> {
    match size {
        // An axis of length 0 may stand beside one of any length.
        _ if bytes.is_empty() => Vec::new(),
        1 => transpose_values::<1>(bytes, rows, columns),
        2 => transpose_values::<2>(bytes, rows, columns),
        4 => transpose_values::<4>(bytes, rows, columns),
        _ => transpose_values::<8>(bytes, rows, columns),
    }
}

fn transpose_values<const SIZE: usize>(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    // Tiles, so that both sides of the copy stay in cache.
    const TILE: usize = 64;
    let values = bytes.as_chunks::<SIZE>().0;
    let mut turned = vec![[0; SIZE]; values.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_column in (0..columns).step_by(TILE) {
            for row in first_row..(first_row + TILE).min(rows) {
                for column in first_column..(first_column + TILE).min(columns) {
                    turned[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    turned.into_flattened()
}
