//! What do people want of a study that is being trained? `control.json` says it, to every process that trains it.
//!
//! It is the desired state, not a list of commands: whoever trains looks at it every second and does what differs from
//! what it saw before. The counters are for what can be asked again and again: each grows by one with each wish. Writers
//! in several processes take turns; a file that is not valid is never overwritten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use crate::study::ReplicateId;
use crate::{Error, Result};

/// Most jobs that can be asked for, as on the command line.
pub const MOST_JOBS: usize = 1024;

/// Whether training is to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// It goes on.
    #[default]
    None,
    /// After the running epochs.
    AfterEpoch,
    /// At once: back to the last checkpoints.
    Now,
}

/// What is wanted of one replicate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// Parked or held, or not; without it, what holds for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Passed over.
    pub skip: bool,
    /// Grows: queue it again.
    pub attempt: u32,
    /// Grows: end its epoch and give its job to the next; it stays paused.
    pub stop: u32,
    /// Grows: train it next.
    pub next: u32,
}

/// The content of `control.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Replicates that each process trains at once; without it, as each was started.
    pub jobs: Option<usize>,
    /// All replicates are paused.
    pub paused: bool,
    /// Training is to end.
    pub stop: Stop,
    /// Grows with each wish to end: it is meant for those who train then, not for who comes later.
    pub ends: u32,
    /// Wishes for single replicates, by `<label>/<index>`.
    pub replicates: BTreeMap<String, Wish>,
}

impl Control {
    /// Where it lies in a study's folder.
    pub fn path(study: &Path) -> PathBuf {
        study.join("control.json")
    }

    /// Reads it; the default where there is none.
    ///
    /// # Errors
    /// A file that is not valid, with the place in it.
    pub fn read(study: &Path) -> Result<Self> {
        let path = Self::path(study);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Error::io(path)(error)),
            Ok(bytes) => Self::parse(&path, &bytes),
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        // Serde takes a list for a struct, too.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Error::file(path, "expected a JSON object, such as {\"paused\": true}"));
        }
        let control: Self = serde_json::from_slice(bytes).map_err(|error| Error::file(path, error.to_string()))?;
        match control.jobs {
            Some(jobs) if jobs == 0 || jobs > MOST_JOBS => {
                Err(Error::file(path, format!("`jobs` is {jobs}, expected 1 to {MOST_JOBS}")))
            }
            _ => Ok(control),
        }
    }

    /// Changes it, whole and in turn with other writers; returns what it is now.
    ///
    /// # Errors
    /// A file that is not valid (it stays as it is), or one that cannot be written.
    pub fn update(study: &Path, change: impl FnOnce(&mut Self)) -> Result<Self> {
        let path = Self::path(study);
        let mut now = Self::default();
        // Read inside the write: its lock is what keeps two writers from losing each other's wish.
        atomic::write_with(&path, |mut file| {
            now = Self::read(study)?;
            change(&mut now);
            let mut text = serde_json::to_vec_pretty(&now).map_err(|error| Error::file(&path, error.to_string()))?;
            text.push(b'\n');
            std::io::Write::write_all(&mut file, &text).map_err(Error::io(&path))
        })?;
        Ok(now)
    }

    /// Replaces it, whatever it was.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn replace(&self, study: &Path) -> Result<()> {
        let path = Self::path(study);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| Error::file(&path, error.to_string()))?;
        text.push(b'\n');
        atomic::write(&path, &text)
    }

    /// What is wanted of a replicate.
    pub fn wish(&self, id: &ReplicateId) -> Wish {
        self.replicates.get(&id.to_string()).cloned().unwrap_or_default()
    }

    /// What is wanted of a replicate, to be changed.
    pub fn wish_mut(&mut self, id: &ReplicateId) -> &mut Wish {
        self.replicates.entry(id.to_string()).or_default()
    }

    /// Whether a replicate is wanted paused.
    pub fn pauses(&self, id: &ReplicateId) -> bool {
        self.wish(id).paused.unwrap_or(self.paused)
    }

    /// Asks those who train now to end.
    pub fn end(&mut self, stop: Stop) {
        (self.stop, self.ends) = (stop, self.ends.wrapping_add(1));
    }

    /// Pauses all replicates or lets all go on, whatever was wanted of single ones.
    pub fn pause_all(&mut self, paused: bool) {
        self.paused = paused;
        self.replicates.values_mut().for_each(|wish| wish.paused = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(index: u32) -> ReplicateId {
        ReplicateId { label: "net".into(), index }
    }

    #[test]
    fn the_file_of_the_contract_is_understood_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Control::read(folder.path()).unwrap(), Control::default());
        let text = r#"{"jobs": 3, "paused": true, "stop": "after-epoch",
            "replicates": {"net/001": {"paused": false, "skip": true, "attempt": 2}}}"#;
        std::fs::write(Control::path(folder.path()), text).unwrap();
        let control = Control::read(folder.path()).unwrap();
        assert_eq!((control.jobs, control.stop), (Some(3), Stop::AfterEpoch));
        assert_eq!((control.pauses(&id(0)), control.pauses(&id(1)), control.wish(&id(1)).attempt), (true, false, 2));
        let same = Control::update(folder.path(), |_| ()).unwrap();
        assert_eq!((&same, &Control::read(folder.path()).unwrap()), (&control, &control));
    }

    #[test]
    fn what_is_not_valid_is_refused_with_its_place_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for (text, says) in [
            ("{\"jobs\": 2,\n", "line 2"),
            ("{\"pause\": true}", "unknown field `pause`"),
            ("{\"stop\": \"later\"}", "after-epoch"),
            ("{\"jobs\": 0}", "expected 1 to 1024"),
            ("[]", "control.json"),
            ("", "control.json"),
        ] {
            std::fs::write(Control::path(folder.path()), text).unwrap();
            let error = Control::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("control.json"), "{text}: {error}");
            assert!(Control::update(folder.path(), |control| control.paused = true).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(Control::path(folder.path())).unwrap(), text);
        }
        Control::default().replace(folder.path()).unwrap();
        assert_eq!(Control::read(folder.path()).unwrap(), Control::default());
    }

    #[test]
    fn writers_at_the_same_time_lose_no_wish() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = folder.path();
                scope.spawn(move || {
                    for _ in 0..20 {
                        Control::update(path, |control| control.wish_mut(&id(writer)).attempt += 1).unwrap();
                    }
                });
            }
        });
        let control = Control::read(folder.path()).unwrap();
        assert!((0..4).all(|writer| control.wish(&id(writer)).attempt == 20), "{control:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), text in "[{}\\[\\]\":,a-z0-9 ]{0,60}") {
            let path = Path::new("control.json");
            let _ = Control::parse(path, &bytes);
            let _ = Control::parse(path, text.as_bytes());
        }
    }
}
