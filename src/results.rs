//! What a study's folder knows about its replicates, as the views that the screen and the analyses read.

pub mod evidence;

use std::ops::Range;
use std::sync::Arc;

use ndarray::Array2;

use crate::analysis::{ModelScores, ScoreRuns, UNSEEN};
use crate::data::{Examples, Role};
use crate::nn::kernels::observe_logits;
use crate::scores::{Record, ScoreSpec, Sizes};
use crate::store::folder::StudyFolder;
use crate::store::imported::is_flagged;
use crate::store::lock;
use crate::store::record::{ReplicateRecord, STOPPED, State};
use crate::study::plan::{Plan, ReplicatePlan};
use crate::study::{ImportedScore, ReplicateId};
use crate::train::added_scores::replay;
use crate::train::board::{Board, LiveScores, MarginQuantiles, Progress, ReplicateView, margin_history};
use crate::train::ensembles::Ensembles;
use crate::{Error, Result};

/// The examples of a study, as far as its folder alone tells.
///
/// # Errors
/// A table of examples that is missing or not one.
pub fn examples(folder: &StudyFolder) -> Result<Examples> {
    let table = folder.examples()?;
    let class_names = folder.record().class_names.clone();
    let (labels, true_labels) = (table.given_labels, table.labels);
    Ok(Examples { ids: table.ids, labels, true_labels, class_names, train: table.train })
}

/// The board of a study, as its folder knows it.
pub fn board(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Board {
    Board::of(views(folder, plan, examples)).with_ensembles(Ensembles::of(folder, plan, examples))
}

/// Views of all replicates of a plan, in its order; one whose files cannot be read is shown as failed, with the reason.
pub fn views(folder: &StudyFolder, plan: &Plan, examples: &Examples) -> Vec<ReplicateView> {
    let view = |queued: Progress| {
        view(folder, plan, examples, queued.clone()).unwrap_or_else(|error| {
            ReplicateView::new(unreadable(queued.clone(), &error), roles(plan, &queued.id, examples))
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
pub fn queued(plan: &Plan) -> impl Iterator<Item = Progress> + '_ {
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
pub fn view(folder: &StudyFolder, plan: &Plan, examples: &Examples, mut progress: Progress) -> Result<ReplicateView> {
    let (specs, roles) = (&plan.scores, roles(plan, &progress.id, examples));
    let Some((record, stopped)) = record_of(folder, &progress.id)? else {
        return Ok(ReplicateView::new(progress, roles));
    };
    follow(&mut progress, &record, stopped);
    let margins = margins_of(folder, &progress, &roles)?;
    let scores = match progress.state {
        State::Finished => finished(folder, &progress, plan, examples)?,
        _ => recomputed(folder, &progress, specs, examples, (record.observed, &roles))?,
    };
    Ok(ReplicateView { progress, roles, margins: Arc::new(margins), scores: scores.map(Arc::new) })
}

/// What each example of the study is to a replicate; nothing of one that the plan does not know.
fn roles(plan: &Plan, id: &ReplicateId, examples: &Examples) -> Arc<[Role]> {
    let plan = plan.replicates.iter().find(|plan| plan.id == *id);
    plan.map_or_else(Arc::default, |plan| plan.roles(examples.train, examples.len() - examples.train))
}

/// The stored scores of a finished replicate, in the order of the plan's; NaN where one was not stored, and in the whole of an
/// imported score that is not finite in this run.
///
/// # Errors
/// A file that is missing, cannot be read or is not of this study.
pub fn finished(
    folder: &StudyFolder,
    progress: &Progress,
    plan: &Plan,
    examples: &Examples,
) -> Result<Option<LiveScores>> {
    let dir = folder.replicate(&progress.id);
    let Some(stored) = dir.scores()? else {
        return Err(Error::file(dir.path().join("scores.safetensors"), "is missing"));
    };
    let stored = stored.into_iter().map(|score| (score.name.clone(), score));
    let mut stored: std::collections::HashMap<_, _> = stored.collect();
    let count = examples.len();
    let values = plan.scores.iter().map(|spec| match stored.remove(&spec.name) {
        Some(score) if spec.is_imported() && is_flagged(&score.conventions) => Ok(vec![f32::NAN; count]),
        Some(score) if score.values.len() == count => Ok(score.values),
        Some(score) => Err(Error::file(
            dir.path().join("scores.safetensors"),
            format!("{} has {} values, the study has {count} examples", spec.name, score.values.len()),
        )),
        None => Ok(vec![f32::NAN; count]),
    });
    let values = values.collect::<Result<_>>()?;
    let mut record = Record::default();
    if !plan.is_imported(&progress.id.label) {
        let (classes, logits) = dir.final_logits()?;
        observe_logits(&logits, &examples.labels, classes, &mut record);
    }
    Ok(Some(LiveScores { epoch: progress.epochs_done, values, predicted: record.predicted }))
}

/// What a reader of a model's imported scores must know: runs that have no values of them.
pub fn left_out(views: &[ReplicateView], plan: &Plan, model: &str) -> Vec<LeftOut> {
    let runs: Vec<&ReplicateView> = views.iter().filter(|view| counts(view, model)).collect();
    let imported = plan.imported.iter().filter(|score| score.per_run && score.models.contains_key(model));
    let without = |score: &ImportedScore| {
        let place = plan.scores.iter().position(|spec| spec.name == score.name)?;
        let has_values = |view: &&&ReplicateView| {
            let values = view.scores.as_ref().and_then(|scores| scores.values.get(place));
            values.is_some_and(|values| values.iter().any(|value| !value.is_nan()))
        };
        let (of, with) = (runs.len(), runs.iter().filter(has_values).count());
        let (model, score) = (model.to_owned(), score.name.clone());
        (with < of).then(|| LeftOut { model, score, runs: of - with, of })
    };
    imported.filter_map(without).collect()
}

/// Runs of a model that have no values of an imported score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The model's label.
    pub model: String,
    /// The score's name.
    pub score: String,
    /// How many runs.
    pub runs: usize,
    /// Of how many that count.
    pub of: usize,
}

impl std::fmt::Display for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, score, runs, of } = self;
        let reason = "imported with values that are not finite, or trained after the import";
        write!(f, "{model}: `{score}`: {runs} of {of} runs left out of means ({reason})")
    }
}

/// Scores so far of an unfinished replicate, from its stored observations; scores of other passes stay NaN.
fn recomputed(
    folder: &StudyFolder,
    progress: &Progress,
    specs: &[ScoreSpec],
    examples: &Examples,
    (observed, roles): (usize, &Arc<[Role]>),
) -> Result<Option<LiveScores>> {
    let epoch = progress.epochs_done;
    let rows = progress.timetable.rows_after(epoch);
    let Some(last) = (rows as usize).checked_sub(1) else { return Ok(None) };
    let dir = folder.replicate(&progress.id);
    let Some(observations) = dir.open_observations()? else { return Ok(None) };
    let (roles, classes) = (roles.clone(), examples.class_names.len());
    let sizes = Sizes { roles, observed, classes, timetable: progress.timetable };
    let mut observers: Vec<_> = specs.iter().map(|spec| spec.observer(&sizes)).collect();
    replay(&mut observers, &dir, &observations, rows, &examples.labels)?;
    let values = observers.iter().map(|observer| observer.values()).collect();
    Ok(Some(LiveScores { epoch, values, predicted: observations.row(last)?.predicted }))
}

/// Margin quantiles over the examples that it trains on, an entry per row so far.
fn margins_of(folder: &StudyFolder, progress: &Progress, roles: &[Role]) -> Result<Vec<MarginQuantiles>> {
    let Some(observations) = folder.replicate(&progress.id).open_observations()? else { return Ok(Vec::new()) };
    margin_history(&observations, progress.timetable.rows_after(progress.epochs_done), roles)
}

/// All that is known of a study's replicates.
#[derive(Debug, Clone, Copy)]
pub struct Study<'a> {
    /// One by one.
    pub views: &'a [ReplicateView],
    /// Together.
    pub ensembles: &'a Ensembles,
}

/// Whether a replicate counts among the runs of a model.
fn counts(view: &ReplicateView, model: &str) -> bool {
    view.progress.id.label == model && view.progress.counts()
}

/// The runs of a model that count: finished, and every loss was finite.
#[derive(Debug, Clone)]
pub struct Runs<'a> {
    runs: Vec<(&'a ReplicateView, &'a LiveScores)>,
    train: usize,
}

impl<'a> Runs<'a> {
    /// Those of a model, in the order of the views.
    pub fn of(views: &'a [ReplicateView], model: &str, train: usize) -> Self {
        let counted = views.iter().filter(|view| counts(view, model));
        Self { runs: counted.filter_map(|view| Some((view, view.scores.as_deref()?))).collect(), train }
    }

    /// Each with its scores.
    pub fn iter(&self) -> impl Iterator<Item = (&'a ReplicateView, &'a LiveScores)> {
        self.runs.iter().copied()
    }

    /// Their indices.
    pub fn indices(&self) -> Vec<u32> {
        self.iter().map(|(view, _)| view.progress.id.index).collect()
    }

    /// The positions of the examples that can have a role.
    fn part(&self, role: Role) -> Range<usize> {
        self.runs.first().map_or(0..0, |(view, _)| part_of(role, self.train, view.roles.len()))
    }

    /// `[runs, examples of the role]`: the score at a place of the plan; NaN where an example had another role in the run.
    pub fn values(&self, place: usize, role: Role) -> Array2<f32> {
        // A run that was trained after an import has no such values: its row stays, so that rows are runs.
        self.of_role(role, f32::NAN, |scores, at| scores.values.get(place)?.get(at).copied())
    }

    /// `[runs, examples of the role]`: the class that each final network gives; [`UNSEEN`] where an example had another role
    /// in the run. Empty where no run has a network.
    pub fn predicted(&self, role: Role) -> Array2<u16> {
        if self.iter().all(|(_, scores)| scores.predicted.is_empty()) {
            return Array2::default((0, 0));
        }
        self.of_role(role, UNSEEN, |scores, at| scores.predicted.get(at).copied())
    }

    fn of_role<T: Copy>(&self, role: Role, missing: T, value: impl Fn(&LiveScores, usize) -> Option<T>) -> Array2<T> {
        let part = self.part(role);
        let cell = |run: usize, example: usize| -> Option<T> {
            let (view, scores) = self.runs.get(run)?;
            let at = part.start + example;
            (*view.roles.get(at)? == role).then(|| value(scores, at))?
        };
        Array2::from_shape_fn((self.runs.len(), part.len()), |(run, example)| cell(run, example).unwrap_or(missing))
    }
}

/// The positions of the examples that can have a role, of so many of which the first are training examples.
fn part_of(role: Role, train: usize, all: usize) -> Range<usize> {
    if role == Role::Test { train..all.max(train) } else { 0..train }
}

/// One score of a model, the plan's at that place, for the examples of a role.
pub fn score_runs(
    study: Study<'_>,
    (place, spec): (usize, &ScoreSpec),
    model: &str,
    runs: &Runs<'_>,
    role: Role,
) -> ScoreRuns {
    let values = if spec.is_ensemble() {
        let consensus = study.ensembles.get(model, &spec.name, role);
        let values =
            consensus.and_then(|consensus| consensus.values.get(part_of(role, runs.train, consensus.values.len())));
        let values = values.unwrap_or_default();
        Array2::from_shape_fn((1, values.len()), |(_, example)| values.get(example).copied().unwrap_or(f32::NAN))
    } else {
        runs.values(place, role)
    };
    ScoreRuns { name: spec.name.clone(), harder: spec.harder(), values }
}

/// The scores of a model over its finished, finite replicates, for the examples of a role: where an example had another role in a
/// run, the run has no value for it.
pub fn model_scores(study: Study<'_>, specs: &[ScoreSpec], model: &str, role: Role, train: usize) -> ModelScores {
    let runs = Runs::of(study.views, model, train);
    let score = |spec: (usize, &ScoreSpec)| score_runs(study, spec, model, &runs, role);
    ModelScores {
        model: model.to_owned(),
        role: role.name(),
        runs: runs.indices(),
        scores: specs.iter().enumerate().map(score).collect(),
        cohort: Arc::default(),
        predicted: runs.predicted(role),
    }
}
