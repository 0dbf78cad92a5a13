//! How does a log of JSON lines survive a kill in the middle of a line?
//!
//! A line is one write. A torn last line, the mark of a kill, is dropped by readers and cut off by the next append; a
//! bad line anywhere else is damage and an error.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic;
use crate::{Error, Result};

/// Appends one value as a line; the file is made where it is missing. Writers in several processes take turns.
pub fn append(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value).map_err(|error| Error::file(path, error.to_string()))?;
    line.push(b'\n');
    let open = OpenOptions::new().read(true).append(true).create(true).open(path);
    let mut file = open.map_err(Error::io(path))?;
    atomic::lock(&file).map_err(Error::io(path))?;
    mend(&mut file).and_then(|()| file.write_all(&line)).map_err(Error::io(path))
}

/// All values of a file; none where the file is missing.
///
/// # Errors
/// A line that is no such value, by its number (the last line may be torn).
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(Error::io(path))?,
    };
    let mut values = Vec::new();
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => values.push(value),
            Err(_) if !line.ends_with(b"\n") => break,
            Err(error) => {
                let reason = format!("line {}: {error}; expected one JSON object per line", number + 1);
                return Err(Error::file(path, reason));
            }
        }
    }
    Ok(values)
}

/// Makes the lines written so far last through a power cut; a missing file is fine.
pub fn sync(path: &Path) -> Result<()> {
    match File::open(path).and_then(|file| file.sync_data()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Cuts a file to its first `lines` lines; a shorter or missing file stays as it is.
pub fn truncate(path: &Path, lines: usize) -> Result<()> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(Error::io(path))?,
    };
    let kept: usize = bytes.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum();
    if kept == bytes.len() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path).map_err(Error::io(path))?;
    file.set_len(kept as u64).and_then(|()| file.sync_all()).map_err(Error::io(path))
}

/// Makes the file end with a whole line: ends the last one where it is complete, else cuts it off.
fn mend(file: &mut File) -> std::io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" {
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let start = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let tail = bytes.get(start..).unwrap_or(&[]);
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(tail).is_ok() {
        return file.write_all(b"\n");
    }
    file.set_len(start as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn log() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        (folder, path)
    }

    #[test]
    fn lines_come_back_in_order_and_a_missing_file_is_empty() {
        let (_folder, path) = log();
        assert_eq!(read::<Value>(&path).unwrap(), Vec::<Value>::new());
        truncate(&path, 1).unwrap();
        for n in 0..3 {
            append(&path, &json!({"n": n, "text": "a\nb"})).unwrap();
        }
        let lines: Vec<Value> = read(&path).unwrap();
        assert_eq!(lines.iter().map(|line| line["n"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_line_torn_at_any_byte_is_dropped_and_the_next_append_is_whole() {
        let (_folder, path) = log();
        let whole = b"{\"n\":1}\n{\"n\":22}\n";
        for cut in 8..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let before: Vec<Value> = read(&path).unwrap();
            // Without its newline the second line is complete already.
            assert_eq!(before.len(), if cut == whole.len() - 1 { 2 } else { 1 }, "cut at {cut}");
            append(&path, &json!({"n": 3})).unwrap();
            let after: Vec<Value> = read(&path).unwrap();
            assert_eq!(after, [before, vec![json!({"n": 3})]].concat(), "cut at {cut}");
        }
    }

    #[test]
    fn a_bad_line_that_is_not_the_torn_last_is_an_error_with_file_and_line() {
        let (_folder, path) = log();
        std::fs::write(&path, "{\"n\":1}\n{\"n\":\n{\"n\":3}\n").unwrap();
        let error = read::<Value>(&path).unwrap_err().to_string();
        assert!(error.contains("log.jsonl") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn truncating_keeps_the_first_lines_only() {
        let (_folder, path) = log();
        (0..5).for_each(|n| append(&path, &json!({"n": n})).unwrap());
        truncate(&path, 9).unwrap();
        assert_eq!(read::<Value>(&path).unwrap().len(), 5);
        truncate(&path, 2).unwrap();
        assert_eq!(read::<Value>(&path).unwrap(), [json!({"n": 0}), json!({"n": 1})]);
        truncate(&path, 0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn lines_of_several_threads_never_mix() {
        let (_folder, path) = log();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let path = &path;
                scope.spawn(move || (0..50).for_each(|n| append(path, &json!({"thread": thread, "n": n})).unwrap()));
            }
        });
        assert_eq!(read::<Value>(&path).unwrap().len(), 200);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), keep in 0_usize..5) {
            let (_folder, path) = log();
            std::fs::write(&path, &bytes).unwrap();
            let _ = read::<Value>(&path);
            append(&path, &json!({"n": 1})).unwrap();
            let appended = std::fs::read(&path).unwrap().ends_with(b"{\"n\":1}\n");
            proptest::prop_assert!(appended);
            truncate(&path, keep).unwrap();
        }
    }
}
