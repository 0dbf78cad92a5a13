//! How does a report's folder change so that a reader finds the old one or the new one, never half of one?
//!
//! The new one is built beside it, as `.<name>.tmp`, and renamed. Only a folder that says of itself that it is a report is
//! replaced or swept away.

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};

use super::{File, MARKER};
use crate::store::atomic;
use crate::{Error, Result};

/// Whether a report may be written there: nothing is there, an empty folder, or a report.
///
/// # Errors
/// `Error::Usage` for anything else, with what to do.
pub fn check(place: &Path) -> Result<()> {
    if !place.exists() || is_report(place) || is_empty(place) {
        return Ok(());
    }
    let what = if place.is_dir() { "holds other things and is no report" } else { "is a file" };
    Err(Error::Usage(format!("{}: {what}; name another place with --out", place.display())))
}

/// Writes the folder, whole.
///
/// # Errors
/// What [`check`] says, another process that writes the same one, and files that cannot be written.
pub fn write(place: &Path, files: &[File]) -> Result<()> {
    check(place)?;
    let (new, old) = (beside(place, "tmp")?, beside(place, "old")?);
    let _ours = claim(&new)?;
    for file in files {
        let path = new.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        fs::write(&path, &file.bytes).map_err(Error::io(&path))?;
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?;
    }
    sweep(&old)?;
    if place.exists() {
        fs::rename(place, &old).map_err(Error::io(place))?;
    }
    if let Err(error) = fs::rename(&new, place) {
        // The old one goes back to where it was.
        let _ = fs::rename(&old, place);
        return Err(Error::io(place)(error));
    }
    sweep(&old)?;
    atomic::sync_folder(place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// The folder that is being built: ours alone, and empty but for the marker.
fn claim(new: &Path) -> Result<fs::File> {
    if new.exists() && !is_report(new) && !is_empty(new) {
        return Err(Error::file(new, "is in the way and not ours; move it away"));
    }
    fs::create_dir_all(new).map_err(Error::io(new))?;
    let folder = fs::File::open(new).map_err(Error::io(new))?;
    if matches!(folder.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(Error::file(new, "another process is writing this report; wait for it"));
    }
    for entry in fs::read_dir(new).map_err(Error::io(new))? {
        let path = entry.map_err(Error::io(new))?.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io(&path))?;
    }
    // What a kill leaves here is known as ours next time.
    let marker = new.join(MARKER);
    fs::write(&marker, "{\"diffscope_report\": 1}").map_err(Error::io(&marker))?;
    Ok(folder)
}

/// Removes what is ours or empty.
fn sweep(folder: &Path) -> Result<()> {
    if is_report(folder) || is_empty(folder) {
        fs::remove_dir_all(folder).map_err(Error::io(folder))?;
    }
    Ok(())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

fn is_report(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join(MARKER)).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|marker| !marker["diffscope_report"].is_null())
}

fn beside(place: &Path, ending: &str) -> Result<PathBuf> {
    let name = place.file_name().ok_or_else(|| Error::file(place, "expected the name of a folder"))?;
    Ok(place.with_file_name(format!(".{}.{ending}", name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> Vec<File> {
        let marker = File { path: MARKER.into(), bytes: b"{\"diffscope_report\": 1}".to_vec() };
        vec![marker, File { path: "deep/x".into(), bytes: text.into() }]
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_report_is_replaced_whole_and_leftovers_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("deep/report");
        fs::create_dir_all(home.path().join("deep/.report.tmp/figures")).unwrap();
        fs::write(home.path().join("deep/.report.tmp").join(MARKER), "{\"diffscope_report\": 1}").unwrap();
        write(&place, &files("one")).unwrap();
        fs::write(place.join("stale"), "").unwrap();
        write(&place, &files("two")).unwrap();
        assert_eq!(fs::read_to_string(place.join("deep/x")).unwrap(), "two");
        assert_eq!(
            (names(&place), names(&home.path().join("deep"))),
            (vec!["deep".into(), MARKER.into()], vec!["report".into()])
        );
    }

    #[test]
    fn what_is_no_report_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("thesis.tex"), "mine").unwrap();
        for place in [home.path().to_path_buf(), home.path().join("thesis.tex")] {
            let refused = write(&place, &files("x")).unwrap_err();
            assert!(refused.exit_code() == 2 && refused.to_string().contains("--out"), "{refused}");
        }
        assert_eq!(names(home.path()), ["thesis.tex"]);
        let empty = home.path().join("empty");
        fs::create_dir(&empty).unwrap();
        write(&empty, &files("x")).unwrap();
        assert_eq!(names(&empty), ["deep", MARKER]);
        let lock = fs::create_dir(home.path().join(".empty.tmp"))
            .and_then(|()| fs::File::open(home.path().join(".empty.tmp")))
            .unwrap();
        lock.lock().unwrap();
        assert!(write(&empty, &files("y")).unwrap_err().to_string().contains("another process"));
        assert_eq!(fs::read_to_string(empty.join("deep/x")).unwrap(), "x");
    }
}
