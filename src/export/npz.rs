//! How does the table lie in an `.npz` file? An array per column, by name, in a zip archive without compression.
//!
//! Ids are `<u4`; counts and classes `<i4`, -1 where missing; numbers `<f4` and `<f8`, NaN where missing; words are NumPy's
//! text, empty where missing. Names of classes stand once, in `classes`, and not for each example again. `about` says in JSON
//! what the numbers were made with.
//!
//! The archive has the form of zip64 throughout, which knows no limit of 4 GB.

use std::io::{self, Seek, SeekFrom, Write};

use super::{Table, Values};
use crate::analysis::UNSEEN;
use crate::store::npy::{self, Element, Order};

/// Values turned into bytes at a time.
const BLOCK: usize = 1 << 16;

/// Writes the table.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table<'_>, out: impl Write + Seek) -> io::Result<()> {
    let mut archive = Archive::new(out);
    for column in &table.columns {
        let (name, rows) = (column.name.as_str(), table.rows);
        match &column.values {
            Values::Ids(values) => archive.numbers(name, values)?,
            Values::Single(values) => archive.numbers(name, values)?,
            Values::Double(values) => archive.numbers(name, values)?,
            Values::Whole(values) => {
                let signed = |value: u16| if value == UNSEEN { -1_i32 } else { i32::from(value) };
                let bytes = |block: &[u16]| block.iter().flat_map(|value| signed(*value).to_le_bytes()).collect();
                archive.array(name, "<i4", rows, values, 4, bytes)?;
            }
            Values::Words { classes: true, .. } => {}
            Values::Words { of, words, .. } => {
                let words: Vec<&str> =
                    of.iter().map(|word| words.get(usize::from(*word)).map_or("", String::as_str)).collect();
                archive.texts(name, &words)?;
            }
        }
    }
    let classes: Vec<&str> = table.classes.iter().map(String::as_str).collect();
    archive.texts("classes", &classes)?;
    archive.texts("about", &[&table.about.to_string()])?;
    archive.finish()
}

/// A zip archive that is being written.
struct Archive<W> {
    out: W,
    entries: Vec<Entry>,
    at: u64,
}

/// One file of the archive.
struct Entry {
    name: String,
    offset: u64,
    size: u64,
    crc: u32,
}

/// The version of zip that knows zip64.
const VERSION: u16 = 45;
/// 1980-01-01, the first day of zip: the same content gives the same file.
const FIRST_DAY: u16 = 0x21;
/// Says that names are UTF-8.
const UTF8: u16 = 1 << 11;
/// Stands for a number that the zip64 field has.
const IN_ZIP64: u32 = u32::MAX;

impl<W: Write + Seek> Archive<W> {
    fn new(out: W) -> Self {
        Self { out, entries: Vec::new(), at: 0 }
    }

    fn numbers<T: Element>(&mut self, name: &str, values: &[T]) -> io::Result<()> {
        let bytes = |block: &[T]| {
            let mut bytes = Vec::new();
            T::put(block, &mut bytes);
            bytes
        };
        self.array(name, T::DTYPE.descr(), values.len(), values, T::DTYPE.size(), bytes)
    }

    /// Texts of equal width, in UTF-32 and filled up with zeros, as NumPy has them.
    fn texts(&mut self, name: &str, texts: &[&str]) -> io::Result<()> {
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        let padded = |text: &&str| {
            let characters = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            characters.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()
        };
        let bytes = |block: &[&str]| block.iter().flat_map(padded).collect();
        self.array(name, &format!("<U{width}"), texts.len(), texts, 4 * width, bytes)
    }

    /// An array of one axis: values of so many bytes each, turned into bytes block by block.
    fn array<T>(
        &mut self,
        name: &str,
        descr: &str,
        length: usize,
        values: &[T],
        size: usize,
        bytes: impl Fn(&[T]) -> Vec<u8>,
    ) -> io::Result<()> {
        let header = npy::header_of(descr, Order::C, &[length]);
        let size = header.len() as u64 + (values.len() * size) as u64;
        self.begin(name, size)?;
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        self.put(&header)?;
        for block in values.chunks(BLOCK) {
            let block = bytes(block);
            crc.update(&block);
            self.put(&block)?;
        }
        self.end(crc.sum())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Starts a file; its sum is filled in when it is known.
    fn begin(&mut self, name: &str, size: u64) -> io::Result<()> {
        let entry = Entry { name: format!("{name}.npy"), offset: self.at, size, crc: 0 };
        let header = entry.local_header();
        self.entries.push(entry);
        self.put(&header)
    }

    fn end(&mut self, crc: u32) -> io::Result<()> {
        let Some(entry) = self.entries.last_mut() else { return Ok(()) };
        entry.crc = crc;
        self.out.seek(SeekFrom::Start(entry.offset))?;
        self.out.write_all(&entry.local_header())?;
        self.out.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }

    /// Writes the directory at the end.
    fn finish(mut self) -> io::Result<()> {
        let (start, count) = (self.at, self.entries.len() as u64);
        for entry in std::mem::take(&mut self.entries) {
            self.put(&entry.directory_line())?;
        }
        let (end, mut tail) = (self.at, Vec::new());
        // The end of a zip64 directory, ...
        tail.extend(b"PK\x06\x06");
        tail.extend(44_u64.to_le_bytes());
        tail.extend([VERSION, VERSION].map(u16::to_le_bytes).concat());
        tail.extend([0_u32, 0].map(u32::to_le_bytes).concat());
        tail.extend([count, count, end - start, start].map(u64::to_le_bytes).concat());
        // ... where that is, ...
        tail.extend(b"PK\x06\x07");
        tail.extend(0_u32.to_le_bytes());
        tail.extend(end.to_le_bytes());
        tail.extend(1_u32.to_le_bytes());
        // ... and the end that every reader looks for first.
        tail.extend(b"PK\x05\x06");
        tail.extend([0_u16, 0, u16::MAX, u16::MAX].map(u16::to_le_bytes).concat());
        tail.extend([IN_ZIP64, IN_ZIP64].map(u32::to_le_bytes).concat());
        tail.extend(0_u16.to_le_bytes());
        self.put(&tail)?;
        self.out.flush()
    }
}

impl Entry {
    /// What both headers of a file share: from the version to the length of the name.
    fn common(&self) -> Vec<u8> {
        let mut bytes = [VERSION, UTF8, 0, 0, FIRST_DAY].map(u16::to_le_bytes).concat();
        bytes.extend([self.crc, IN_ZIP64, IN_ZIP64].map(u32::to_le_bytes).concat());
        bytes.extend(u16::try_from(self.name.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes
    }

    fn zip64(numbers: &[u64]) -> Vec<u8> {
        let length = (8 * numbers.len()) as u16;
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        [1_u16, length].map(u16::to_le_bytes).concat().into_iter().chain(numbers).collect()
    }

    fn local_header(&self) -> Vec<u8> {
        let extra = Self::zip64(&[self.size, self.size]);
        let length = (extra.len() as u16).to_le_bytes();
        [b"PK\x03\x04", self.common().as_slice(), &length, self.name.as_bytes(), &extra].concat()
    }

    fn directory_line(&self) -> Vec<u8> {
        let extra = Self::zip64(&[self.size, self.size, self.offset]);
        let length = (extra.len() as u16).to_le_bytes();
        // No comment, first disk, no attributes; the offset is in the zip64 field.
        let rest = [&[0; 10][..], &IN_ZIP64.to_le_bytes()].concat();
        let version = VERSION.to_le_bytes();
        let parts = [b"PK\x01\x02", version.as_slice(), &self.common(), &length, &rest, self.name.as_bytes(), &extra];
        parts.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::awkward;
    use super::*;
    use candle_core::npy::NpzTensors;

    #[test]
    fn another_reader_finds_every_array_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let table = awkward();
        write(&table, std::fs::File::create(&path).unwrap()).unwrap();
        let read = NpzTensors::new(&path).unwrap();
        let mut names = read.names();
        names.sort_unstable();
        let numeric = ["id", "m/a.b@3/mean, \"n\"", "m/believed", "m/loss/000"];
        assert_eq!(names, [&["about", "classes"], &numeric[..], &["role"]].concat());
        let get = |name: &str| read.get(name).unwrap().unwrap();
        assert_eq!(get("id").to_vec1::<u32>().unwrap(), [7, 0, u32::MAX, 3, 9]);
        assert_eq!(get("m/believed").to_vec1::<i32>().unwrap(), [3, -1, 0, 65_534, 1]);
        for column in &table.columns {
            match &column.values {
                Values::Single(values) => {
                    let read = get(&column.name).to_vec1::<f32>().unwrap();
                    assert!(read.iter().zip(values.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
                }
                Values::Double(values) => {
                    let read = get(&column.name).to_vec1::<f64>().unwrap();
                    assert!(read.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits()));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn words_are_in_utf_32_filled_up_to_the_longest() {
        let mut bytes = io::Cursor::new(Vec::new());
        let mut archive = Archive::new(&mut bytes);
        archive.texts("x", &["a", "", "b日"]).unwrap();
        archive.finish().unwrap();
        let bytes = bytes.into_inner();
        let header = npy::header_of("<U2", Order::C, &[3]);
        let at = bytes.windows(header.len()).position(|window| window == header).unwrap() + header.len();
        let expected: Vec<u8> =
            ['a' as u32, 0, 0, 0, 'b' as u32, '日' as u32].iter().flat_map(|c| c.to_le_bytes()).collect();
        assert_eq!(&bytes[at..at + expected.len()], expected);
    }
}
