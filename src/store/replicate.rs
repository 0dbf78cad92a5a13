//! What does one replicate leave on disk, and in which order?
//!
//! While it trains: rows of observations, a line per epoch, now and then a checkpoint, which alone decides what counts.
//! At the end, each step its own function so that a kill between any two is harmless: last checkpoint, final logits,
//! scores, weights, observations turned around ([`ReplicateDir::finish_observations`]), state finished, checkpoint deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checkpoint::Checkpoint;
use super::lock::{Claim, ReplicateLock};
use super::npy::{self, Npy};
use super::observations::{self, Observations};
use super::probes::StoredProbes;
use super::record::{EpochLine, ReplicateRecord};
use super::tensors::{self, Tensor};
use super::{atomic, jsonl};
use crate::data::Role;
use crate::study::ReplicateId;
use crate::{Error, Result};

/// One score of one replicate, with how it was computed.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredScore {
    /// Full name, such as `el2n@20`.
    pub name: String,
    /// One value per example of the data set, NaN where it does not exist.
    pub values: Vec<f32>,
    /// The choices behind the values.
    pub conventions: Value,
}

/// A line of `log.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Seconds since 1970.
    pub time: f64,
    /// What happened.
    pub text: String,
}

/// The folder `<study>/replicates/<label>/<index>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicateDir {
    path: PathBuf,
}

impl ReplicateDir {
    /// The folder of a replicate of the study in `study`; nothing is made yet.
    pub fn new(study: &Path, id: &ReplicateId) -> Self {
        Self::at(study.join("replicates").join(&id.label).join(format!("{:03}", id.index)))
    }

    /// A replicate's folder by its path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the observations lie.
    pub fn observations(&self) -> PathBuf {
        self.path.join("observations")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Asks for ownership; the owner finds the folder made and free of what a kill left.
    pub fn acquire(&self) -> Result<Claim> {
        self.claim(false)
    }

    /// The same; `lockless` as in [`ReplicateLock::claim`].
    pub fn claim(&self, lockless: bool) -> Result<Claim> {
        let claim = ReplicateLock::claim(&self.path, lockless)?;
        if matches!(claim, Claim::Ours(_)) {
            atomic::remove_leftovers(&self.path)?;
            if self.observations().is_dir() {
                atomic::remove_leftovers(&self.observations())?;
            }
        }
        Ok(claim)
    }

    /// `replicate.json`; None where the replicate has not started.
    pub fn record(&self) -> Result<Option<ReplicateRecord>> {
        read_json(&self.file("replicate.json"))
    }

    /// Rewrites `replicate.json`.
    pub fn write_record(&self, record: &ReplicateRecord) -> Result<()> {
        let path = self.file("replicate.json");
        let mut text = serde_json::to_vec_pretty(record).map_err(|error| Error::file(&path, error.to_string()))?;
        text.push(b'\n');
        atomic::write(&path, &text)
    }

    /// Changes some of `replicate.json`.
    pub fn change_record(&self, change: impl FnOnce(&mut ReplicateRecord)) -> Result<()> {
        let mut record = self.record()?.unwrap_or_default();
        change(&mut record);
        self.write_record(&record)
    }

    /// Adds a line to `epochs.jsonl`.
    pub fn append_epoch(&self, line: &EpochLine) -> Result<()> {
        jsonl::append(&self.file("epochs.jsonl"), line)
    }

    /// All lines of `epochs.jsonl`, those of epochs past the last checkpoint among them.
    pub fn epochs(&self) -> Result<Vec<EpochLine>> {
        jsonl::read(&self.file("epochs.jsonl"))
    }

    /// Cuts `epochs.jsonl` to the epochs that are done, before a resumed replicate writes them again.
    pub fn cut_epochs(&self, epochs_done: u32) -> Result<()> {
        let kept = self.epochs()?.iter().take_while(|line| line.epoch <= epochs_done).count();
        jsonl::truncate(&self.file("epochs.jsonl"), kept)
    }

    /// Adds an event to `log.jsonl`.
    pub fn log(&self, text: &str) -> Result<()> {
        jsonl::append(&self.file("log.jsonl"), &LogLine { time: super::now(), text: text.to_owned() })
    }

    /// All events of `log.jsonl`.
    pub fn log_lines(&self) -> Result<Vec<LogLine>> {
        jsonl::read(&self.file("log.jsonl"))
    }

    /// Writes `roles.npy`, one role per example of the data set.
    pub fn write_roles(&self, roles: &[Role]) -> Result<()> {
        let bytes: Vec<u8> = roles.iter().map(|role| *role as u8).collect();
        npy::write(&self.file("roles.npy"), &[bytes.len()], &bytes)
    }

    /// Reads `roles.npy`.
    pub fn roles(&self) -> Result<Vec<Role>> {
        let path = self.file("roles.npy");
        let (_, bytes) = npy::read::<u8>(&path)?;
        bytes
            .into_iter()
            .map(Role::from_byte)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::file(&path, "expected roles 0, 1 and 2"))
    }

    /// Writes `initial_predicted.npy`: the class that the network predicts for each example at initialisation.
    pub fn write_initial_predicted(&self, predicted: &[u16]) -> Result<()> {
        npy::write(&self.file("initial_predicted.npy"), &[predicted.len()], predicted)
    }

    /// Whether `initial_predicted.npy` is there.
    pub fn has_initial_predicted(&self) -> bool {
        self.file("initial_predicted.npy").is_file()
    }

    /// Reads `initial_predicted.npy`; None where no score asked for it.
    pub fn initial_predicted(&self) -> Result<Option<Vec<u16>>> {
        let path = self.file("initial_predicted.npy");
        if !path.try_exists().map_err(Error::io(&path))? {
            return Ok(None);
        }
        npy::read(&path).map(|(_, predicted)| Some(predicted))
    }

    /// Writes what the probes of a score say.
    pub fn write_probes(&self, probes: &StoredProbes, classes: usize) -> Result<()> {
        probes.write_in(&self.path, classes)
    }

    /// Reads what the probes of a score say; None where it asked none.
    ///
    /// # Errors
    /// A damaged file.
    pub fn probes(&self, score: &str) -> Result<Option<StoredProbes>> {
        StoredProbes::read_in(&self.path, score)
    }

    /// Writes `neighbours.npy`, `[examples, nearest]`: positions of training examples, nearest first.
    pub fn write_neighbours(&self, kept: usize, nearest: &[u32]) -> Result<()> {
        npy::write(&self.file("neighbours.npy"), &[nearest.len() / kept.max(1), kept], nearest)
    }

    /// Makes or reopens the observation arrays for training.
    pub fn create_observations(&self, epochs: usize, observed: usize, classes: usize) -> Result<Observations> {
        Observations::create(&self.observations(), epochs, observed, classes)
    }

    /// Opens the observation arrays for reading; None before training made them.
    pub fn open_observations(&self) -> Result<Option<Observations>> {
        Observations::open(&self.observations())
    }

    /// Turns the observation arrays around, when all epochs are done.
    pub fn finish_observations(&self) -> Result<()> {
        observations::finish(&self.observations())
    }

    /// Where the checkpoint lies.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.file("checkpoint.safetensors")
    }

    /// The commit point: makes rows and lines last, then writes the checkpoint that counts them.
    pub fn commit(&self, observations: &Observations, checkpoint: &Checkpoint) -> Result<()> {
        observations.sync()?;
        jsonl::sync(&self.file("epochs.jsonl"))?;
        checkpoint.write(&self.checkpoint_path())
    }

    /// Reads the checkpoint; None before the first and after the end.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        Checkpoint::read(&self.checkpoint_path())
    }

    /// Deletes the checkpoint, the last step of finishing; fine where there is none.
    pub fn delete_checkpoint(&self) -> Result<()> {
        atomic::remove(&self.checkpoint_path())
    }

    /// Writes `final_logits.npy`, `[examples, classes]`.
    pub fn write_final_logits(&self, classes: usize, logits: &[f32]) -> Result<()> {
        let examples = logits.len().checked_div(classes).unwrap_or(0);
        npy::write(&self.file("final_logits.npy"), &[examples, classes], logits)
    }

    /// One example's row of `final_logits.npy`; None before the replicate is finished.
    pub fn final_logits_of(&self, example: usize) -> Result<Option<Vec<f32>>> {
        let path = self.file("final_logits.npy");
        if !path.try_exists().map_err(Error::io(&path))? {
            return Ok(None);
        }
        Npy::open(&path)?.row(example).map(Some)
    }

    /// Reads `final_logits.npy`: the number of classes and the logits, `[examples, classes]`.
    pub fn final_logits(&self) -> Result<(usize, Vec<f32>)> {
        let path = self.file("final_logits.npy");
        match npy::read(&path)? {
            (shape, logits) if shape.len() == 2 => Ok((shape.last().copied().unwrap_or(0), logits)),
            (shape, _) => Err(Error::file(path, format!("has shape {shape:?}, expected [examples, classes]"))),
        }
    }

    /// Writes `scores.safetensors`.
    pub fn write_scores(&self, scores: &[StoredScore]) -> Result<()> {
        let tensors = scores.iter().map(|score| (score.name.clone(), Tensor::vector(&score.values))).collect();
        let conventions = scores.iter().map(|score| (score.name.clone(), score.conventions.clone())).collect();
        tensors::write(&self.file("scores.safetensors"), &tensors, &Value::Object(conventions))
    }

    /// Reads `scores.safetensors`, sorted by name; None before the replicate is done.
    pub fn scores(&self) -> Result<Option<Vec<StoredScore>>> {
        let path = self.file("scores.safetensors");
        if !path.try_exists().map_err(Error::io(&path))? {
            return Ok(None);
        }
        let tensors::Contents { tensors, metadata } = tensors::read(&path)?;
        let scores = tensors.into_iter().map(|(name, tensor)| {
            let conventions = metadata.get(&name).cloned().unwrap_or_default();
            let values = tensor.values.into_f32();
            let values = values.ok_or_else(|| Error::file(&path, format!("`{name}` is no array of f32")))?;
            Ok(StoredScore { name, values, conventions })
        });
        scores.collect::<Result<_>>().map(Some)
    }

    /// Writes `weights.safetensors`: parameters and norm statistics by `PyTorch`'s names and shapes.
    pub fn write_weights(&self, weights: &BTreeMap<String, Tensor<'_>>) -> Result<()> {
        tensors::write(&self.file("weights.safetensors"), weights, &Value::Null)
    }

    /// Reads `weights.safetensors`.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor<'static>>> {
        tensors::read(&self.file("weights.safetensors")).map(|contents| contents.tensors)
    }
}

/// Reads a JSON file; None where there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::file(path, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::State;
    use proptest::prelude::*;
    use serde_json::json;

    fn dir() -> (tempfile::TempDir, ReplicateDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = ReplicateDir::new(folder.path(), &ReplicateId { label: "resnet8".into(), index: 7 });
        std::fs::create_dir_all(dir.path()).unwrap();
        (folder, dir)
    }

    fn line(epoch: u32) -> EpochLine {
        EpochLine {
            epoch,
            lr: 0.1,
            train_loss: Some(1.5),
            train_accuracy: 0.5,
            test_loss: None,
            test_accuracy: 0.25,
            seconds: 2.0,
        }
    }

    #[test]
    fn the_folder_is_named_by_label_and_three_digits() {
        let (folder, dir) = dir();
        assert_eq!(dir.path(), folder.path().join("replicates/resnet8/007"));
        let large = ReplicateDir::new(folder.path(), &ReplicateId { label: "a".into(), index: 1234 });
        assert!(large.path().ends_with("a/1234"));
    }

    #[test]
    fn the_record_comes_back_and_older_records_with_fewer_fields_do_too() {
        let (_folder, dir) = dir();
        assert_eq!(dir.record().unwrap(), None);
        let record =
            ReplicateRecord { state: State::Running, heartbeat: 1.7e9, epochs: 3, ..ReplicateRecord::default() };
        dir.write_record(&record).unwrap();
        assert_eq!(dir.record().unwrap(), Some(record));
        std::fs::write(dir.file("replicate.json"), b"{\"state\":\"finished\"}").unwrap();
        assert_eq!(dir.record().unwrap().unwrap().state, State::Finished);
        std::fs::write(dir.file("replicate.json"), b"{\"state\":\"dancing\"}").unwrap();
        assert!(dir.record().unwrap_err().to_string().contains("replicate.json"));
    }

    #[test]
    fn epochs_are_cut_to_those_done_even_where_some_have_no_line() {
        let (_folder, dir) = dir();
        dir.cut_epochs(3).unwrap();
        for epoch in [2, 4, 6] {
            dir.append_epoch(&line(epoch)).unwrap();
        }
        dir.cut_epochs(5).unwrap();
        assert_eq!(dir.epochs().unwrap(), [line(2), line(4)]);
        dir.append_epoch(&line(6)).unwrap();
        assert_eq!(dir.epochs().unwrap(), [line(2), line(4), line(6)]);
        dir.cut_epochs(0).unwrap();
        assert!(dir.epochs().unwrap().is_empty());
    }

    #[test]
    fn scores_weights_logits_roles_and_log_come_back() {
        let (_folder, dir) = dir();
        assert_eq!(dir.scores().unwrap(), None);
        let score = |name: &str, conventions| StoredScore { name: name.into(), values: vec![1.0, -0.5], conventions };
        let scores = [score("el2n@20", json!({"epoch": 20})), score("aum", json!(null))];
        dir.write_scores(&scores).unwrap();
        assert_eq!(dir.scores().unwrap().unwrap(), [scores[1].clone(), scores[0].clone()]);
        let weights = BTreeMap::from([("conv1.weight".to_owned(), Tensor::new(&[1, 2], vec![1.0_f32, 2.0]))]);
        dir.write_weights(&weights).unwrap();
        assert_eq!(dir.weights().unwrap(), weights);
        dir.write_final_logits(2, &[0.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(dir.final_logits().unwrap(), (2, vec![0.0, 1.0, 2.0, 3.0]));
        assert!(dir.write_final_logits(3, &[0.0; 4]).is_err());
        assert!(dir.write_final_logits(0, &[0.0; 4]).is_err());
        dir.write_roles(&[Role::Train, Role::Test, Role::Val]).unwrap();
        assert_eq!(dir.roles().unwrap(), [Role::Train, Role::Test, Role::Val]);
        npy::write(&dir.file("roles.npy"), &[1], &[3_u8]).unwrap();
        assert!(dir.roles().unwrap_err().to_string().contains("roles.npy"));
        dir.log("resumed at epoch 3").unwrap();
        assert_eq!(dir.log_lines().unwrap()[0].text, "resumed at epoch 3");
    }

    #[test]
    fn the_owner_finds_the_folder_made_and_swept() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ReplicateDir::new(folder.path(), &ReplicateId { label: "a".into(), index: 0 });
        std::fs::create_dir_all(dir.observations()).unwrap();
        let left = [dir.file(".checkpoint.safetensors.tmp"), dir.observations().join(".loss.npy.tmp")];
        for path in &left {
            std::fs::write(path, b"half").unwrap();
        }
        let lock = dir.acquire().unwrap().ours(dir.path()).unwrap();
        assert!(lock.still_owned() && left.iter().all(|path| !path.exists()));
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused(text in "[{}\\[\\]\":,0-9a-z_ .-]{0,80}") {
            let (_folder, dir) = dir();
            std::fs::write(dir.file("replicate.json"), &text).unwrap();
            std::fs::write(dir.file("epochs.jsonl"), &text).unwrap();
            let _ = (dir.record(), dir.epochs(), dir.cut_epochs(1));
        }
    }
}
