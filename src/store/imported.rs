//! How do scores that were computed elsewhere come into a study folder?
//!
//! Everything is checked before anything is written, and the replicates are claimed, so that nobody who trains them or adds scores
//! to them rewrites the same files. The values go into each run's `scores.safetensors`, or into
//! `ensemble/imported/<label>.safetensors`; `study.toml` lists the score at last, so that a kill before that leaves values
//! that nobody reads and the next import replaces.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};

use super::folder::StudyFolder;
use super::lock::{Claim, ReplicateLock};
use super::record::{ReplicateRecord, State};
use super::replicate::StoredScore;
use super::tensors::{self, Tensor};
use super::{atomic, now};
use crate::scores::{Harder, imported};
use crate::study::imported::{ImportedRuns, labels};
use crate::study::validate::{MOST_RUNS, check_label};
use crate::study::{ImportedScore, ReplicateId};
use crate::{Error, Result};

/// The device of a run that was not trained here.
pub const DEVICE: &str = "imported";

/// A score that was computed elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignScore {
    /// Its name.
    pub name: String,
    /// The model's label.
    pub label: String,
    /// The difficult end.
    pub harder: Harder,
    /// Whether each run has its own values; else there is one row, the model's.
    pub per_run: bool,
    /// A value per example in every row; all rows are of the same length.
    pub rows: Vec<Vec<f32>>,
    /// Where it came from: name and digest of the file, type of its numbers.
    pub origin: Value,
}

/// What an import did to the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The score is there now, for these runs of the model in the order of the rows (none: one number per example).
    Added(Vec<u32>),
    /// The very same values were there already.
    Known,
}

/// Where the rows go.
struct Places {
    /// Index of the run that each row belongs to; empty for a model's own row.
    runs: Vec<u32>,
    /// Whether these runs are made by the import.
    new: bool,
    /// Whether these runs were trained here, so that another process may be at them.
    trained: bool,
}

/// Keeps other imports, and a run that starts, from the study's record. Where a folder cannot be locked, nobody waits.
pub(super) fn lock(study: &Path) -> Option<File> {
    let folder = File::open(study).ok()?;
    atomic::lock(&folder).ok()?;
    Some(folder)
}

impl ForeignScore {
    /// Examples in every row.
    pub fn examples(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// Places of the rows that hold values which are not finite.
    pub fn non_finite(&self) -> Vec<usize> {
        let finite = |row: &Vec<f32>| row.iter().all(|value| value.is_finite());
        self.rows.iter().enumerate().filter(|(_, row)| !finite(row)).map(|(place, _)| place).collect()
    }

    /// What can be said without a folder.
    ///
    /// # Errors
    /// `Error::Usage` for a name or label that cannot be, or too many runs.
    pub fn check(&self) -> Result<()> {
        imported::check_name(&self.name).map_err(|reason| Error::Usage(format!("--score: {reason}")))?;
        check_label(&self.label).map_err(|reason| Error::Usage(format!("--model: {reason}")))?;
        if self.rows.len() > MOST_RUNS as usize {
            return Err(Error::Usage(format!("{} runs; expected at most {MOST_RUNS}", self.rows.len())));
        }
        Ok(())
    }

    /// A row as the folder keeps it: NaN for the examples that the file says nothing of.
    fn stored(&self, row: &[f32], examples: usize) -> StoredScore {
        let mut values = row.to_vec();
        values.resize(examples, f32::NAN);
        StoredScore { name: self.name.clone(), values, conventions: self.conventions(row, examples) }
    }

    fn conventions(&self, row: &[f32], examples: usize) -> Value {
        json!({
            "base": self.name,
            "harder": self.harder.name(),
            "definition": "imported",
            "source": self.origin,
            "observations": "computed elsewhere",
            "examples": if row.len() == examples { "all" } else { "train" },
            "non_finite": !row.iter().all(|value| value.is_finite()),
        })
    }
}

/// Whether the conventions of an imported score say that a run's values are not all finite.
pub fn is_flagged(conventions: &Value) -> bool {
    conventions["non_finite"].as_bool().unwrap_or(false)
}

impl StudyFolder {
    /// Adds a score that was computed elsewhere to the study in a folder.
    ///
    /// # Errors
    /// `Error::Usage` where it does not fit the study, with what was expected; `Error::Failed` where somebody else is at one of the
    /// replicates. Nothing is written then.
    pub fn import(path: &Path, score: &ForeignScore) -> Result<Done> {
        score.check()?;
        let _lock = lock(path);
        let mut folder = Self::open(path)?;
        folder.check_examples(score)?;
        let places = folder.places(score)?;
        folder.check_name(score)?;
        let changed = if score.per_run { folder.import_runs(score, &places)? } else { folder.import_model(score)? };
        if !changed {
            return Ok(Done::Known);
        }
        folder.list(score, &places.runs)?;
        Ok(Done::Added(places.runs))
    }

    /// Waits while an import holds the claims of replicates, which is for a moment only.
    pub fn wait_for_import(&self) {
        drop(lock(self.path()));
    }

    /// Claims the replicates that get values; ownership ends when the claims are dropped.
    fn claim(&self, score: &ForeignScore, places: &Places) -> Result<Vec<ReplicateLock>> {
        if !places.trained {
            return Ok(Vec::new());
        }
        let claim = |index: &u32| {
            let id = ReplicateId { label: score.label.clone(), index: *index };
            // Where there are no locks, nobody can be asked: then as before, who imports must know that nobody trains.
            match self.replicate(&id).claim(true)? {
                Claim::Ours(lock) => Ok(lock),
                Claim::Theirs(owner) => {
                    let advice = "nothing was written; try again once that is done";
                    let here = self.path().display();
                    Err(Error::Failed(format!("{here}: {owner} trains {id} or adds scores to it: {advice}")))
                }
            }
        };
        places.runs.iter().map(claim).collect()
    }

    fn check_examples(&self, score: &ForeignScore) -> Result<()> {
        let (found, record) = (score.examples(), self.record());
        if found == record.train || found == record.examples() {
            return Ok(());
        }
        let whole = if record.test == 0 {
            String::new()
        } else {
            format!(", or {} with the test examples behind them", record.examples())
        };
        let (here, train) = (self.path().display(), record.train);
        Err(Error::Usage(format!("{found} examples; expected {train}, the training examples of {here}{whole}")))
    }

    /// Which runs of the study the rows belong to: row r to the r-th finished replicate of a trained model, or to run r.
    fn places(&self, score: &ForeignScore) -> Result<Places> {
        if !score.per_run {
            return Ok(Places { runs: Vec::new(), new: false, trained: false });
        }
        let (label, found) = (&score.label, score.rows.len());
        let trained = self.record().config.models.iter().any(|model| model.label() == label);
        let foreign = labels(&self.record().imported, &self.record().config);
        let known = foreign.iter().find(|(known, runs)| known == label && *runs > 0);
        let (runs, whose) = match known {
            _ if trained => (self.finished(label)?, "finished replicates"),
            Some((_, runs)) => ((0..*runs).collect(), "imported runs"),
            None => return Ok(Places { runs: (0..found as u32).collect(), new: true, trained }),
        };
        if runs.len() == found {
            return Ok(Places { runs, new: false, trained });
        }
        let expected = runs.len();
        let advice = "one row for each, in the order of their numbers; or give the rows another --model";
        Err(Error::Usage(format!("{found} runs; expected {expected}, the {whose} of `{label}`: {advice}")))
    }

    fn finished(&self, label: &str) -> Result<Vec<u32>> {
        let found = self.replicates()?.into_iter().filter(|found| found.id.label == label);
        Ok(found.filter(|found| found.record.state == State::Finished).map(|found| found.id.index).collect())
    }

    /// A name stands for one score, with one direction, in the whole study.
    fn check_name(&self, score: &ForeignScore) -> Result<()> {
        let name = &score.name;
        let refuse = |reason: &str| Err(Error::Usage(format!("--score {name}: {reason}; choose another name")));
        if !self.record().config.is_imported() && imported::is_own(name) {
            let reason = "scores of that name are this program's own";
            return Err(Error::Usage(format!("--score {name}: {reason}; choose another, such as `paper.{name}`")));
        }
        let Some(known) = self.record().imported.iter().find(|known| known.name == *name) else { return Ok(()) };
        if known.harder != score.harder {
            return refuse(&format!("here its difficult end is {}, not {}", known.harder.name(), score.harder.name()));
        }
        match (known.per_run, score.per_run) {
            (true, false) => refuse("here it has values for each run, the file has one row for the model"),
            (false, true) => refuse("here it has one number per example, the file has a row for each run"),
            _ => Ok(()),
        }
    }

    /// Whether the record lists the score for its model.
    fn lists(&self, score: &ForeignScore) -> bool {
        let mut listed = self.record().imported.iter().filter(|known| known.name == score.name);
        listed.any(|known| known.models.contains_key(&score.label))
    }

    /// Puts each row into its run's scores; false where all of it was there.
    fn import_runs(&self, score: &ForeignScore, places: &Places) -> Result<bool> {
        let _claims = self.claim(score, places)?;
        let listed = self.lists(score);
        let mut changed = Vec::new();
        for (index, row) in places.runs.iter().zip(&score.rows) {
            let dir = self.replicate(&ReplicateId { label: score.label.clone(), index: *index });
            // What a kill left of runs that are new is nobody's.
            let mut scores = if places.new { Vec::new() } else { dir.scores()?.unwrap_or_default() };
            let stored = score.stored(row, self.record().examples());
            match scores.iter_mut().find(|known| known.name == score.name) {
                Some(known) if listed && same(&known.values, &stored.values) => continue,
                Some(_) if listed => return Err(other_values(score)),
                Some(known) => *known = stored,
                None => scores.push(stored),
            }
            changed.push((dir, scores));
        }
        for (dir, scores) in &changed {
            dir.write_scores(scores)?;
            if places.new {
                dir.write_record(&foreign_run())?;
            }
        }
        Ok(!changed.is_empty())
    }

    /// Puts the one row beside the model's other imported scores; false where it was there.
    fn import_model(&self, score: &ForeignScore) -> Result<bool> {
        let path = self.imported_ensemble(&score.label);
        let examples = self.record().examples();
        let (mut named, mut conventions) = if path.try_exists().map_err(Error::io(&path))? {
            let contents = tensors::read(&path)?;
            let conventions = contents.metadata["conventions"].as_object().cloned().unwrap_or_default();
            (contents.tensors, conventions)
        } else {
            (BTreeMap::new(), serde_json::Map::new())
        };
        let row = score.rows.first().map_or(&[][..], Vec::as_slice);
        let StoredScore { name, values, conventions: own } = score.stored(row, examples);
        if self.lists(score) {
            let known = named.remove(&name).and_then(|tensor| tensor.values.into_f32());
            return if known.is_some_and(|known| same(&known, &values)) { Ok(false) } else { Err(other_values(score)) };
        }
        named.insert(name.clone(), Tensor::new(&[values.len()], values));
        conventions.insert(name, own);
        tensors::write(&path, &named, &json!({ "conventions": conventions }))?;
        Ok(true)
    }

    /// Writes the score into `study.toml`.
    fn list(&mut self, score: &ForeignScore, indices: &[u32]) -> Result<()> {
        let mut imported = self.record().imported.clone();
        let non_finite = score.non_finite().iter().filter_map(|row| indices.get(*row).copied()).collect();
        let runs = ImportedRuns { runs: indices.len() as u32, non_finite };
        let (name, harder, per_run) = (score.name.clone(), score.harder, score.per_run);
        let models = BTreeMap::from([(score.label.clone(), runs)]);
        match imported.iter_mut().find(|known| known.name == name) {
            Some(known) => known.models.extend(models),
            None => imported.push(ImportedScore { name, harder, per_run, models }),
        }
        self.set_imported(imported)
    }
}

fn other_values(score: &ForeignScore) -> Error {
    let ForeignScore { name, label, .. } = score;
    Error::Usage(format!(
        "--score {name}: `{label}` has a score of that name with other values; choose another name, or another --dir to start afresh"
    ))
}

/// The same bits; NaN is NaN.
fn same(a: &[f32], b: &[f32]) -> bool {
    let alike = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.len() == b.len() && a.iter().zip(b).all(alike)
}

/// The record of a run that was not trained here.
fn foreign_run() -> ReplicateRecord {
    let time = Some(now());
    ReplicateRecord {
        state: State::Finished,
        device: DEVICE.to_owned(),
        started: time,
        finished: time,
        ..ReplicateRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::folder::StudyRecord;

    /// A study with finished replicates of one model on three examples, each with a score.
    fn trained(path: &Path, replicates: u32) -> StudyFolder {
        let config = format!(
            "name = \"s\"\ndata = {{ source = \"embedded\" }}\ntrain = {{ epochs = 2 }}\n[[model]]\nname = \"resnet8\"\n\
             replicates = {replicates}\n"
        );
        let record = StudyRecord {
            config: toml::from_str(&config).unwrap(),
            ..StudyRecord::imported("s", 3, vec!["a".into(), "b".into()])
        };
        let study = StudyFolder::create(path, &record).unwrap();
        for index in 0..replicates {
            let dir = study.replicate(&ReplicateId { label: "resnet8".into(), index });
            let aum = StoredScore { name: "aum".into(), values: vec![1.0, 2.0, 3.0], conventions: json!({}) };
            dir.write_scores(&[aum]).unwrap();
            dir.write_record(&ReplicateRecord { state: State::Finished, ..ReplicateRecord::default() }).unwrap();
        }
        study
    }

    fn names(study: &StudyFolder, index: u32) -> Vec<String> {
        let dir = study.replicate(&ReplicateId { label: "resnet8".into(), index });
        dir.scores().unwrap().unwrap().into_iter().map(|score| score.name).collect()
    }

    #[test]
    fn a_replicate_that_somebody_else_is_at_keeps_its_files_and_the_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let study = trained(folder.path(), 2);
        let score = ForeignScore {
            name: "paper.x".into(),
            label: "resnet8".into(),
            harder: Harder::High,
            per_run: true,
            rows: vec![vec![0.1, 0.2, 0.3], vec![0.4, 0.5, 0.6]],
            origin: Value::Null,
        };
        let second = study.replicate(&ReplicateId { label: "resnet8".into(), index: 1 });
        let Claim::Ours(held) = second.acquire().unwrap() else { panic!("nobody else is there") };
        let error = StudyFolder::import(folder.path(), &score).unwrap_err();
        let text = error.to_string();
        let holder = format!("process {} on ", std::process::id());
        for expected in [holder.as_str(), "resnet8/001", "nothing was written", "try again"] {
            assert!(text.contains(expected), "{text} lacks {expected}");
        }
        assert_eq!((names(&study, 0), names(&study, 1)), (vec!["aum".to_owned()], vec!["aum".to_owned()]));
        assert!(StudyFolder::open(folder.path()).unwrap().record().imported.is_empty());
        drop(held);
        assert_eq!(StudyFolder::import(folder.path(), &score).unwrap(), Done::Added(vec![0, 1]));
        assert_eq!(names(&study, 1), ["aum", "paper.x"]);
        assert!(matches!(second.acquire().unwrap(), Claim::Ours(_)), "it was given back");
    }
}
