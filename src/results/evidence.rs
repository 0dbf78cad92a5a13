//! What do finished replicates leave beside their scores, read one at a time from their folders?

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::{Array2, Array3};

use crate::analysis::evidence::{Evidence, Look, Probes};
use crate::data::Examples;
use crate::store::folder::StudyFolder;
use crate::store::probes::StoredProbes;
use crate::store::replicate::ReplicateDir;
use crate::study::{Plan, ReplicateId};
use crate::{Error, Result};

/// A study whose folder is at hand.
#[derive(Debug)]
pub struct Source {
    /// Its folder.
    pub folder: StudyFolder,
    /// Its plan.
    pub plan: Plan,
    /// Its examples.
    pub examples: Examples,
}

/// The evidence of the models of one or several studies.
#[derive(Debug, Default)]
pub struct FolderEvidence {
    /// By the name that an analysis has for a model: its study, and its label there.
    models: HashMap<String, (Arc<Source>, String)>,
}

impl FolderEvidence {
    /// Adds a study's model under a name.
    pub fn add(&mut self, name: &str, source: &Arc<Source>, label: &str) {
        self.models.insert(name.to_owned(), (source.clone(), label.to_owned()));
    }

    fn find(&self, model: &str, run: u32) -> Option<(&Source, ReplicateId)> {
        let (source, label) = self.models.get(model)?;
        Some((source, ReplicateId { label: label.clone(), index: run }))
    }
}

impl Evidence for FolderEvidence {
    fn probes(&self, model: &str, run: u32, score: &str) -> Result<Option<Probes>> {
        let Some((source, id)) = self.find(model, run) else { return Ok(None) };
        let dir = source.folder.replicate(&id);
        let Some(stored) = dir.probes(score)? else { return Ok(None) };
        shaped(stored, &source.examples).map(Some).map_err(|reason| Error::file(dir.path(), reason))
    }

    fn course(&self, model: &str, run: u32, take: &mut dyn FnMut(Look<'_>)) -> Result<()> {
        let Some((source, id)) = self.find(model, run) else { return Ok(()) };
        course(source, &id, take)
    }
}

/// The probes as arrays, if they are of the study's examples.
fn shaped(stored: StoredProbes, examples: &Examples) -> Result<Probes, String> {
    let (probes, asked, expected) = (stored.names.len(), stored.examples(), examples.len());
    if asked != expected {
        return Err(format!("its probes were asked about {asked} examples, the study has {expected}"));
    }
    let classes = stored.votes.len() / (probes * asked).max(1);
    let wrong = |error: ndarray::ShapeError| format!("its probes: {error}");
    Ok(Probes {
        names: stored.names,
        predicted: Array2::from_shape_vec((probes, asked), stored.predicted).map_err(wrong)?,
        votes: Array3::from_shape_vec((probes, asked, classes), stored.votes).map_err(wrong)?,
    })
}

fn course(source: &Source, id: &ReplicateId, take: &mut dyn FnMut(Look<'_>)) -> Result<()> {
    let Some(planned) = source.plan.replicates.iter().find(|replicate| replicate.id == *id) else { return Ok(()) };
    let dir = source.folder.replicate(id);
    if let Some(predicted) = dir.initial_predicted()? {
        let test_accuracy = test_accuracy(&predicted, &source.examples);
        take(Look { epoch: 0, predicted: &predicted, test_accuracy });
    }
    let Some(observations) = dir.open_observations()? else { return Ok(()) };
    let tested = tested(&dir)?;
    let (all, observed) = (observations.predictions()?, observations.observed());
    for (row, predicted) in (0..planned.timetable.rows).zip(all.chunks_exact(observed.max(1))) {
        let epoch = planned.timetable.epoch_of(row);
        let test_accuracy = tested.get(&epoch).copied().unwrap_or(f64::NAN);
        take(Look { epoch, predicted, test_accuracy });
    }
    Ok(())
}

/// Test accuracy by epoch.
fn tested(dir: &ReplicateDir) -> Result<HashMap<u32, f64>> {
    Ok(dir.epochs()?.into_iter().map(|line| (line.epoch, line.test_accuracy)).collect())
}

fn test_accuracy(predicted: &[u16], examples: &Examples) -> f64 {
    let tested = predicted.iter().zip(&examples.labels).skip(examples.train);
    let (right, all) = tested.fold((0_usize, 0_usize), |(right, all), (predicted, label)| {
        (right + usize::from(predicted == label), all + 1)
    });
    right as f64 / all as f64
}
