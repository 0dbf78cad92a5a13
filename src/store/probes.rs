//! What do the probes of a finished replicate say? `probes.safetensors`: votes, predictions and accuracies, one probe after
//! the other, and which score asked them. Another variant of that score has a file of its own beside it, `probes.k5.safetensors` for
//! `prediction_depth.k5`, so that no variant's votes stand for those of another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::tensors::{self, Tensor, Values};
use crate::{Error, Result};

/// What the probes of a replicate say, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredProbes {
    /// Full name of the score that asked them.
    pub score: String,
    /// Neighbours that vote.
    pub k: usize,
    /// Whether an example that was trained on is none of its own neighbours.
    pub leave_one_out: bool,
    /// Names of their places.
    pub names: Vec<String>,
    /// `[probes, examples, classes]`
    pub votes: Vec<u8>,
    /// `[probes, examples]`
    pub predicted: Vec<u16>,
    /// `[probes, 3]`: share right of the examples trained on, held out, and for testing; NaN where there are none.
    pub accuracy: Vec<f32>,
}

impl StoredProbes {
    /// Adds the next probe.
    pub fn add(&mut self, name: String, votes: &[u8], predicted: &[u16], accuracy: &[f32]) {
        self.names.push(name);
        self.votes.extend_from_slice(votes);
        self.predicted.extend_from_slice(predicted);
        self.accuracy.extend_from_slice(accuracy);
    }

    /// How many examples the probes were asked about.
    pub fn examples(&self) -> usize {
        self.predicted.len().checked_div(self.names.len()).unwrap_or(0)
    }

    /// Writes them into a replicate's folder: the first variant that comes has the file of the plain name.
    pub(super) fn write_in(&self, folder: &Path, classes: usize) -> Result<()> {
        let first = folder.join(FIRST);
        // A damaged file is written again.
        let is_free = Self::read(&first).ok().flatten().is_none_or(|there| there.score == self.score);
        self.write(&if is_free { first } else { own_file(folder, &self.score) }, classes)
    }

    /// Reads those of a score from a replicate's folder; None where it did not ask any.
    ///
    /// # Errors
    /// A file that is damaged, or whose arrays do not belong together.
    pub(super) fn read_in(folder: &Path, score: &str) -> Result<Option<Self>> {
        for path in [own_file(folder, score), folder.join(FIRST)] {
            if let Some(probes) = Self::read(&path)?.filter(|probes| probes.score == score) {
                return Ok(Some(probes));
            }
        }
        Ok(None)
    }

    fn write(&self, path: &Path, classes: usize) -> Result<()> {
        let (count, examples) = (self.names.len(), self.examples());
        let accuracies = self.accuracy.len() / count.max(1);
        let tensors = BTreeMap::from([
            ("votes".to_owned(), Tensor::new(&[count, examples, classes], self.votes.as_slice())),
            ("predicted".to_owned(), Tensor::new(&[count, examples], self.predicted.as_slice())),
            ("accuracy".to_owned(), Tensor::new(&[count, accuracies], self.accuracy.as_slice())),
        ]);
        let metadata = json!({
            "score": self.score, "k": self.k, "leave_one_out": self.leave_one_out, "probes": self.names,
            "roles": ["train", "val", "test"],
        });
        tensors::write(path, &tensors, &metadata)
    }

    /// Reads a file; None where there is none.
    fn read(path: &Path) -> Result<Option<Self>> {
        if !path.try_exists().map_err(Error::io(path))? {
            return Ok(None);
        }
        let mut contents = tensors::read(path)?;
        let bad = |what: &str| {
            Error::file(path, format!("{what}; delete the replicate's folder to train it and ask its probes again"))
        };
        let names = names(&contents.metadata).ok_or_else(|| bad("its metadata don't name the probes"))?;
        let (score, k, leave_one_out) = asked(&contents.metadata)
            .ok_or_else(|| bad("its metadata don't say which score asked them, with which k"))?;
        let mut take = |name: &str| {
            contents.tensors.remove(name).ok_or_else(|| bad(&format!("expected a tensor `{name}`, there is none")))
        };
        let (votes, predicted, accuracy) = (take("votes")?, take("predicted")?, take("accuracy")?);
        let count = names.len();
        let examples = predicted.shape.get(1).copied().unwrap_or(0);
        let classes = votes.shape.get(2).copied().unwrap_or(0);
        let shapes = [
            ("votes", &votes.shape, vec![count, examples, classes]),
            ("predicted", &predicted.shape, vec![count, examples]),
            ("accuracy", &accuracy.shape, vec![count, ROLES]),
        ];
        if let Some((name, shape, expected)) = shapes.into_iter().find(|(_, shape, expected)| *shape != expected) {
            return Err(bad(&format!("`{name}` has shape {shape:?}, expected {expected:?} for {count} probes")));
        }
        let Values::U8(votes) = votes.values else { return Err(bad("`votes` is no array of u8")) };
        let predicted = predicted.values.into_u16().ok_or_else(|| bad("`predicted` is no array of u16"))?;
        let accuracy = accuracy.values.into_f32().ok_or_else(|| bad("`accuracy` is no array of f32"))?;
        if predicted.iter().any(|class| usize::from(*class) >= classes) {
            return Err(bad(&format!("`predicted` has a class that is none of {classes}")));
        }
        Ok(Some(Self { score, k, leave_one_out, names, votes: votes.into_owned(), predicted, accuracy }))
    }
}

/// The file of the first variant.
const FIRST: &str = "probes.safetensors";

/// The file of a further variant, by the settings in its name.
fn own_file(folder: &Path, score: &str) -> PathBuf {
    let settings = score.split_once('.').map_or("default", |(_, settings)| settings);
    folder.join(format!("probes.{settings}.safetensors"))
}

/// The score that asked, its k, and whether it leaves an example out of its own neighbours.
fn asked(metadata: &Value) -> Option<(String, usize, bool)> {
    let score = metadata.get("score")?.as_str()?.to_owned();
    let k = usize::try_from(metadata.get("k")?.as_u64()?).ok()?;
    Some((score, k, metadata.get("leave_one_out")?.as_bool()?))
}

/// Roles that accuracies are given for.
const ROLES: usize = 3;

/// The probes' names, at least one.
fn names(metadata: &Value) -> Option<Vec<String>> {
    let names = metadata.get("probes")?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
    names.collect::<Option<Vec<String>>>().filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes() -> StoredProbes {
        let mut probes =
            StoredProbes { score: "prediction_depth.k3".into(), k: 3, leave_one_out: true, ..StoredProbes::default() };
        probes.add("input".into(), &[3, 0, 1, 2], &[0, 1], &[0.5, f32::MAX, 1.0]);
        probes.add("softmax".into(), &[0, 3, 0, 3], &[1, 1], &[0.25, 0.0, 1.0]);
        probes
    }

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probes.safetensors");
        probes().write_in(folder.path(), 2).unwrap();
        (folder, path)
    }

    #[test]
    fn what_was_written_comes_back_and_no_file_is_no_probes() {
        let (folder, path) = written();
        assert_eq!(StoredProbes::read(&path).unwrap(), Some(probes()));
        assert_eq!(StoredProbes::read_in(folder.path(), "prediction_depth.k3").unwrap(), Some(probes()));
        assert_eq!(StoredProbes::read_in(folder.path(), "prediction_depth").unwrap(), None);
        assert_eq!(StoredProbes::read_in(&folder.path().join("other"), "prediction_depth.k3").unwrap(), None);
    }

    #[test]
    fn every_variant_keeps_its_own_whichever_came_first() {
        let (folder, _) = written();
        for score in ["prediction_depth", "prediction_depth.k5", "prediction_depth.k5.no_leave_one_out"] {
            let other = StoredProbes { score: score.into(), k: 5, ..probes() };
            // A second time, as after a kill: the same file again.
            for _ in 0..2 {
                other.write_in(folder.path(), 2).unwrap();
                assert_eq!(StoredProbes::read_in(folder.path(), score).unwrap(), Some(other.clone()));
            }
        }
        assert_eq!(StoredProbes::read_in(folder.path(), "prediction_depth.k3").unwrap(), Some(probes()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_damaged_file_says_what_is_wrong_and_what_to_do() {
        let (_folder, path) = written();
        let of =
            |probes: &[&str]| json!({"probes": probes, "score": "prediction_depth", "k": 3, "leave_one_out": true});
        let names = || of(&["input", "softmax"]);
        let refused = |changed: (&str, Tensor<'static>), metadata: &Value| {
            let mut tensors = tensors::read(&path).unwrap().tensors;
            tensors.insert(changed.0.to_owned(), changed.1);
            let other = path.with_file_name("other.safetensors");
            tensors::write(&other, &tensors, metadata).unwrap();
            StoredProbes::read(&other).unwrap_err().to_string()
        };
        let votes = || ("votes", Tensor::new(&[2, 2, 2], vec![3_u8, 0, 1, 2, 0, 3, 0, 3]));
        for (changed, metadata, says) in [
            (votes(), json!({}), "don't name the probes"),
            (votes(), json!({"probes": ["input", "softmax"]}), "don't say which score"),
            (votes(), of(&["input"]), "has shape"),
            (("predicted", Tensor::new(&[2, 2], vec![0_u16, 1, 2, 1])), names(), "none of 2"),
            (("predicted", Tensor::new(&[2, 2], vec![0.0_f32; 4])), names(), "no array of u16"),
            (("accuracy", Tensor::new(&[2, 2], vec![0.0_f32; 4])), names(), "`accuracy` has shape [2, 2]"),
        ] {
            let refusal = refused(changed, &metadata);
            assert!(refusal.contains(says) && refusal.contains("delete the replicate's folder"), "{says}: {refusal}");
        }
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert!(StoredProbes::read(&path).unwrap_err().to_string().contains("probes.safetensors"));
    }
}
