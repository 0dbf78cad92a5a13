//! What a kill may not lose: checkpoints, resuming from one, and the steps of finishing.

use std::collections::HashMap;
use std::time::Instant;

use super::learner::observe_logits;
use super::moments::{self, Moments};
use super::replicate::{Run, Stage, Stop};
use super::{added_scores, passes};
use crate::data::Role;
use crate::nn::Kernels;
use crate::store::Checkpoint;
use crate::store::record::State;
use crate::store::replicate::StoredScore;
use crate::store::tensors::Tensor;
use crate::{Error, Result};

/// Writes a checkpoint: rows first, then the one file that says how many of them count.
pub(super) fn checkpoint<K: Kernels>(run: &mut Run<'_, K>) -> Result<()> {
    if !run.lock.still_owned() {
        return Err(Error::Failed("another process took this replicate over; it goes on there".into()));
    }
    let state = run.learner.state()?;
    let specs = &run.life.context.plan.scores;
    let accumulators = specs.iter().zip(&mut run.observers).flat_map(|(spec, observer)| {
        let named = |(name, values): (&str, &mut Vec<f64>)| (format!("{}/{name}", spec.name), values.clone());
        observer.state().into_iter().map(named).collect::<Vec<_>>()
    });
    let moments = run.moments.store(run.life.dir.path())?;
    let checkpoint = Checkpoint {
        epochs_done: run.life.record.epochs_done,
        weights: state.weights,
        momentum: state.momentum,
        statistics: state.statistics,
        accumulators: accumulators.collect(),
        extra: serde_json::json!({
            "backend_id": run.life.record.backend_id,
            "non_finite": run.life.record.non_finite,
            "seconds": run.life.record.seconds,
            "moments": &moments,
        }),
    };
    run.life.dir.commit(&run.observations, &checkpoint)?;
    moments::sweep(run.life.dir.path(), &moments)?;
    run.life.record.epochs_committed = checkpoint.epochs_done;
    run.life.write_record()?;
    run.committed = Instant::now();
    run.stage(Stage::Checkpoint);
    Ok(())
}

/// Goes back to the last checkpoint, or to the very start where there is none.
pub(super) fn restore<K: Kernels>(run: &mut Run<'_, K>, rows_are_there: bool) -> Result<()> {
    let old = run.life.dir.record()?.unwrap_or_default();
    run.life.record.started = old.started.or(run.life.record.started);
    let Some(checkpoint) = run.life.dir.checkpoint()? else {
        run.life.dir.cut_epochs(0)?;
        return run.life.dir.log("started");
    };
    let looks = run.life.plan.timetable.looks_after(checkpoint.epochs_done) as usize;
    if !rows_are_there || run.life.dir.epochs()?.len() < looks {
        let reason = format!(
            "observations or epochs.jsonl lack some of the {} epochs of the checkpoint; delete the folder to train it again",
            checkpoint.epochs_done
        );
        return Err(Error::file(run.life.dir.path(), reason));
    }
    check_backend(run, &checkpoint)?;
    run.learner.restore(&super::learner::LearnerState {
        weights: checkpoint.weights,
        momentum: checkpoint.momentum,
        statistics: checkpoint.statistics,
    })?;
    let rows = run.life.plan.timetable.rows_after(checkpoint.epochs_done);
    restore_scores(run, rows, checkpoint.accumulators)?;
    let (specs, said) = (&run.life.context.plan.scores, &checkpoint.extra["moments"]);
    run.moments = Moments::restore(run.life.dir.path(), said, specs, &run.life.plan.timetable)?;
    run.life.record.epochs_done = checkpoint.epochs_done;
    run.life.record.epochs_committed = checkpoint.epochs_done;
    run.life.record.non_finite = checkpoint.extra["non_finite"].as_bool().unwrap_or(false);
    run.life.record.seconds = checkpoint.extra["seconds"].as_f64().unwrap_or(0.0);
    run.life.dir.cut_epochs(checkpoint.epochs_done)?;
    run.life.record.test_accuracy = run.life.dir.epochs()?.last().map(|line| line.test_accuracy);
    run.life.dir.log(&format!("resumed at epoch {}", checkpoint.epochs_done))
}

/// Gives the observers back their accumulators; a score that the checkpoint does not know is replayed from stored rows.
fn restore_scores<K: Kernels>(run: &mut Run<'_, K>, rows: u32, saved: Vec<(String, Vec<f64>)>) -> Result<()> {
    let mut saved: HashMap<String, Vec<f64>> = saved.into_iter().collect();
    let specs = run.life.context.plan.scores.iter().zip(&mut run.observers);
    for (spec, observer) in specs.filter(|(spec, _)| spec.is_observed()) {
        if !saved.keys().any(|key| key.rsplit_once('/').is_some_and(|(name, _)| name == spec.name)) {
            let labels = &run.life.context.dataset.labels;
            added_scores::replay(std::slice::from_mut(observer), &run.life.dir, &run.observations, rows, labels)?;
            continue;
        }
        for (name, values) in observer.state() {
            let key = format!("{}/{name}", spec.name);
            let found = saved.remove(&key).filter(|found| found.len() == values.len());
            *values = found.ok_or_else(|| {
                Error::file(run.life.dir.checkpoint_path(), format!("has no {key} of the right length"))
            })?;
        }
    }
    Ok(())
}

/// Other arithmetic gives other bits: that is refused unless forced, and then recorded.
fn check_backend<K: Kernels>(run: &Run<'_, K>, checkpoint: &Checkpoint) -> Result<()> {
    let then = checkpoint.extra["backend_id"].as_str().unwrap_or("an unknown backend");
    let now = &run.life.record.backend_id;
    if then == now {
        return Ok(());
    }
    if !run.life.context.force {
        return Err(Error::Failed(format!(
            "its checkpoint was made by {then}, this is {now}: the results would not be bit-identical; --force goes on"
        )));
    }
    run.life.dir.log(&format!("backend changed from {then} to {now} at epoch {}", checkpoint.epochs_done))
}

/// Writes the results. A kill between any two steps is harmless: the last checkpoint stands until all is written.
pub(super) fn finish<K: Kernels>(run: &mut Run<'_, K>) -> Result<(), Stop> {
    passes::all_logits(run)?;
    let dataset = &*run.life.context.dataset;
    let classes = dataset.classes();
    run.life.dir.write_final_logits(classes, &run.buffers.logits)?;
    run.stage(Stage::FinalLogits);
    let specs = run.life.context.plan.scores.iter().zip(&run.observers).filter(|(spec, _)| spec.is_observed());
    let scores = specs.map(|(spec, observer)| StoredScore {
        name: spec.name.clone(),
        values: observer.values(),
        conventions: spec.conventions(&run.life.plan.timetable),
    });
    run.life.dir.write_scores(&scores.collect::<Vec<_>>())?;
    run.stage(Stage::Scores);
    write_weights(run)?;
    run.stage(Stage::Weights);
    run.life.dir.finish_observations()?;
    run.stage(Stage::Observations);
    run.buffers.batch.clear();
    let dataset = &*run.life.context.dataset;
    observe_logits(&run.buffers.logits, &dataset.labels, dataset.classes(), &mut run.buffers.batch);
    run.life.record.non_finite |= !run.buffers.batch.is_finite();
    run.set_scores(run.buffers.batch.predicted.clone(), None);
    run.life.record.train_accuracy = passes::final_accuracy(run, Role::Train);
    run.life.record.val_accuracy = passes::final_accuracy(run, Role::Val);
    run.life.record.test_accuracy = passes::final_accuracy(run, Role::Test);
    run.life.record.finished = Some(crate::store::now());
    run.life.dir.log("finished")?;
    let reason = run.life.record.non_finite.then(|| "a loss was not finite; left out of all means".to_owned());
    run.life.announce(State::Finished, reason)?;
    run.stage(Stage::Finished);
    Ok(run.life.dir.delete_checkpoint()?)
}

/// Weights and norm statistics by PyTorch's names, and their digest for the record.
fn write_weights<K: Kernels>(run: &mut Run<'_, K>) -> Result<()> {
    let state = run.learner.state()?;
    run.life.record.weights_digest = Some(state.digest());
    let layout = run.learner.layout();
    let arenas = [(&layout.parameters, &state.weights), (&layout.statistics, &state.statistics)];
    let named = arenas.into_iter().flat_map(|(table, arena)| {
        table.iter().filter_map(|entry| {
            let values = arena.get(entry.place.range())?;
            Some((entry.name.clone(), Tensor::new(&entry.shape, values)))
        })
    });
    run.life.dir.write_weights(&named.collect())
}
