//! Where does the program keep a user's state: the demo study, and which study was open last?

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::atomic;
use crate::{Error, Result};

/// `$XDG_STATE_HOME/diffscope`, else `~/.local/state/diffscope`.
///
/// # Errors
/// Neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn state_home() -> Result<PathBuf> {
    state_home_from(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
        .ok_or_else(|| Error::Usage("no place for state: set HOME or XDG_STATE_HOME to a folder".into()))
}

/// The folder of the demo study whose config, data, numerics and backend have this digest.
pub fn demo_folder(digest: &str) -> Result<PathBuf> {
    Ok(state_home()?.join(format!("demo-{digest}")))
}

/// Remembers the study that was opened last.
pub fn remember_last(folder: &Path) -> Result<()> {
    remember_last_in(&state_home()?, folder)
}

/// The study that was opened last, if any was and its folder is still there.
pub fn last() -> Result<Option<PathBuf>> {
    last_in(&state_home()?)
}

fn state_home_from(xdg: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification has relative paths ignored.
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute(xdg).or_else(|| absolute(home).map(|home| home.join(".local/state")))?;
    Some(state.join("diffscope"))
}

fn remember_last_in(state: &Path, folder: &Path) -> Result<()> {
    let folder = folder.canonicalize().map_err(Error::io(folder))?;
    atomic::write(&state.join("last"), folder.as_os_str().as_bytes())
}

fn last_in(state: &Path) -> Result<Option<PathBuf>> {
    let path = state.join("last");
    match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
        Ok(bytes) => {
            let folder = PathBuf::from(OsString::from_vec(bytes));
            Ok(Some(folder).filter(|folder| folder.as_os_str() != OsStr::new("") && folder.is_dir()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_the_specification_says() {
        let from = |xdg: Option<&str>, home: Option<&str>| state_home_from(xdg.map(Into::into), home.map(Into::into));
        assert_eq!(from(Some("/x"), Some("/h")), Some("/x/diffscope".into()));
        assert_eq!(from(Some("relative"), Some("/h")), Some("/h/.local/state/diffscope".into()));
        assert_eq!(from(Some(""), Some("/h")), Some("/h/.local/state/diffscope".into()));
        assert_eq!(from(None, None), None);
    }

    #[test]
    fn the_last_study_is_remembered_by_its_full_path_while_it_exists() {
        let folder = tempfile::tempdir().unwrap();
        let (state, study) = (folder.path().join("state"), folder.path().join(OsStr::from_bytes(b"st\xffudy\n")));
        assert_eq!(last_in(&state).unwrap(), None);
        assert!(remember_last_in(&state, &study).is_err());
        std::fs::create_dir(&study).unwrap();
        remember_last_in(&state, &study).unwrap();
        assert_eq!(last_in(&state).unwrap(), Some(study.canonicalize().unwrap()));
        std::fs::remove_dir(&study).unwrap();
        assert_eq!(last_in(&state).unwrap(), None);
    }
}
