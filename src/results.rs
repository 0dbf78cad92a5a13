//! What a study's folder knows about its replicates, as the views that the screen and the analyses read.

use std::sync::Arc;

use ndarray::Array2;

use crate::analysis::{ModelScores, ScoreRuns};
use crate::data::Examples;
use crate::nn::kernels::observe_logits;
use crate::scores::{Record, ScoreSpec};
use crate::store::folder::StudyFolder;
use crate::store::record::{ReplicateRecord, State};
use crate::study::ReplicateId;
use crate::study::plan::Plan;
use crate::train::added_scores::replay;
use crate::train::board::{LiveScores, MarginQuantiles, Progress, ReplicateView, margin_quantiles};
use crate::{Error, Result};

/// The examples of a study, as far as its folder alone tells.
///
/// # Errors
/// A table of examples that is missing or not one.
pub fn examples(folder: &StudyFolder) -> Result<Examples> {
    let table = folder.examples()?;
    let class_names = folder.record().class_names.clone();
    Ok(Examples { ids: table.ids, labels: table.given_labels, class_names, train: table.train })
}

/// Views of all replicates of a plan, in its order.
///
/// # Errors
/// A file that cannot be read or is not what it should be.
pub fn views(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Result<Vec<ReplicateView>> {
    plan.replicates
        .iter()
        .map(|replicate| {
            let queued = Progress::queued(replicate.id.clone(), replicate.key.seed(), replicate.recipe.epochs);
            view(folder, &plan.scores, examples, queued)
        })
        .collect()
}

/// The progress of one replicate, brought up to date with its record.
///
/// # Errors
/// A record that cannot be read.
pub fn progress(folder: &StudyFolder, mut progress: Progress) -> Result<Progress> {
    if let Some(record) = folder.replicate(&progress.id).record()? {
        follow(&mut progress, &record);
    }
    Ok(progress)
}

fn follow(progress: &mut Progress, record: &ReplicateRecord) {
    progress.follow(record);
    if record.is_stopped(crate::store::now()) {
        progress.state = State::Queued;
        progress.reason = Some("stopped; goes on from its last checkpoint".into());
    }
}

/// The view of one replicate; `progress` is what is known without the folder.
///
/// # Errors
/// As [`views`].
pub fn view(
    folder: &StudyFolder,
    specs: &[ScoreSpec],
    examples: &Examples,
    mut progress: Progress,
) -> Result<ReplicateView> {
    let Some(record) = folder.replicate(&progress.id).record()? else {
        return Ok(ReplicateView { progress, margins: Arc::default(), scores: None });
    };
    follow(&mut progress, &record);
    let (margins, scores) = match record.state {
        State::Finished => {
            (margins_of(folder, &progress.id, &record, examples)?, finished(folder, &progress.id, specs, examples)?)
        }
        _ if record.epochs_done > 0 => (
            margins_of(folder, &progress.id, &record, examples)?,
            recomputed(folder, &progress.id, specs, examples, &record)?,
        ),
        _ => (Vec::new(), None),
    };
    Ok(ReplicateView { progress, margins: Arc::new(margins), scores: scores.map(Arc::new) })
}

/// The stored scores of a finished replicate, in the order of the specs; NaN where one was not stored.
fn finished(
    folder: &StudyFolder,
    id: &ReplicateId,
    specs: &[ScoreSpec],
    examples: &Examples,
) -> Result<Option<LiveScores>> {
    let dir = folder.replicate(id);
    let epoch = dir.record()?.map_or(0, |record| record.epochs_done);
    let stored = dir.scores()?.unwrap_or_default().into_iter().map(|score| (score.name, score.values));
    let mut stored: std::collections::HashMap<_, _> = stored.collect();
    let count = examples.labels.len();
    let values = specs.iter().map(|spec| match stored.remove(&spec.name) {
        Some(values) if values.len() == count => Ok(values),
        Some(values) => Err(Error::file(
            dir.path().join("scores.safetensors"),
            format!("{} has {} values, the study has {count} examples", spec.name, values.len()),
        )),
        None => Ok(vec![f32::NAN; count]),
    });
    let (classes, logits) = dir.final_logits()?;
    let mut record = Record::default();
    observe_logits(&logits, &examples.labels, classes, &mut record);
    Ok(Some(LiveScores { epoch, values: values.collect::<Result<_>>()?, predicted: record.predicted }))
}

/// Scores so far of an unfinished replicate, from its stored observations; scores of other passes stay NaN.
fn recomputed(
    folder: &StudyFolder,
    id: &ReplicateId,
    specs: &[ScoreSpec],
    examples: &Examples,
    record: &ReplicateRecord,
) -> Result<Option<LiveScores>> {
    let Some(observations) = folder.replicate(id).open_observations()? else { return Ok(None) };
    let (count, classes) = (examples.labels.len(), examples.class_names.len());
    let observer = |spec: &ScoreSpec| spec.observer(count, record.observed, classes, record.epochs);
    let mut observers: Vec<_> = specs.iter().map(observer).collect();
    for observer in &mut observers {
        replay(observer.as_mut(), &observations, record.epochs_done, &examples.labels)?;
    }
    let values = observers.iter().map(|observer| observer.values()).collect();
    let predicted = observations.row(record.epochs_done as usize - 1)?.predicted;
    Ok(Some(LiveScores { epoch: record.epochs_done, values, predicted }))
}

fn margins_of(
    folder: &StudyFolder,
    id: &ReplicateId,
    record: &ReplicateRecord,
    examples: &Examples,
) -> Result<Vec<MarginQuantiles>> {
    let Some(observations) = folder.replicate(id).open_observations()? else { return Ok(Vec::new()) };
    (0..record.epochs_done as usize)
        .map(|t| Ok(margin_quantiles(observations.margin_row(t)?.get(..examples.train).unwrap_or(&[]))))
        .collect()
}

/// The scores of a model over its finished, finite replicates, for the training (`train`) or test examples.
pub fn model_scores(
    views: &[ReplicateView],
    specs: &[ScoreSpec],
    model: &str,
    role: &'static str,
    train: usize,
) -> ModelScores {
    let counts = |view: &&ReplicateView| {
        let progress = &view.progress;
        progress.id.label == model && progress.state == State::Finished && !progress.non_finite
    };
    let runs: Vec<_> = views.iter().filter(counts).filter_map(|view| Some((view, view.scores.as_ref()?))).collect();
    let score = |(place, spec): (usize, &ScoreSpec)| {
        let rows: Vec<&[f32]> = runs
            .iter()
            .filter_map(|(_, scores)| {
                let all = scores.values.get(place)?.as_slice();
                if role == "test" { all.get(train..) } else { all.get(..train) }
            })
            .collect();
        let examples = rows.first().map_or(0, |row| row.len());
        let values = Array2::from_shape_fn((rows.len(), examples), |(run, example)| rows[run][example]);
        ScoreRuns { name: spec.name.clone(), harder: spec.harder(), values }
    };
    ModelScores {
        model: model.to_owned(),
        role,
        runs: runs.iter().map(|(view, _)| view.progress.id.index).collect(),
        scores: specs.iter().enumerate().map(score).collect(),
    }
}
