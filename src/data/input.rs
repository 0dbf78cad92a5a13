//! How are outside bytes read safely? By name, to a stated bound, unzipped where they are gzip, never by a claimed size.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// No file may hold more than this many bytes once unzipped: the largest set of this kind (EMNIST) has 0.6 GiB.
pub const MOST_BYTES: u64 = 1 << 30;

/// Bytes to parse, and the name of the file that they come from.
#[derive(Debug)]
pub struct Input<R> {
    /// The file, for messages.
    pub path: PathBuf,
    reader: R,
}

impl<'a> Input<&'a [u8]> {
    /// Bytes in memory.
    pub fn bytes(path: impl AsRef<Path>, bytes: &'a [u8]) -> Self {
        Self { path: path.as_ref().to_path_buf(), reader: bytes }
    }
}

impl Input<BufReader<File>> {
    /// A file of a source; a missing one says how to point to it.
    pub fn open(path: &Path) -> Result<Self> {
        match File::open(path) {
            Ok(file) => Ok(Self { path: path.to_path_buf(), reader: BufReader::new(file) }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(not_found(path)),
            Err(error) => Err(Error::io(path)(error)),
        }
    }
}

impl<R: BufRead> Input<R> {
    /// An error about this file's content.
    pub fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::file(&self.path, reason)
    }

    /// The same input unzipped, where its first bytes are gzip's.
    pub fn unzipped<'a>(mut self) -> Result<Input<Box<dyn BufRead + 'a>>>
    where
        R: 'a,
    {
        let start = self.reader.fill_buf().map_err(Error::io(&self.path))?;
        let zipped = start.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> =
            if zipped { Box::new(BufReader::new(MultiGzDecoder::new(self.reader))) } else { Box::new(self.reader) };
        Ok(Input { path: self.path, reader })
    }

    /// The next bytes, at most `most`: fewer only where the input ends.
    ///
    /// Memory grows with the bytes that are really there.
    pub fn take(&mut self, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.reader.by_ref().take(most).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    self.wrong(format!("corrupt gzip: {error}"))
                }
                _ => Error::io(&self.path)(error),
            }),
        }
    }

    /// All bytes, where they are at most [`MOST_BYTES`].
    pub fn all(&mut self) -> Result<Vec<u8>> {
        let bytes = self.take(MOST_BYTES + 1)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(self.wrong(format!("larger than {MOST_BYTES} bytes")));
        }
        Ok(bytes)
    }
}

/// The error about a file or folder that is not there.
pub fn not_found(path: &Path) -> Error {
    let advice = "put the source's official files there, or point `[data] path` (or $DIFFSCOPE_DATA) to where they are";
    Error::file(path, format!("not found; {advice}"))
}

/// One name per line; empty lines do not count.
pub fn names(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_and_the_way_out_too() {
        let error = Input::open(Path::new("/nodata/train")).unwrap_err().to_string();
        assert!(error.starts_with("/nodata/train: not found") && error.contains("$DIFFSCOPE_DATA"), "{error}");
    }

    #[test]
    fn names_come_one_per_line_without_blanks_and_empty_lines() {
        assert_eq!(names("cat\r\n ankle boot \n\n\n"), ["cat", "ankle boot"]);
    }

    #[test]
    fn take_stops_at_its_bound_and_at_the_end() {
        let mut input = Input::bytes("made", &b"abcdef"[..]);
        assert_eq!(input.take(4).unwrap(), b"abcd");
        assert_eq!(input.take(4).unwrap(), b"ef");
    }
}
