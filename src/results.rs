//! What a study's folder knows about its replicates, as the views that the screen and the analyses read.

use std::sync::Arc;

use ndarray::Array2;

use crate::analysis::{ModelScores, ScoreRuns};
use crate::data::Examples;
use crate::nn::kernels::observe_logits;
use crate::scores::{Record, ScoreSpec};
use crate::store::folder::StudyFolder;
use crate::store::lock;
use crate::store::record::{ReplicateRecord, STOPPED, State};
use crate::study::ReplicateId;
use crate::study::plan::{Plan, ReplicatePlan};
use crate::train::added_scores::replay;
use crate::train::board::{LiveScores, MarginQuantiles, Progress, ReplicateView, margin_history};
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

/// Views of all replicates of a plan, in its order; one whose files cannot be read is shown as failed, with the reason.
pub fn views(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Vec<ReplicateView> {
    let view = |queued: Progress| {
        view(folder, &plan.scores, examples, queued.clone()).unwrap_or_else(|error| ReplicateView {
            progress: unreadable(queued, &error),
            margins: Arc::default(),
            scores: None,
        })
    };
    queued(plan).map(view).collect()
}

/// The progress of all replicates of a plan, in its order, as far as their records alone tell.
pub fn all_progress(folder: &StudyFolder, plan: &Plan) -> Vec<Progress> {
    let known = |queued: Progress| progress(folder, queued.clone()).unwrap_or_else(|error| unreadable(queued, &error));
    queued(plan).map(known).collect()
}

/// What is known of every replicate without the folder.
fn queued(plan: &Plan) -> impl Iterator<Item = Progress> {
    let queued =
        |replicate: &ReplicatePlan| Progress::queued(replicate.id.clone(), replicate.key.seed(), replicate.timetable);
    plan.replicates.iter().map(queued)
}

fn unreadable(mut progress: Progress, error: &Error) -> Progress {
    progress.state = State::Failed;
    progress.reason = Some(format!("{error}; delete its folder to train it again"));
    progress
}

/// The progress of one replicate, brought up to date with its record.
///
/// # Errors
/// A record that cannot be read.
pub fn progress(folder: &StudyFolder, mut progress: Progress) -> Result<Progress> {
    if let Some((record, stopped)) = record_of(folder, &progress.id)? {
        follow(&mut progress, &record, stopped);
    }
    Ok(progress)
}

/// A replicate's record, and whether nobody trains it although it says so: its lock is free, or its heartbeat old.
fn record_of(folder: &StudyFolder, id: &ReplicateId) -> Result<Option<(ReplicateRecord, bool)>> {
    let dir = folder.replicate(id);
    let Some(record) = dir.record()? else { return Ok(None) };
    if record.claims_to_run() && lock::is_abandoned(dir.path()) {
        // Whoever leaves in good order says so before it lets go of the lock, and whoever comes takes the lock first:
        // only a record that stands still is that of the dead.
        let again = dir.record()?.unwrap_or_default();
        let stopped = again == record || again.is_stopped(crate::store::now());
        return Ok(Some((again, stopped)));
    }
    let stopped = record.is_stopped(crate::store::now());
    Ok(Some((record, stopped)))
}

fn follow(progress: &mut Progress, record: &ReplicateRecord, stopped: bool) {
    progress.follow(record);
    if stopped {
        progress.state = State::Queued;
        progress.epochs_done = record.epochs_committed;
        progress.reason = Some(STOPPED.into());
    }
}

/// The view of one replicate; `progress` is what is known without the folder.
///
/// # Errors
/// A file that cannot be read or is not what it should be.
pub fn view(
    folder: &StudyFolder,
    specs: &[ScoreSpec],
    examples: &Examples,
    mut progress: Progress,
) -> Result<ReplicateView> {
    let Some((record, stopped)) = record_of(folder, &progress.id)? else {
        return Ok(ReplicateView { progress, margins: Arc::default(), scores: None });
    };
    follow(&mut progress, &record, stopped);
    let margins = margins_of(folder, &progress, examples)?;
    let scores = match progress.state {
        State::Finished => finished(folder, &progress, specs, examples)?,
        _ => recomputed(folder, &progress, specs, examples, record.observed)?,
    };
    Ok(ReplicateView { progress, margins: Arc::new(margins), scores: scores.map(Arc::new) })
}

/// The stored scores of a finished replicate, in the order of the specs; NaN where one was not stored.
fn finished(
    folder: &StudyFolder,
    progress: &Progress,
    specs: &[ScoreSpec],
    examples: &Examples,
) -> Result<Option<LiveScores>> {
    let dir = folder.replicate(&progress.id);
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
    let values = values.collect::<Result<_>>()?;
    Ok(Some(LiveScores { epoch: progress.epochs_done, values, predicted: record.predicted }))
}

/// Scores so far of an unfinished replicate, from its stored observations; scores of other passes stay NaN.
fn recomputed(
    folder: &StudyFolder,
    progress: &Progress,
    specs: &[ScoreSpec],
    examples: &Examples,
    observed: usize,
) -> Result<Option<LiveScores>> {
    let epoch = progress.epochs_done;
    let rows = progress.timetable.rows_after(epoch);
    let Some(last) = (rows as usize).checked_sub(1) else { return Ok(None) };
    let Some(observations) = folder.replicate(&progress.id).open_observations()? else { return Ok(None) };
    let (count, classes) = (examples.labels.len(), examples.class_names.len());
    let observer = |spec: &ScoreSpec| spec.observer(count, observed, classes, &progress.timetable);
    let mut observers: Vec<_> = specs.iter().map(observer).collect();
    replay(&mut observers, &observations, rows, &examples.labels)?;
    let values = observers.iter().map(|observer| observer.values()).collect();
    Ok(Some(LiveScores { epoch, values, predicted: observations.row(last)?.predicted }))
}

/// Margin quantiles over the training examples, an entry per row so far.
fn margins_of(folder: &StudyFolder, progress: &Progress, examples: &Examples) -> Result<Vec<MarginQuantiles>> {
    let Some(observations) = folder.replicate(&progress.id).open_observations()? else { return Ok(Vec::new()) };
    margin_history(&observations, progress.timetable.rows_after(progress.epochs_done), examples.train)
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
