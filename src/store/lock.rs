//! Who trains this replicate? Whoever holds the lock on its `lock` file, in this or any other process.
//!
//! The system releases the lock when its holder dies, however it dies, so the file is never deleted. Host, pid and a
//! nonce stand in it for messages; the nonce is read again before each checkpoint, since a file system that grants a
//! lock twice is caught by it.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How often a claim asks: whoever only looks whether a replicate is abandoned holds its lock for a moment.
const TRIES: usize = 4;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(15);

/// Who holds a lock, as its file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Name of the machine.
    pub host: String,
    /// Process on it.
    pub pid: u32,
    /// Different at every acquisition.
    pub nonce: String,
}

impl Owner {
    fn ours() -> Self {
        let nonce = RandomState::new().hash_one(std::process::id());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { host, pid: std::process::id(), nonce: format!("{nonce:016x}") }
    }

    fn is_of_this_machine(&self) -> bool {
        self.host == rustix::system::uname().nodename().to_string_lossy()
    }

    fn read(file: &mut File) -> Option<Self> {
        let mut text = String::new();
        // The holder may be writing right now: an unreadable line only costs a name in a message.
        file.take(4096).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.is_empty() {
            return write!(f, "another process");
        }
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// What came of asking for a replicate.
#[derive(Debug)]
pub enum Claim {
    /// It is ours until the lock is dropped.
    Ours(ReplicateLock),
    /// Somebody else trains it.
    Theirs(Owner),
}

impl Claim {
    /// The lock, or an error that names its holder.
    pub fn ours(self, folder: &Path) -> Result<ReplicateLock> {
        match self {
            Self::Ours(lock) => Ok(lock),
            Self::Theirs(owner) => {
                Err(Error::file(folder, format!("is being trained by {owner}; stop that one or wait for it")))
            }
        }
    }
}

/// Ownership of a replicate's folder; dropping it gives it back.
#[derive(Debug)]
#[must_use = "ownership ends when the lock is dropped"]
pub struct ReplicateLock {
    file: File,
    path: PathBuf,
    owner: Owner,
}

impl ReplicateLock {
    /// Asks for the replicate in `folder`, without waiting.
    ///
    /// # Errors
    /// A folder that cannot be written, or a file system without locks.
    pub fn acquire(folder: &Path) -> Result<Claim> {
        Self::claim(folder, false)
    }

    /// The same; `lockless`: where the file system has no locks, the replicate is ours all the same, since the work was
    /// divided beforehand.
    ///
    /// # Errors
    /// As [`ReplicateLock::acquire`].
    pub fn claim(folder: &Path, lockless: bool) -> Result<Claim> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let path = folder.join("lock");
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(Error::io(&path))?;
        let locked = ask(&file);
        if !is_granted(&path, locked, lockless)? {
            return Ok(Claim::Theirs(Owner::read(&mut file).unwrap_or_default()));
        }
        let owner = Owner::ours();
        let text = serde_json::to_vec(&owner).map_err(|error| Error::file(&path, error.to_string()))?;
        file.set_len(0).and_then(|()| file.write_all(&text)).map_err(Error::io(&path))?;
        Ok(Claim::Ours(Self { file, path, owner }))
    }

    /// Whether the file still names us: no one else was granted the lock, nobody removed the file.
    pub fn still_owned(&self) -> bool {
        File::open(&self.path).ok().and_then(|mut file| Owner::read(&mut file)).is_some_and(|owner| owner == self.owner)
    }

    /// Who we are.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
}

/// Asks for a lock, a few times: somebody may only be looking.
fn ask(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
    file.try_lock()
}

/// Whether the replicate in `folder` was last trained on this machine, by a process that has let go of it or died. False
/// where that cannot be told: no lock, or one of another machine, on which this system may not know who holds it.
pub fn is_abandoned(folder: &Path) -> bool {
    let Ok(mut file) = File::open(folder.join("lock")) else { return false };
    // A shared lock: two who look do not see each other, and who comes to train asks again.
    let free = Owner::read(&mut file).is_some_and(|owner| owner.is_of_this_machine()) && file.try_lock_shared().is_ok();
    // At once, not when the last copy of the open file is closed. It fails where nothing was locked.
    let _ = file.unlock();
    free
}

/// What the system's answer to a request for a lock means; false: somebody else has it.
fn is_granted(path: &Path, locked: Result<(), TryLockError>, lockless: bool) -> Result<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
            let reason = "this file system has no locks; divide the replicates with --shard i/n instead";
            if lockless { Ok(true) } else { Err(Error::file(path, reason)) }
        }
        Err(TryLockError::Error(error)) => Err(Error::io(path)(error)),
    }
}

impl Drop for ReplicateLock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is starting has a copy of the open file until it executes.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(folder: &Path) -> ReplicateLock {
        ReplicateLock::acquire(folder).unwrap().ours(folder).unwrap()
    }

    #[test]
    fn a_second_claim_learns_who_holds_the_first_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let held = ours(folder.path());
        let claim = ReplicateLock::acquire(folder.path()).unwrap();
        assert!(matches!(&claim, Claim::Theirs(owner) if owner == held.owner()), "{claim:?}");
        let error = claim.ours(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {} on ", std::process::id())), "{error}");
        let nonce = held.owner().nonce.clone();
        drop(held);
        assert!(folder.path().join("lock").exists());
        assert_ne!(ours(folder.path()).owner().nonce, nonce);
    }

    #[test]
    fn a_changed_nonce_a_removed_file_and_garbage_end_ownership() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = ours(folder.path());
        assert!(lock.still_owned());
        let other = Owner { nonce: "0".into(), ..lock.owner().clone() };
        std::fs::write(&path, serde_json::to_vec(&other).unwrap()).unwrap();
        assert!(!lock.still_owned());
        std::fs::write(&path, b"\xff\x00 no json").unwrap();
        assert!(!lock.still_owned());
        let claim = ReplicateLock::acquire(folder.path()).unwrap();
        assert!(claim.ours(folder.path()).unwrap_err().to_string().contains("another process"));
        std::fs::remove_file(&path).unwrap();
        assert!(!lock.still_owned());
    }

    #[test]
    fn the_text_of_a_longer_former_owner_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lock"), vec![b'x'; 5000]).unwrap();
        assert!(ours(folder.path()).still_owned());
    }

    #[test]
    fn a_replicate_is_abandoned_when_its_lock_is_free_and_looking_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_abandoned(folder.path()), "nobody ever trained it");
        let lock = ours(folder.path());
        assert!(!is_abandoned(folder.path()));
        drop(lock);
        assert!(is_abandoned(folder.path()));
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| (0..2000).filter(|_| is_abandoned(folder.path())).count());
            let limit = std::time::Instant::now() + Duration::from_secs(60);
            for _ in 0..50 {
                // Who looks may lose the processor with the lock in hand, longer than a claim asks: then one asks again.
                while !matches!(ReplicateLock::acquire(folder.path()).unwrap(), Claim::Ours(_)) {
                    assert!(std::time::Instant::now() < limit, "looking keeps others out");
                }
            }
            looks.join().unwrap();
        });
        let other = Owner { host: "elsewhere".into(), ..Owner::ours() };
        std::fs::write(folder.path().join("lock"), serde_json::to_vec(&other).unwrap()).unwrap();
        assert!(!is_abandoned(folder.path()), "the other machine's locks are not ours to judge");
    }

    #[test]
    fn a_dropped_lock_is_free_even_while_a_copy_of_the_open_file_lives() {
        let folder = tempfile::tempdir().unwrap();
        let lock = ours(folder.path());
        let _copy = lock.file.try_clone().unwrap();
        drop(lock);
        let _lock = ours(folder.path());
    }

    #[test]
    fn without_locks_a_replicate_is_refused_unless_the_work_was_divided() {
        let answer = |kind: std::io::ErrorKind| Err(TryLockError::Error(kind.into()));
        let granted = |locked, lockless| is_granted(Path::new("s/lock"), locked, lockless);
        let refused = granted(answer(std::io::ErrorKind::Unsupported), false).unwrap_err().to_string();
        assert!(refused.contains("s/lock") && refused.contains("--shard i/n"), "{refused}");
        assert!(granted(answer(std::io::ErrorKind::Unsupported), true).unwrap());
        assert!(granted(answer(std::io::ErrorKind::PermissionDenied), true).is_err());
        assert!(!granted(Err(TryLockError::WouldBlock), true).unwrap(), "where there are locks, they hold");
    }

    #[test]
    fn of_many_threads_exactly_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let claims: Vec<Claim> = std::thread::scope(|scope| {
            let ask = || ReplicateLock::acquire(folder.path()).unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Ours(_))).count(), 1);
    }
}
