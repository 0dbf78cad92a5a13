//! What do the finished replicates of a model say together? `ensemble/<label>.safetensors`, made by whoever finishes last.
//!
//! The file names the replicates that it is of: where others have finished since, or one is missing, it is made again, and a
//! folder that cannot be written costs no more than the time to compute.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;

use crate::data::{Examples, Role};
use crate::scores::ScoreSpec;
use crate::scores::ensemble::{Consensus, Ensemble, Member};
use crate::store::StudyFolder;
use crate::store::record::State;
use crate::store::tensors::{self, Contents, Tensor};
use crate::study::ImportedScore;
use crate::study::plan::{Plan, ReplicatePlan};
use crate::{Error, Result};

/// A score seen by the replicates that were trained on an example, and by those that held it out.
#[derive(Debug, Clone, PartialEq)]
struct Sides {
    inside: Consensus,
    outside: Consensus,
}

/// The ensemble scores of all models of a study, so far.
#[derive(Debug, Clone, Default)]
pub struct Ensembles {
    /// By the model's label and the score's full name.
    scores: HashMap<(String, String), Sides>,
}

impl Ensembles {
    /// Those of every model, from the folder; a model whose files cannot be read has none.
    pub fn of(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Self {
        let mut ensembles = Self::default();
        for model in &plan.config.models {
            // What is wrong with a replicate's files is told where it is shown.
            let _ = ensembles.refresh(folder, plan, examples, model.label());
        }
        ensembles.extend(Self::imported(folder, plan, examples));
        ensembles
    }

    /// What was imported for every model, from the folder.
    pub fn imported(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Self {
        let mut ensembles = Self::default();
        for label in plan.labels() {
            ensembles.read_imported(folder, plan, examples.len(), &label);
        }
        ensembles
    }

    /// Adds scores; those of the same model and name are replaced.
    pub fn extend(&mut self, fresh: Self) {
        self.scores.extend(fresh.scores);
    }

    /// Brings those of one model up to date.
    ///
    /// # Errors
    /// A finished replicate's file that cannot be read.
    pub fn refresh(&mut self, folder: &StudyFolder, plan: &Plan, examples: &Examples, label: &str) -> Result<()> {
        let specs: Vec<&ScoreSpec> =
            plan.scores.iter().filter(|spec| spec.is_ensemble() && !spec.is_imported()).collect();
        if specs.is_empty() || examples.labels.is_empty() {
            return Ok(());
        }
        for (name, sides) in known_or_made(folder, plan, examples, label, &specs)? {
            self.scores.insert((label.to_owned(), name), sides);
        }
        Ok(())
    }

    /// Reads what was imported for a model. Nobody knows the roles behind it: it is shown for all of them.
    fn read_imported(&mut self, folder: &StudyFolder, plan: &Plan, examples: usize, label: &str) {
        let has = |score: &&ImportedScore| !score.per_run && score.models.contains_key(label);
        let mut wanted = plan.imported.iter().filter(has).peekable();
        if wanted.peek().is_none() {
            return;
        }
        // A damaged file has no values; `status` says that it cannot be read.
        let Ok(mut contents) = tensors::read(&folder.imported_ensemble(label)) else { return };
        for score in wanted {
            let values = contents.tensors.remove(&score.name).and_then(|tensor| tensor.values.into_f32());
            let Some(mut values) = values.filter(|values| values.len() == examples) else { continue };
            values.iter_mut().filter(|value| value.is_infinite()).for_each(|value| *value = f32::NAN);
            let consensus = Consensus { counts: vec![0; values.len()], values, in_and_out: None };
            let sides = Sides { inside: consensus.clone(), outside: consensus };
            self.scores.insert((label.to_owned(), score.name.clone()), sides);
        }
    }

    /// A made-up score of a model.
    #[cfg(test)]
    pub fn insert(&mut self, label: &str, score: &str, consensus: Consensus) {
        let sides = Sides { inside: consensus.clone(), outside: consensus };
        self.scores.insert((label.to_owned(), score.to_owned()), sides);
    }

    /// A score of a model, as replicates say it in which the examples have a role.
    pub fn get(&self, label: &str, score: &str, role: Role) -> Option<&Consensus> {
        let sides = self.scores.get(&(label.to_owned(), score.to_owned()))?;
        Some(if role == Role::Val { &sides.outside } else { &sides.inside })
    }
}

type Named = Vec<(String, Sides)>;

fn known_or_made(
    folder: &StudyFolder,
    plan: &Plan,
    examples: &Examples,
    label: &str,
    specs: &[&ScoreSpec],
) -> Result<Named> {
    let finished = finished(folder, plan, label)?;
    if finished.is_empty() {
        return Ok(Vec::new());
    }
    let indices: Vec<u32> = finished.iter().map(|replicate| replicate.id.index).collect();
    let path = folder.ensemble(label);
    // A damaged file is made again like one that is out of date.
    let known = tensors::read(&path).ok().and_then(|contents| stored(contents, &indices, specs, examples.len()));
    if let Some(known) = known {
        return Ok(known);
    }
    let made = made(folder, &finished, examples, specs)?;
    // The last to finish leaves the file; a viewer of a folder that is not its own computes what it needs.
    if finished.len() == plan.replicates.iter().filter(|replicate| replicate.id.label == label).count() {
        let _ = write(&path, &indices, specs, &finished, &made);
    }
    Ok(made)
}

/// The finished, finite replicates of a model, by index.
fn finished<'a>(folder: &StudyFolder, plan: &'a Plan, label: &str) -> Result<Vec<&'a ReplicatePlan>> {
    let mut finished = Vec::new();
    for replicate in plan.replicates.iter().filter(|replicate| replicate.id.label == label) {
        let record = folder.replicate(&replicate.id).record()?;
        if record.is_some_and(|record| record.state == State::Finished && !record.non_finite) {
            finished.push(replicate);
        }
    }
    finished.sort_by_key(|replicate| replicate.id.index);
    Ok(finished)
}

fn made(folder: &StudyFolder, finished: &[&ReplicatePlan], examples: &Examples, specs: &[&ScoreSpec]) -> Result<Named> {
    let mut read = Vec::new();
    for replicate in finished {
        let (classes, logits) = folder.replicate(&replicate.id).final_logits()?;
        if logits.len() != examples.len() * classes {
            let path = folder.replicate(&replicate.id).path().join("final_logits.npy");
            return Err(Error::file(path, format!("expected the logits of {} examples", examples.len())));
        }
        read.push((logits, replicate.roles(examples.train, examples.len() - examples.train)));
    }
    let members: Vec<Member<'_>> = read.iter().map(|(logits, roles)| Member { logits, roles }).collect();
    let ensemble = Ensemble { members: &members, labels: &examples.labels, classes: examples.class_names.len() };
    let sides = |spec: &&ScoreSpec| {
        let (inside, outside) = (spec.consensus(&ensemble, true)?, spec.consensus(&ensemble, false)?);
        Some((spec.name.clone(), Sides { inside, outside }))
    };
    Ok(specs.iter().filter_map(sides).collect())
}

/// What tensors of a score are called: its values and counts from each side.
fn names(score: &str) -> [String; 4] {
    ["", "/count", "/val", "/val/count"].map(|part| format!("{score}{part}"))
}

/// What the counts of a score are called that compares the replicates trained on an example with the others.
fn both_names(score: &str) -> [String; 2] {
    ["in", "out"].map(|part| format!("{score}/count/{part}"))
}

fn write(
    path: &std::path::Path,
    indices: &[u32],
    specs: &[&ScoreSpec],
    finished: &[&ReplicatePlan],
    made: &Named,
) -> Result<()> {
    let mut named = BTreeMap::new();
    for (name, Sides { inside, outside }) in made {
        let [values, counts, val, val_counts] = names(name);
        named.insert(values, Tensor::vector(&inside.values));
        named.insert(counts, Tensor::new(&[inside.counts.len()], inside.counts.as_slice()));
        named.insert(val, Tensor::vector(&outside.values));
        named.insert(val_counts, Tensor::new(&[outside.counts.len()], outside.counts.as_slice()));
        // The same from either side.
        for (name, counts) in both_names(name).into_iter().zip(inside.in_and_out.iter().flatten()) {
            named.insert(name, Tensor::new(&[counts.len()], counts.as_slice()));
        }
    }
    let timetable = finished.first().map(|replicate| replicate.timetable).unwrap_or_default();
    let conventions = specs.iter().map(|spec| (spec.name.clone(), spec.conventions(&timetable)));
    let conventions = serde_json::Value::Object(conventions.collect());
    tensors::write(path, &named, &json!({"replicates": indices, "conventions": conventions}))
}

/// The scores of a file, where it is of just these replicates and has all that is asked for.
fn stored(mut contents: Contents, indices: &[u32], specs: &[&ScoreSpec], examples: usize) -> Option<Named> {
    if contents.metadata["replicates"] != json!(indices) {
        return None;
    }
    let mut named = Vec::new();
    for spec in specs {
        let [values, counts, val, val_counts] = names(&spec.name);
        let mut number = |name: &str| {
            let counts = contents.tensors.remove(name)?.values.into_u16()?;
            (counts.len() == examples).then_some(counts)
        };
        let in_and_out = if spec.compares_sides() {
            let [inside, outside] = both_names(&spec.name);
            Some([number(&inside)?, number(&outside)?])
        } else {
            None
        };
        let mut side = |values: &str, counts: &str| {
            let values = contents.tensors.remove(values)?.values.into_f32()?;
            let counts = contents.tensors.remove(counts)?.values.into_u16()?;
            let whole = values.len() == examples && counts.len() == examples;
            whole.then(|| Consensus { values, counts, in_and_out: in_and_out.clone() })
        };
        let (inside, outside) = (side(&values, &counts)?, side(&val, &val_counts)?);
        named.push((spec.name.clone(), Sides { inside, outside }));
    }
    Some(named)
}
