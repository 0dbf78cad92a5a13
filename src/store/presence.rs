//! Does anybody train this study right now? Every process that does holds a shared lock on `crew.lock`.
//!
//! The system releases it when the process ends, however it ends. So a process knows whether it is the only one, and
//! `ctl` whether there is anybody to steer. Where the file system has no locks, heartbeats are asked instead.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StudyFolder;
use crate::{Error, Result};

/// How often a newcomer asks to be alone: whoever only looks whether somebody is there holds the lock for a moment.
const TRIES: usize = 4;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(15);

/// A process's presence in a study's folder; dropping it leaves.
#[derive(Debug)]
#[must_use = "presence ends when it is dropped"]
pub struct Presence {
    file: File,
}

fn path(study: &Path) -> PathBuf {
    study.join("crew.lock")
}

impl Presence {
    /// Joins whoever trains the study. Where nobody did, `first` is called before anybody else can join.
    ///
    /// # Errors
    /// A folder that cannot be written, or what `first` returns.
    pub fn join(study: &Path, first: impl FnOnce() -> Result<()>) -> Result<Self> {
        let path = path(study);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(Error::io(&path))?;
        if is_alone(&file).map_err(Error::io(&path))? {
            first()?;
            file.unlock().map_err(Error::io(&path))?;
        }
        match file.lock_shared() {
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(Error::io(&path)(error)),
            _ => Ok(Self { file }),
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is starting has a copy of the open file until it executes.
        let _ = self.file.unlock();
    }
}

/// Whether the exclusive lock could be had; then it is held.
fn is_alone(file: &File) -> std::io::Result<bool> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// Whether any process trains the study.
///
/// # Errors
/// A lock file that cannot be opened.
pub fn is_trained(folder: &StudyFolder) -> Result<bool> {
    let path = path(folder.path());
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        open => open.map_err(Error::io(&path))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => has_heartbeat(folder),
        Err(TryLockError::Error(error)) => Err(Error::io(&path)(error)),
    }
}

fn has_heartbeat(folder: &StudyFolder) -> Result<bool> {
    let now = super::now();
    Ok(folder.replicates()?.iter().any(|found| found.record.claims_to_run() && !found.record.is_stopped(now)))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_the_first_is_told_so_until_all_have_left() {
        let folder = tempfile::tempdir().unwrap();
        let firsts = Cell::new(0);
        let first = || {
            firsts.set(firsts.get() + 1);
            Ok(())
        };
        let join = || Presence::join(folder.path(), first).unwrap();
        let one = join();
        let two = join();
        assert_eq!(firsts.get(), 1);
        drop(one);
        let three = join();
        assert_eq!(firsts.get(), 1, "the second is still there");
        drop((two, three));
        let _four = join();
        assert_eq!(firsts.get(), 2);
    }

    #[test]
    fn a_first_that_fails_joins_nobody_and_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Presence::join(folder.path(), || Err(Error::Failed("full".into()))).is_err());
        let first = Cell::new(false);
        let join = Presence::join(folder.path(), || {
            first.set(true);
            Ok(())
        });
        assert!(join.is_ok() && first.get());
    }
}
