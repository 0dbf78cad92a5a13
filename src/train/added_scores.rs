//! A score was added to a study that is under way: what can still be computed, and what cannot any more?
//!
//! Final weights are enough for passes after the last epoch ([`late_passes`](super::late_passes)); here is what files alone give.
//! Scores of observations come from the stored rows (entropy is kept as f16 there, so `entropy` agrees to 1e-3 with a
//! score that was there from the start; the others to 1e-5 or exactly). Logits of the last epoch are stored; those of earlier epochs are gone.

use std::collections::BTreeSet;

use crate::data::Dataset;
use crate::scores::{Need, Observer, Pass, ScoreSpec, Sizes};
use crate::store::StudyFolder;
use crate::store::lock::Claim;
use crate::store::observations::Observations;
use crate::store::record::{ReplicateRecord, State};
use crate::store::replicate::{ReplicateDir, StoredScore};
use crate::study::Plan;
use crate::study::plan::ReplicatePlan;
use crate::{Error, Result};

/// Refuses scores that replicates of the study can no longer give.
///
/// # Errors
/// `Error::Usage` with every such score and replicate.
pub fn check(folder: &StudyFolder, plan: &Plan) -> Result<()> {
    let mut lines = Vec::new();
    for replicate in &plan.replicates {
        // A record that cannot be read is that replicate's failure, told when its turn comes.
        let Ok(Some(record)) = folder.replicate(&replicate.id).record() else { continue };
        let needs = |spec: &ScoreSpec| spec.needs(&replicate.timetable);
        let dir = folder.replicate(&replicate.id);
        let first_gone =
            |spec: &ScoreSpec| needs(spec).iter().flat_map(|need| gone(need, replicate, &record, &dir)).next();
        let late: Vec<_> = plan.scores.iter().filter_map(|spec| Some((spec, first_gone(spec)?))).collect();
        // Scores and checkpoints are large: they are read only where a pass went by that a score may have missed.
        if late.is_empty() {
            continue;
        }
        let Ok(known) = known_scores(&dir, &record) else { continue };
        for (spec, epoch) in late.iter().filter(|(spec, _)| !known.contains(&spec.name)) {
            lines.push(format!("{}: `{}` needs a pass after epoch {epoch}", replicate.id, spec.name));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let advice = "these scores were added too late, what they need is gone; leave them out or use another --dir";
    Err(Error::Usage(format!("{}: {advice}\n  {}", folder.path().display(), lines.join("\n  "))))
}

/// Scores that a replicate has already: stored when it is finished, else kept in its checkpoint.
fn known_scores(dir: &ReplicateDir, record: &ReplicateRecord) -> Result<BTreeSet<String>> {
    if record.state == State::Finished {
        // Of a finished replicate they are there, or it is damaged: told when it is shown.
        let missing = || Error::file(dir.path().join("scores.safetensors"), "is missing");
        return Ok(dir.scores()?.ok_or_else(missing)?.into_iter().map(|score| score.name).collect());
    }
    let accumulators = dir.checkpoint()?.map(|checkpoint| checkpoint.accumulators).unwrap_or_default();
    Ok(accumulators.iter().filter_map(|(key, _)| Some(key.rsplit_once('/')?.0.to_owned())).collect())
}

/// Epochs whose passes are wanted, went by, and left nothing behind.
fn gone(need: &Need, plan: &ReplicatePlan, record: &ReplicateRecord, dir: &ReplicateDir) -> Vec<u32> {
    let finished = record.state == State::Finished;
    let committed = if finished { record.epochs_done } else { record.epochs_committed };
    let there = |epoch: u32| match finished {
        // Predictions at initialisation are stored where a score asked for them.
        _ if need.pass == Pass::Predictions && epoch == 0 => dir.has_initial_predicted(),
        true => need.pass.outlives_training(epoch, plan.timetable.epochs),
        false => need.pass.is_stored(epoch, plan.timetable.epochs, false),
    };
    let lost = |epoch: &u32| committed > 0 && *epoch <= committed && !there(*epoch);
    need.after.iter().copied().filter(lost).collect()
}

/// Computes the scores that finished replicates do not have yet, and stores them beside the others; `lockless` as in
/// [`ReplicateDir::claim`].
///
/// # Errors
/// A file that cannot be read or written.
pub fn fill(folder: &StudyFolder, plan: &Plan, dataset: &Dataset, lockless: bool) -> Result<()> {
    for replicate in plan.replicates.iter().filter(|replicate| !plan.is_imported(&replicate.id.label)) {
        fill_one(folder, &plan.scores, replicate, (dataset, lockless))?;
    }
    Ok(())
}

fn fill_one(
    folder: &StudyFolder,
    specs: &[ScoreSpec],
    plan: &ReplicatePlan,
    (dataset, lockless): (&Dataset, bool),
) -> Result<()> {
    let (timetable, labels, dir) = (&plan.timetable, &dataset.labels, &folder.replicate(&plan.id));
    // Files that cannot be read are that replicate's failure, told when it is shown.
    let Ok(Some(record)) = dir.record() else { return Ok(()) };
    let (true, Ok(Some(stored))) = (record.state == State::Finished, dir.scores()) else { return Ok(()) };
    let lacks = |spec: &&ScoreSpec| {
        let computable = spec.is_observed() && spec.is_in_files(timetable);
        computable && stored.iter().all(|score| score.name != spec.name)
    };
    let missing: Vec<&ScoreSpec> = specs.iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Ok(Some(observations)) = dir.open_observations() else { return Ok(()) };
    let roles = plan.roles(dataset.train, dataset.test());
    let sizes = Sizes { roles, observed: record.observed, classes: dataset.classes(), timetable: *timetable };
    let claim = match dir.claim(lockless)? {
        Claim::Theirs(_) => {
            folder.wait_for_import();
            dir.claim(lockless)?
        }
        ours @ Claim::Ours(_) => ours,
    };
    // Whoever else is at it already, adds them.
    let Claim::Ours(_lock) = claim else { return Ok(()) };
    let mut observers: Vec<_> = missing.iter().map(|spec| spec.observer(&sizes)).collect();
    replay(&mut observers, dir, &observations, timetable.rows_after(record.epochs_done), labels)?;
    let (_, logits) = dir.final_logits()?;
    let added = missing.iter().zip(&mut observers).map(|(spec, observer)| {
        observer.seen(Pass::Logits, record.epochs_done, &logits, labels);
        let (name, conventions) = (spec.name.clone(), spec.conventions(timetable));
        StoredScore { name, values: observer.values(), conventions }
    });
    store(dir, added.collect(), "scores added from the stored observations and final logits")
}

/// Stores scores beside those that a finished replicate has, and says so in its log. One that somebody else stored before the
/// replicate was claimed stays.
///
/// # Errors
/// Stored scores that cannot be read; a file that cannot be written.
pub(super) fn store(dir: &ReplicateDir, added: Vec<StoredScore>, told: &str) -> Result<()> {
    let mut scores = dir.scores()?.unwrap_or_default();
    for score in added {
        if scores.iter().all(|known| known.name != score.name) {
            scores.push(score);
        }
    }
    dir.write_scores(&scores)?;
    dir.log(told)
}

/// Shows observers the predictions at initialisation, where they are stored, and the first stored rows.
///
/// # Errors
/// A file or row that cannot be read.
pub fn replay(
    observers: &mut [Box<dyn Observer>],
    dir: &ReplicateDir,
    rows: &Observations,
    rows_done: u32,
    labels: &[u16],
) -> Result<()> {
    if let Some(predicted) = dir.initial_predicted()? {
        let predicted: Vec<f32> = predicted.into_iter().map(f32::from).collect();
        for observer in observers.iter_mut() {
            observer.seen(Pass::Predictions, 0, &predicted, labels);
        }
    }
    (0..rows_done).try_for_each(|t| {
        let row = rows.row(t as usize)?;
        for observer in observers.iter_mut() {
            observer.observe(t, &row, labels);
        }
        Ok(())
    })
}
