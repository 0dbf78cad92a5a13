//! A score was added to a study whose replicates are finished, and asks for a pass: it is made with the final weights, on a
//! worker thread as training is.
//!
//! The replicate stays finished on disk all the while: a kill, a pause or a failure on the way loses nothing, and the next run
//! makes the pass again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::added_scores::{replay, store};
use super::events::Event;
use super::learner::{Learner, LearnerState};
use super::replicate::{Context, Life, Outcome, Run, Stop};
use super::score_passes;
use super::steer::Steer;
use crate::nn::{Entry, Kernels, Layout};
use crate::scores::ScoreSpec;
use crate::store::lock::ReplicateLock;
use crate::store::record::{ReplicateRecord, State};
use crate::store::replicate::{ReplicateDir, StoredScore};
use crate::store::tensors::{Tensor, Values};
use crate::study::Plan;
use crate::study::plan::ReplicatePlan;
use crate::{Error, Result};

/// The scores that a finished replicate lacks and only its network can give.
pub fn missing(dir: &ReplicateDir, plan: &Plan, replicate: &ReplicatePlan) -> Vec<ScoreSpec> {
    let timetable = &replicate.timetable;
    let asks =
        |spec: &&ScoreSpec| spec.is_observed() && !spec.is_in_files(timetable) && spec.outlives_training(timetable);
    let asking: Vec<&ScoreSpec> = plan.scores.iter().filter(asks).collect();
    if asking.is_empty() || plan.is_imported(&replicate.id.label) {
        return Vec::new();
    }
    // Files that cannot be read are that replicate's failure, told when it is shown.
    let (Ok(Some(record)), Ok(Some(stored))) = (dir.record(), dir.scores()) else { return Vec::new() };
    let lacks = |spec: &&ScoreSpec| stored.iter().all(|score| score.name != spec.name);
    if record.state == State::Finished { asking.into_iter().filter(lacks).cloned().collect() } else { Vec::new() }
}

/// Makes the passes of the scores that a finished replicate lacks, and stores those beside the others.
///
/// # Errors
/// A weight file that is missing or not what the record says; whatever stops a pass.
pub(super) fn make<K: Kernels>(
    context: &Context,
    plan: &ReplicatePlan,
    kernels: impl FnOnce() -> Result<K>,
    steer: &Steer,
    dir: ReplicateDir,
    lock: ReplicateLock,
) -> Result<Outcome> {
    let missing = missing(&dir, &context.plan, plan);
    let (Some(record), false) = (dir.record()?, missing.is_empty()) else { return Ok(Outcome::Finished) };
    let names = missing.iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ");
    tell(context, plan, State::Running, format!("adding {names}"));
    // Passes are made for what is missing alone.
    let only = Plan { scores: missing, ..(*context.plan).clone() };
    let context = Context { plan: Arc::new(only), ..context.clone() };
    let mut run = open(&context, plan, kernels()?, steer, dir, lock, record)?;
    match score_passes::make(&mut run) {
        Ok(()) => {
            add(&run)?;
            let _ = context.events.send(Event::Log { id: Some(plan.id.clone()), text: format!("{names}: added") });
            Ok(Outcome::Finished)
        }
        Err(Stop::Leave(leave)) => {
            tell(&context, plan, State::Queued, format!("left before {names} was added"));
            Ok(Outcome::Left(leave))
        }
        Err(Stop::Error(error)) => Err(error),
    }
}

/// Shows what becomes of a replicate; its record stays as it is.
fn tell(context: &Context, plan: &ReplicatePlan, state: State, reason: String) {
    context.board.update(&plan.id, |view| {
        view.progress.state = state;
        view.progress.reason = Some(reason.clone());
    });
    // Nobody listening any more is no reason to stop.
    let _ = context.events.send(Event::State { id: plan.id.clone(), state, reason: Some(reason) });
}

/// A run that stands where the replicate's ended, its observers fed with all that is stored.
fn open<'a, K: Kernels>(
    context: &'a Context,
    plan: &'a ReplicatePlan,
    kernels: K,
    steer: &'a Steer,
    dir: ReplicateDir,
    lock: ReplicateLock,
    record: ReplicateRecord,
) -> Result<Run<'a, K>> {
    let dataset = &*context.dataset;
    let model = crate::models::parse(&plan.model).map_err(Error::Usage)?;
    let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes())?;
    check_backend(context, &dir, &record, &learner.backend_id())?;
    restore(&mut learner, &dir, &record)?;
    let missing = || Error::file(dir.path(), "has no observations; delete the folder to train it again");
    let observations = dir.open_observations()?.ok_or_else(missing)?;
    let rows = plan.timetable.rows_after(record.epochs_done);
    let mut run = Run::new((context, plan, steer), (dir, lock, record), learner, observations);
    replay(&mut run.observers, &run.life.dir, &run.observations, rows, &dataset.labels)?;
    Ok(run)
}

/// Other arithmetic gives other bits: that is refused unless forced, and then recorded.
fn check_backend(context: &Context, dir: &ReplicateDir, record: &ReplicateRecord, now: &str) -> Result<()> {
    let then = &record.backend_id;
    if then == now {
        return Ok(());
    }
    if !context.force {
        return Err(Error::Failed(format!(
            "it was trained by {then}, this is {now}: added scores would not be of the same arithmetic; --force adds them"
        )));
    }
    dir.log(&format!("scores are added by {now}, it was trained by {then}"))
}

/// Gives a network the final weights of a replicate.
fn restore<K: Kernels>(learner: &mut Learner<K>, dir: &ReplicateDir, record: &ReplicateRecord) -> Result<()> {
    let tensors = dir.weights()?;
    let damaged = |reason: String| {
        let advice = "put the right file back, or delete the replicate's folder to train it again";
        Error::file(dir.path().join("weights.safetensors"), format!("{reason}; {advice}"))
    };
    let Layout { parameters, statistics, .. } = learner.layout();
    let state = LearnerState {
        weights: arena(parameters, &tensors).map_err(damaged)?,
        statistics: arena(statistics, &tensors).map_err(damaged)?,
        momentum: vec![0.0; learner.layout().parameter_count()],
    };
    if record.weights_digest.as_ref().is_some_and(|digest| *digest != state.digest()) {
        return Err(damaged("its values are not those that replicate.json has the digest of".into()));
    }
    learner.restore(&state)
}

/// The values of a table's entries, in its order.
fn arena(table: &[Entry], tensors: &BTreeMap<String, Tensor<'_>>) -> Result<Vec<f32>, String> {
    let end = table.iter().map(|entry| entry.place.range().end).max().unwrap_or(0);
    let mut arena = vec![0.0; end];
    for entry in table {
        let tensor = tensors.get(&entry.name).filter(|tensor| tensor.shape == entry.shape);
        let values =
            tensor.and_then(|tensor| if let Values::F32(values) = &tensor.values { Some(values) } else { None });
        let place = arena.get_mut(entry.place.range());
        let (Some(values), Some(place)) = (values, place) else {
            return Err(format!("expected a tensor {} of shape {:?} in f32", entry.name, entry.shape));
        };
        for (to, from) in place.iter_mut().zip(values.iter()) {
            *to = *from;
        }
    }
    Ok(arena)
}

/// Stores what the observers have seen.
fn add<K: Kernels>(run: &Run<'_, K>) -> Result<()> {
    let Life { dir, context, plan, record, .. } = &run.life;
    if !run.lock.still_owned() {
        return Err(Error::Failed("another process took this replicate over; it goes on there".into()));
    }
    let backend = run.learner.backend_id();
    let scores = context.plan.scores.iter().zip(&run.observers).map(|(spec, observer)| {
        let mut conventions = spec.conventions(&plan.timetable);
        if backend != record.backend_id {
            conventions["backend_id"] = backend.clone().into();
        }
        StoredScore { name: spec.name.clone(), values: observer.values(), conventions }
    });
    store(dir, scores.collect(), "scores added from the final weights")
}
