//! Where do files lie until they are whole? In a hidden folder beside the target, owned by one process, gone at the end.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::data::official::Set;
use crate::store::atomic;
use crate::{Error, Result};

/// A working folder that is removed when dropped.
pub(super) struct Staging {
    folder: PathBuf,
    files: PathBuf,
    /// Folders above it that were made for it, the innermost first.
    made: Vec<PathBuf>,
    /// Held open: the lock on the folder goes with it.
    _lock: File,
}

impl Staging {
    /// Makes the folder; what a kill left in it is cleared away.
    pub(super) fn new(home: &Path, set: &Set) -> Result<Self> {
        let folder = home.join(format!(".{}.fetch", set.folder));
        let made: Vec<PathBuf> = home.ancestors().take_while(|path| !path.exists()).map(Path::to_path_buf).collect();
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let lock = File::open(&folder).map_err(Error::io(&folder))?;
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(Error::file(&folder, format!("another process is fetching {} right now", set.source)));
        }
        // From here on it is ours to remove, also when what follows fails.
        let staging = Self { files: folder.join("files"), folder, made, _lock: lock };
        staging.clear()?;
        std::fs::create_dir(&staging.files).map_err(Error::io(&staging.files))?;
        Ok(staging)
    }

    fn clear(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.folder).map_err(Error::io(&self.folder))? {
            let path = entry.map_err(Error::io(&self.folder))?.path();
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            removed.map_err(Error::io(&path))?;
        }
        Ok(())
    }

    /// A place for a file that is not one of the official ones.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of the official files.
    pub(super) fn files(&self) -> &Path {
        &self.files
    }

    /// Writes an official file, whole and synced.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        atomic::write(&self.files.join(name), bytes)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nobody is left to tell; the next fetch clears what stays.
        let _ = std::fs::remove_dir_all(&self.folder);
        // Where nothing came of it, nothing is left; a folder that holds something refuses to go.
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::official;

    #[test]
    fn folders_that_were_made_go_again_unless_something_came() {
        let here = tempfile::tempdir().unwrap();
        let (set, home) = (official::find("mnist").unwrap(), here.path().join("cache/data"));
        drop(Staging::new(&home, set).unwrap());
        assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "nothing is left of it");
        let staging = Staging::new(&home, set).unwrap();
        std::fs::rename(staging.files(), home.join("mnist")).unwrap();
        drop(staging);
        assert!(home.join("mnist").is_dir());
        std::fs::remove_dir(home.join("mnist")).unwrap();
        drop(Staging::new(&home, set).unwrap());
        assert!(home.is_dir(), "it was there before");
    }
}
