//! How does a file change so that a kill leaves the old content or the new, never a mixture?
//!
//! The new content goes into `.<name>.tmp` in the same folder, is synced, renamed over the old file, and the folder is
//! synced. Every writer of a file uses the same temporary name under a lock, so that writers in several processes take
//! turns, and what a kill left behind is overwritten by the next write.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Replaces the file at `path` by `bytes`; its folder is made where it is missing.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |mut file| file.write_all(bytes).map_err(Error::io(path)))
}

/// Replaces the file at `path` by what `fill` writes into an empty file.
pub fn write_with(path: &Path, fill: impl FnOnce(&File) -> Result<()>) -> Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let temporary = temporary_name(path)?;
    let file = claim(&temporary)?;
    let written = fill(&file).and_then(|()| {
        file.sync_all().map_err(Error::io(path))?;
        std::fs::rename(&temporary, path).map_err(Error::io(path))
    });
    if written.is_err() {
        // The error that matters is the one above: the disk may be full, and this gives the room back.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    sync_folder(folder)
}

/// Deletes a file where there is one, and the temporary file of a write that was cut short.
pub fn remove(path: &Path) -> Result<()> {
    remove_if_there(&temporary_name(path)?)?;
    remove_if_there(path)?;
    sync_folder(folder_of(path))
}

/// Deletes the temporary files that a kill left in a folder; those that somebody is writing stay.
pub fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with('.') && name.ends_with(".tmp")) {
            continue;
        }
        let path = entry.path();
        // A writer may have renamed the file that we opened and another have begun its own under the same name.
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok() && is_still_at(&file, &path)) {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Makes renames and removals in a folder last through a power cut.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// The folder that a path lies in; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_name(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::file(path, "expected the path of a file"))?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    Ok(path.with_file_name(temporary))
}

/// Opens the temporary file, empty and ours alone.
fn claim(temporary: &Path) -> Result<File> {
    loop {
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(temporary);
        let file = open.map_err(Error::io(temporary))?;
        lock(&file).map_err(Error::io(temporary))?;
        // While we waited, the one before us may have renamed this very file into place: then it is not temporary now.
        if is_still_at(&file, temporary) {
            file.set_len(0).map_err(Error::io(temporary))?;
            return Ok(file);
        }
    }
}

/// Waits for the lock of a file; where the file system has no locks, the caller goes on without.
pub(super) fn lock(file: &File) -> std::io::Result<()> {
    match file.lock() {
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(()),
        other => other,
    }
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("x.json");
        write(&path, b"a long first version").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(names(path.parent().unwrap()), ["x.json"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |mut file| {
            file.write_all(b"half of the n").unwrap();
            Err(Error::Failed("cut".into()))
        });
        assert_eq!(failed.unwrap_err().to_string(), "cut");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn what_a_kill_left_is_overwritten_by_the_next_write_or_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let left = folder.path().join(".x.tmp");
        std::fs::write(&left, b"much longer than what comes next").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        std::fs::write(&left, b"again").unwrap();
        std::fs::write(folder.path().join(".hidden"), b"not ours").unwrap();
        remove_leftovers(folder.path()).unwrap();
        assert_eq!(names(folder.path()), [".hidden", "x"]);
    }

    #[test]
    fn a_temporary_file_in_use_is_not_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_with(&path, |mut file| {
            remove_leftovers(folder.path()).unwrap();
            file.write_all(b"kept").map_err(Error::io(&path))
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn writers_at_the_same_time_never_mix_their_contents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let contents: Vec<Vec<u8>> = (b'a'..b'e').map(|letter| vec![letter; 5000 + usize::from(letter)]).collect();
        std::thread::scope(|scope| {
            for content in &contents {
                scope.spawn(|| (0..25).for_each(|_| write(&path, content).unwrap()));
            }
        });
        assert!(contents.contains(&std::fs::read(&path).unwrap()));
        assert_eq!(names(folder.path()), ["x"]);
    }

    #[test]
    fn removing_takes_the_leftover_along_and_may_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"x").unwrap();
        std::fs::write(folder.path().join(".x.tmp"), b"left").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        let error = write(&file.join("x"), b"").unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
        let error = write(Path::new("/"), b"").unwrap_err().to_string();
        assert!(error.contains("path of a file"), "{error}");
    }
}
