//! The passes over the data that an epoch is made of: training steps, sweeps, the test examples.

use std::ops::Range;

use super::learner::{Images, observe_logits};
use super::replicate::{Run, Stage, Stop};
use crate::Result;
use crate::data::{self, Role, View};
use crate::nn::{Kernels, Objective, SgdStep};
use crate::scores::Record;
use crate::study::config::{BatchSize, Observe, Optimizer, Recipe};

/// Vectors that every pass uses again, so that a step allocates nothing.
#[derive(Debug, Default)]
pub struct Buffers {
    views: Vec<View>,
    labels: Vec<u16>,
    positions: Vec<u32>,
    /// Observations not yet entered, or of the last pass.
    pub batch: Record,
    /// Logits of the last pass over plain examples, `[examples, classes]`.
    pub logits: Vec<f32>,
    /// The epoch's observations.
    pub epoch: Record,
}

/// Loss and correctness, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    loss: f64,
    right: usize,
    seen: usize,
}

impl Totals {
    /// Mean loss.
    pub fn loss(&self) -> f64 {
        self.loss / self.seen as f64
    }

    /// Share right.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.seen.max(1) as f64
    }

    /// Of a range of positions, from a record that starts at position `first`.
    fn of(record: &Record, labels: &[u16], first: usize, range: Range<usize>) -> Self {
        let mut totals = Self::default();
        let here = range.start - first..range.end - first;
        let (loss, predicted) = (record.loss.get(here.clone()), record.predicted.get(here));
        totals.add(loss.unwrap_or(&[]), predicted.unwrap_or(&[]), labels.get(range).unwrap_or(&[]));
        totals
    }

    /// Adds a batch.
    pub fn add(&mut self, loss: &[f32], predicted: &[u16], labels: &[u16]) {
        self.loss += loss.iter().map(|loss| f64::from(*loss)).sum::<f64>();
        self.right += predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
        self.seen += loss.len();
    }
}

/// Trains one epoch (from 1), every training example once: in keyed order, or as they lie where the batch is full. A
/// last epoch may be cut.
pub(super) fn train_epoch<K: Kernels>(run: &mut Run<'_, K>, epoch: u32) -> Result<Totals, Stop> {
    let dataset = &*run.life.context.dataset;
    let recipe = &run.life.plan.recipe;
    let mut order = run.trained.clone();
    if recipe.batch_size != BatchSize::Full {
        let drawn = data::order(&run.life.plan.key, epoch, order.len());
        order = drawn.into_iter().filter_map(|place| run.trained.get(place as usize).copied()).collect();
    }
    let mut totals = Totals::default();
    run.buffers.epoch.resize(dataset.train);
    run.life.pulse.restart();
    let (steps, before) = (run.life.plan.timetable.steps_in(epoch), run.life.plan.timetable.steps_before(epoch));
    let mut entered = 0;
    for (step, batch) in order.chunks(recipe.batch_size.of(order.len())).take(steps).enumerate() {
        train_batch(run, batch, epoch, sgd_of(recipe, epoch, before + step as u64 + 1))?;
        run.life.record.step = step + 1;
        run.life.pulse.step();
        let tells = run.life.pulse.tell();
        // A device that would have to wait is asked for its observations at the epoch's end alone.
        if step + 1 == steps || (tells && !run.learner.waits_for_record()) {
            entered += enter(run, order.get(entered..).unwrap_or(&[]), &mut totals)?;
        }
        if tells {
            tell(run, &totals);
        }
        run.stage(Stage::Step);
    }
    Ok(totals)
}

/// What a step takes from the recipe.
fn sgd_of(recipe: &Recipe, epoch: u32, step: u64) -> SgdStep {
    let Optimizer { momentum, weight_decay, .. } = recipe.optimizer;
    SgdStep { rate: recipe.rate(epoch, step), momentum, weight_decay }
}

/// One step, on a batch that goes through the network at once or, a full one, in parts.
pub(super) fn train_batch<K: Kernels>(
    run: &mut Run<'_, K>,
    batch: &[u32],
    epoch: u32,
    sgd: SgdStep,
) -> Result<(), Stop> {
    let recipe = &run.life.plan.recipe;
    let (at_once, objective) = (recipe.batch_size.at_once(), Objective::from(recipe.loss));
    for part in batch.chunks(at_once) {
        run.life.obey()?;
        let Buffers { views, labels, .. } = &mut run.buffers;
        data::draw_views(part, recipe.augment, &run.life.plan.key, epoch, views);
        run.life.context.dataset.labels_at(part, labels);
        let images = Images::Of { positions: part, views };
        if part.len() == batch.len() {
            run.learner.train_step(images, labels, objective, sgd)?;
        } else {
            run.learner.train_part(images, labels, objective, batch.len())?;
        }
    }
    if batch.len() > at_once {
        run.learner.step_by_parts(sgd)?;
    }
    Ok(())
}

/// Enters the observations that steps made since the last time, of the examples `next` in the epoch's order; how many.
fn enter<K: Kernels>(run: &mut Run<'_, K>, next: &[u32], totals: &mut Totals) -> Result<usize, Stop> {
    let Buffers { batch, epoch, labels, .. } = &mut run.buffers;
    batch.clear();
    run.learner.take_record(batch)?;
    let here = next.get(..batch.loss.len()).unwrap_or(next);
    epoch.scatter(here, batch);
    run.life.context.dataset.labels_at(here, labels);
    totals.add(&batch.loss, &batch.predicted, labels);
    run.life.record.non_finite |= !batch.is_finite();
    Ok(here.len())
}

/// Puts the step on the board.
fn tell<K: Kernels>(run: &mut Run<'_, K>, totals: &Totals) {
    run.life.record.examples_per_s = run.life.pulse.examples_per_s();
    let record = &run.life.record;
    run.life.context.board.update(&run.life.plan.id, |view| {
        view.progress.follow(record);
        view.progress.seconds = record.seconds;
        if totals.seen > 0 {
            view.progress.train_loss = Some(totals.loss());
            view.progress.train_accuracy = Some(totals.accuracy());
        }
    });
}

/// The passes at an epoch's end: a sweep where observations come from sweeps, else the test examples alone.
/// Gives loss and accuracy on the test examples.
pub(super) fn evaluate_epoch<K: Kernels>(run: &mut Run<'_, K>) -> Result<Totals, Stop> {
    let dataset = &*run.life.context.dataset;
    let sweeps = run.life.plan.recipe.observe == Observe::Sweep;
    let first = if sweeps { 0 } else { dataset.train };
    logits_from(run, first)?;
    let Buffers { logits, batch, epoch, .. } = &mut run.buffers;
    let record = if sweeps { epoch } else { batch };
    record.clear();
    observe_logits(logits, dataset.labels.get(first..).unwrap_or(&[]), dataset.classes(), record);
    Ok(Totals::of(record, &dataset.labels, first, dataset.train..dataset.len()))
}

/// Accuracy of the last pass over all examples, on those of a role; none where there are none.
pub(super) fn final_accuracy<K: Kernels>(run: &Run<'_, K>, role: Role) -> Option<f64> {
    let rows = run.buffers.batch.predicted.iter().zip(&run.life.context.dataset.labels).zip(&*run.roles);
    let of_role = rows.filter(|(_, own)| **own == role).map(|((predicted, label), _)| usize::from(predicted == label));
    let (right, seen) = of_role.fold((0, 0), |(right, seen), one| (right + one, seen + 1_usize));
    (seen > 0).then(|| right as f64 / seen as f64)
}

/// Eval-mode logits of all plain examples, into the buffers.
pub(super) fn all_logits<K: Kernels>(run: &mut Run<'_, K>) -> Result<(), Stop> {
    logits_from(run, 0)
}

/// Eval-mode logits of the plain examples from a position on.
fn logits_from<K: Kernels>(run: &mut Run<'_, K>, first: usize) -> Result<(), Stop> {
    run.buffers.logits.clear();
    let at_once = run.life.plan.recipe.batch_size.at_once();
    for start in (first..run.life.context.dataset.len()).step_by(at_once) {
        run.life.obey()?;
        let end = (start + at_once).min(run.life.context.dataset.len());
        let positions = &mut run.buffers.positions;
        positions.clear();
        positions.extend(start as u32..end as u32);
        run.learner.evaluate(Images::Of { positions, views: &[] })?;
    }
    Ok(run.learner.collect(&mut run.buffers.logits)?)
}
