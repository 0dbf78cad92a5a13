//! How does an array lie on disk so that NumPy opens it, one row can be written in place, and one column read alone?
//!
//! NumPy's format 1.0, little-endian, at most two dimensions where rows and columns matter. Rows are written in C
//! order; [`fortran`] turns a finished file around, after which a column is one contiguous read. Readers go by each
//! header's flag.

mod array;
mod element;
mod header;

use std::os::unix::fs::FileExt;
use std::path::Path;

pub use array::Npy;
pub use element::{Dtype, Element};
pub use header::{Header, Order, header_of};

use super::atomic;
use crate::{Error, Result};

/// Bytes that a rewrite holds at a time.
const BLOCK: usize = 16 << 20;

/// Makes a file of full size, all zeros, in C order, and opens it for writing.
pub fn create(path: &Path, dtype: Dtype, shape: &[usize]) -> Result<Npy> {
    let header = Header::new(dtype, Order::C, shape).map_err(|reason| Error::file(path, reason))?;
    atomic::write_with(path, |file| {
        file.write_all_at(&header.encode(), 0).map_err(Error::io(path))?;
        file.set_len(header.file_length()).map_err(Error::io(path))
    })?;
    Npy::open_to_write(path)
}

/// Writes a whole array (values in C order), atomically.
pub fn write<T: Element>(path: &Path, shape: &[usize], values: &[T]) -> Result<()> {
    let header = Header::new(T::DTYPE, Order::C, shape).map_err(|reason| Error::file(path, reason))?;
    if header.len() != values.len() {
        let reason = format!("shape {shape:?} holds {} values, got {}", header.len(), values.len());
        return Err(Error::file(path, reason));
    }
    let mut bytes = header.encode();
    T::put(values, &mut bytes);
    atomic::write(path, &bytes)
}

/// Reads a whole array: its shape and its values in C order.
pub fn read<T: Element>(path: &Path) -> Result<(Vec<usize>, Vec<T>)> {
    let array = Npy::open(path)?;
    Ok((array.header().shape().to_vec(), array.all()?))
}

/// Rewrites a file into Fortran order, atomically and in bounded memory; one that is already stays.
pub fn fortran(path: &Path) -> Result<()> {
    let source = Npy::open(path)?;
    if source.header().order() == Order::Fortran {
        return Ok(());
    }
    rewrite(&source, path, Order::Fortran, source.header().rows())
}

/// Rewrites a file with more rows (new ones zero), in C order, atomically and in bounded memory.
pub fn grow(path: &Path, rows: usize) -> Result<()> {
    let source = Npy::open(path)?;
    let has = source.header().rows();
    if rows < has {
        return Err(Error::file(path, format!("has {has} rows and cannot be cut to {rows}")));
    }
    if rows == has && source.header().order() == Order::C {
        return Ok(());
    }
    rewrite(&source, path, Order::C, rows)
}

/// The one rewrite behind [`fortran`] and [`grow`]: block of columns by block of columns.
fn rewrite(source: &Npy, path: &Path, order: Order, rows: usize) -> Result<()> {
    let old = source.header();
    let mut shape = old.shape().to_vec();
    if let Some(first) = shape.first_mut() {
        *first = rows;
    }
    let new = Header::new(old.dtype(), order, &shape).map_err(|reason| Error::file(path, reason))?;
    let size = old.dtype().size();
    let columns_at_once = (BLOCK / (rows.max(1) * size)).max(1);
    atomic::write_with(path, |file| {
        file.write_all_at(&new.encode(), 0).map_err(Error::io(path))?;
        file.set_len(new.file_length()).map_err(Error::io(path))?;
        // Without values there is nothing to copy, however wide the empty rows are.
        let width = if new.is_empty() { 0 } else { old.width() };
        for first in (0..width).step_by(columns_at_once) {
            let columns = first..(first + columns_at_once).min(width);
            let mut block = source.block(columns.clone())?;
            block.resize(rows * columns.len() * size, 0);
            array::write_block(file, &new, columns, &block).map_err(Error::io(path))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests;
