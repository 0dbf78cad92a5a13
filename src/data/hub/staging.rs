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
    /// Held open: the lock on the folder goes with it.
    _lock: File,
}

impl Staging {
    /// Makes the folder; what a kill left in it is cleared away.
    pub(super) fn new(home: &Path, set: &Set) -> Result<Self> {
        let folder = home.join(format!(".{}.fetch", set.folder));
        std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let lock = File::open(&folder).map_err(Error::io(&folder))?;
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(Error::file(&folder, format!("another process is fetching {} right now", set.source)));
        }
        // From here on it is ours to remove, also when what follows fails.
        let staging = Self { files: folder.join("files"), folder, _lock: lock };
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
    }
}
