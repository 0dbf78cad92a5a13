//! A score was added to a study that is under way: what can still be computed, and what cannot any more?
//!
//! Scores of observations come from the stored rows (entropy is kept as f16 there, so `entropy` agrees to 1e-3 with a
//! score that was there from the start; the others to 1e-5 or exactly). Logits of the last epoch are stored; those of earlier epochs are gone.

use crate::scores::{Need, Observer, ScoreSpec};
use crate::store::StudyFolder;
use crate::store::observations::Observations;
use crate::store::record::{ReplicateRecord, State};
use crate::store::replicate::StoredScore;
use crate::study::Plan;
use crate::study::plan::ReplicatePlan;
use crate::{Error, Result};

/// Refuses scores that replicates of the study can no longer give.
///
/// # Errors
/// `Error::Usage` with every such score and replicate.
pub fn check(folder: &StudyFolder, plan: &Plan) -> Result<()> {
    let old = Plan::new(&folder.record().config)?;
    let known = |spec: &&ScoreSpec| old.scores.iter().all(|known| known.name != spec.name);
    let added: Vec<&ScoreSpec> = plan.scores.iter().filter(known).collect();
    let mut lines = Vec::new();
    for replicate in &plan.replicates {
        let Some(record) = folder.replicate(&replicate.id).record()? else { continue };
        for spec in &added {
            let gone = spec.needs().into_iter().flat_map(|need| gone(&need, replicate, &record)).next();
            lines.extend(
                gone.map(|epoch| format!("{}: `{}` needs logits after epoch {epoch}", replicate.id, spec.name)),
            );
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    let advice = "these scores were added too late, what they need is gone; leave them out or use another --dir";
    Err(Error::Usage(format!("{}: {advice}\n  {}", folder.path().display(), lines.join("\n  "))))
}

/// Epochs whose logits are wanted, were passed, and are not stored.
fn gone(need: &Need, plan: &ReplicatePlan, record: &ReplicateRecord) -> Vec<u32> {
    let Need::LogitsAt(epochs) = need else { return Vec::new() };
    let stored = |epoch: u32| record.state == State::Finished && epoch == plan.recipe.epochs;
    let passed = |epoch: &u32| *epoch <= record.epochs_done && !stored(*epoch);
    let started = record.epochs_done > 0;
    epochs.iter().copied().filter(|epoch| started && passed(epoch)).collect()
}

/// Computes the scores that finished replicates do not have yet, and stores them beside the others.
///
/// # Errors
/// A file that cannot be read or written.
pub fn fill(folder: &StudyFolder, plan: &Plan, labels: &[u16], classes: usize) -> Result<()> {
    for replicate in &plan.replicates {
        let dir = folder.replicate(&replicate.id);
        let Some(record) = dir.record()?.filter(|record| record.state == State::Finished) else { continue };
        let mut stored = dir.scores()?.unwrap_or_default();
        let lacks = |spec: &&ScoreSpec| stored.iter().all(|score| score.name != spec.name);
        let missing: Vec<&ScoreSpec> = plan.scores.iter().filter(lacks).collect();
        if missing.is_empty() {
            continue;
        }
        let Some(observations) = dir.open_observations()? else { continue };
        for spec in missing {
            let mut observer = spec.observer(labels.len(), record.observed, classes, record.epochs);
            replay(observer.as_mut(), &observations, record.epochs_done, labels)?;
            observer.logits(record.epochs_done, &dir.final_logits()?.1, labels);
            let (name, conventions) = (spec.name.clone(), spec.conventions());
            stored.push(StoredScore { name, values: observer.values(), conventions });
        }
        dir.write_scores(&stored)?;
        dir.log("scores added from the stored observations and final logits")?;
    }
    Ok(())
}

/// Shows an observer the stored rows of the epochs done.
///
/// # Errors
/// A row that cannot be read.
pub fn replay(observer: &mut dyn Observer, rows: &Observations, epochs_done: u32, labels: &[u16]) -> Result<()> {
    (0..epochs_done).try_for_each(|t| {
        observer.observe(t, &rows.row(t as usize)?, labels);
        Ok(())
    })
}
