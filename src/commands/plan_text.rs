//! `run --dry-run`: what a study will do, how long it will take and how much disk, before it starts.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Instant;

use super::disk;
use super::launch::{Prepared, planned};
use crate::data::Examples;
use crate::nn::{Kernels, SgdStep};
use crate::scores::{self, Pass, Record, ScoreSpec};
use crate::study::Timetable;
use crate::study::config::{Augment, BatchSize, Loss, Observe, Recipe};
use crate::study::plan::ReplicatePlan;
use crate::study::recipe::FULL_CHUNK;
use crate::train::devices::Work;
use crate::train::learner::{Images, Learner};
use crate::{Error, Result, data};

/// Steps that are timed for the estimate, after one that is not.
const TIMED_STEPS: usize = 3;
/// About so many seconds the steps of one model may take: a large one is timed on smaller batches, whose examples take
/// about the same time each.
const MOST_S: f64 = 3.0;
/// Examples of the steps that tell how large the timed batches may be.
const FEW: usize = 8;

/// The plan in words and numbers, but for its time.
///
/// # Errors
/// A model that cannot be built.
pub fn describe(prepared: &Prepared, jobs: Option<usize>) -> Result<String> {
    let (plan, dataset) = (&prepared.plan, &prepared.dataset);
    let jobs = prepared.devices.jobs(jobs);
    let mut text = format!(
        "{}: {} training and {} test examples of {}x{}x{}, {} classes, from {}\n",
        plan.config.name,
        dataset.train,
        dataset.test(),
        dataset.shape.channels,
        dataset.shape.height,
        dataset.shape.width,
        dataset.classes(),
        dataset.source
    );
    if let Some(note) = Examples::of(dataset).note() {
        let _ = writeln!(text, "  {note}");
    }
    for first in plan.firsts() {
        describe_model(&mut text, prepared, first)?;
    }
    for warning in plan.warnings() {
        let _ = writeln!(text, "  note: {warning}");
    }
    let _ = writeln!(text, "  {}", prepared.devices.describe(jobs));
    let names: Vec<&str> = plan.scores.iter().map(|spec| spec.name.as_str()).collect();
    let _ = writeln!(text, "  scores: {}", names.join(", "));
    let _ = write!(
        text,
        "  {} of disk ({} free), in {}",
        disk::bytes(disk::needed(prepared)?),
        disk::bytes(disk::free(prepared)?),
        prepared.dir.display()
    );
    Ok(text)
}

/// How long it will take, from a few real steps of every model; each is told before it is measured, since that may
/// take some seconds.
///
/// # Errors
/// A device that fails.
pub fn time(prepared: &Prepared, jobs: Option<usize>, tell: impl Fn(&str)) -> Result<String> {
    let plan = &prepared.plan;
    let jobs = prepared.devices.jobs(jobs);
    let (mut total, mut longest, mut each) = (0.0, 0.0_f64, Vec::new());
    let models = plan.firsts().count();
    for (place, first) in plan.firsts().enumerate() {
        let label = &first.id.label;
        tell(&format!("measuring a few steps of {label} ({} of {models})", place + 1));
        let seconds = seconds_of(prepared, first)?;
        total += seconds * replicates_of(prepared, first) as f64;
        longest = longest.max(seconds);
        each.push(format!("{label} {}", duration(seconds)));
    }
    let all = duration(longest.max(total / jobs as f64));
    Ok(format!("  about {all} with {jobs} at once (measured just now); a replicate alone: {}", each.join(", ")))
}

/// Replicates of the same model that are trained here.
fn replicates_of(prepared: &Prepared, first: &ReplicatePlan) -> usize {
    prepared.plan.replicates.iter().filter(|replicate| replicate.id.label == first.id.label).count()
}

fn describe_model(text: &mut String, prepared: &Prepared, first: &ReplicatePlan) -> Result<()> {
    let parameters = planned(&first.model, &prepared.dataset)?.parameter_count();
    let here = replicates_of(prepared, first);
    let plural = if here == 1 { "" } else { "s" };
    let _ = writeln!(
        text,
        "  {}: {here} replicate{plural} of {} ({parameters} parameters), first seed {:016x}",
        first.id.label,
        first.model,
        first.key.seed()
    );
    let _ = writeln!(text, "    {}; {}", course(first, prepared.dataset.train), schedule(&first.recipe));
    let _ = writeln!(text, "    passes: {}", passes(first, &prepared.plan.scores));
    Ok(())
}

/// How long, and on what batches.
fn course(first: &ReplicatePlan, train: usize) -> String {
    let Timetable { epochs, steps, steps_per_epoch, .. } = first.timetable;
    let batch = match first.recipe.batch_size {
        BatchSize::Full if train > FULL_CHUNK => format!("all {train} examples, {FULL_CHUNK} at a time"),
        BatchSize::Full => format!("all {train} examples"),
        BatchSize::Examples(size) => format!("batches of {size}"),
    };
    let loss = match first.recipe.loss {
        Loss::CrossEntropy => "cross-entropy",
        Loss::ZeroHinge => "0-hinge",
    };
    let cut = if first.timetable.steps_in(epochs) < steps_per_epoch { ", the last one cut" } else { "" };
    format!("{steps} steps in {epochs} epochs{cut}, on {batch}, {loss}")
}

/// Learning rate and augmentation.
fn schedule(recipe: &Recipe) -> String {
    let optimizer = &recipe.optimizer;
    let milestones: Vec<String> = optimizer.milestones.iter().map(ToString::to_string).collect();
    let drops = if milestones.is_empty() {
        String::new()
    } else {
        format!(", times {} after {} {}", optimizer.gamma, milestones.join(", "), recipe.length.unit())
    };
    let augment = match recipe.augment {
        Augment { crop: 0, flip: false } => "no augmentation".to_owned(),
        Augment { crop: 0, flip: true } => "flips".to_owned(),
        Augment { crop, flip: false } => format!("crops of {crop}"),
        Augment { crop, flip: true } => format!("crops of {crop} and flips"),
    };
    format!("rate {}{drops}; {augment}", optimizer.lr)
}

/// What is computed besides training.
fn passes(first: &ReplicatePlan, scores: &[ScoreSpec]) -> String {
    let timetable = &first.timetable;
    let looks = timetable.looks_after(timetable.epochs);
    let looks = match first.recipe.observe {
        Observe::Sweep => format!("{looks} sweeps over all examples"),
        Observe::Minibatch => format!("{looks} over the test examples"),
    };
    let every = if timetable.every > 1 { format!(" (every {} epochs)", timetable.every) } else { String::new() };
    let asked: String = scores::passes(scores, timetable).iter().map(|(pass, epochs)| asked(*pass, epochs)).collect();
    format!("{looks}{every}{asked}, final logits")
}

/// A pass that scores ask for, and after which epochs.
fn asked(pass: Pass, epochs: &BTreeSet<u32>) -> String {
    let all: Vec<String> = epochs.iter().map(ToString::to_string).collect();
    let shown = match all.as_slice() {
        [first, second, .., last] if all.len() > 6 => format!("{first}, {second}, ... {last}"),
        _ => all.join(", "),
    };
    format!(", {} after epoch {shown}", pass.about())
}

/// Seconds that one replicate takes alone, from a few real steps.
fn seconds_of(prepared: &Prepared, replicate: &ReplicatePlan) -> Result<f64> {
    let (dataset, timetable) = (&prepared.dataset, &replicate.timetable);
    let (per_trained, per_evaluated) = prepared.devices.try_out(dataset, Estimate { prepared, replicate })?;
    let looked_at = if replicate.recipe.observe == Observe::Sweep { dataset.len() } else { dataset.test() };
    let looks = f64::from(timetable.looks_after(timetable.epochs));
    let trained = replicate.held_out.trained(dataset.train);
    // The final logits are a pass too.
    let (mut forward, mut backward) = (looks * looked_at as f64 + dataset.len() as f64, 0.0);
    for (pass, epochs) in scores::passes(&prepared.plan.scores, timetable) {
        let examples = (epochs.len() * dataset.len()) as f64;
        match pass {
            Pass::Logits | Pass::Predictions | Pass::Embeddings => forward += examples,
            // A forward pass for each block, and products of all with all: told apart only by measuring.
            Pass::Depths { .. } => backward += 4.0 * examples,
            // No more than a training step of the same examples.
            Pass::WeightNorms | Pass::Saliency { .. } => backward += examples,
            Pass::InputMargins => backward += examples * (dataset.classes() - 1) as f64,
            Pass::RetrainedLogits => {
                let epochs = prepared.plan.config.data.retrain.map_or(0, |retrain| retrain.epochs);
                backward += f64::from(epochs) * replicate.held_out.retrain_count(dataset.train) as f64;
                forward += examples;
            }
        }
    }
    Ok((timetable.length() * trained as f64 + backward) * per_trained + forward * per_evaluated)
}

/// A replicate whose time is to be estimated.
struct Estimate<'a> {
    prepared: &'a Prepared,
    replicate: &'a ReplicatePlan,
}

impl Work<(f64, f64)> for Estimate<'_> {
    fn on<K: Kernels>(self, kernels: K) -> Result<(f64, f64)> {
        seconds_per_example(self.prepared, self.replicate, kernels)
    }
}

/// Seconds for an example in training, and in a pass without.
fn seconds_per_example<K: Kernels>(prepared: &Prepared, replicate: &ReplicatePlan, kernels: K) -> Result<(f64, f64)> {
    let (dataset, recipe) = (&prepared.dataset, &replicate.recipe);
    let model = crate::models::parse(&replicate.model).map_err(Error::Usage)?;
    let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes())?;
    learner.initialise(&replicate.key, recipe.norm_init)?;
    let order = data::order(&replicate.key, 1, dataset.train);
    let whole = recipe.batch_size.at_once().min(order.len());
    let (mut labels, mut views, mut seen, mut logits) = (Vec::new(), Vec::new(), Record::default(), Vec::new());
    let sgd = SgdStep { rate: 0.0, momentum: 0.0, weight_decay: 0.0 };
    // Seconds for an example in a few steps on so many of them, after one that is not timed.
    let mut per_example = |learner: &mut Learner<K>, batch: &[u32], steps: usize| {
        dataset.labels_at(batch, &mut labels);
        let mut start = Instant::now();
        for step in 0..=steps {
            if step == 1 {
                start = Instant::now();
            }
            data::draw_views(batch, recipe.augment, &replicate.key, 1, &mut views);
            let images = Images::Of { positions: batch, views: &views };
            learner.train_step(images, &labels, recipe.loss.into(), sgd)?;
            learner.take_record(&mut seen)?;
        }
        Ok::<f64, Error>(start.elapsed().as_secs_f64() / (steps * batch.len()) as f64)
    };
    let few = order.get(..FEW.min(whole)).unwrap_or(&order);
    let roughly = per_example(&mut learner, few, 1)?;
    let batch = order.get(..timed_batch(roughly, whole)).unwrap_or(&order);
    let per_trained = per_example(&mut learner, batch, TIMED_STEPS)?;
    let mut per_evaluated = 0.0;
    for _ in 0..2 {
        let start = Instant::now();
        learner.evaluate(Images::Of { positions: batch, views: &[] })?;
        learner.collect(&mut logits)?;
        per_evaluated = start.elapsed().as_secs_f64() / batch.len() as f64;
    }
    Ok((per_trained, per_evaluated))
}

/// How many examples of a batch can be timed, where one takes about so many seconds.
fn timed_batch(seconds: f64, whole: usize) -> usize {
    let fit = MOST_S / ((TIMED_STEPS + 1) as f64 * seconds);
    (fit as usize).max(FEW).min(whole)
}

/// A duration for people, such as `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min", (whole + 30) / 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_fast_model_is_timed_on_its_whole_batch_and_a_slow_one_on_what_fits() {
        let sizes = [(0.0, 128), (1e-4, 128), (0.01, 128), (5.0, 128), (5.0, 3)];
        assert_eq!(sizes.map(|(seconds, whole)| super::timed_batch(seconds, whole)), [128, 128, 75, 8, 3]);
    }

    #[test]
    fn durations_read_well() {
        let texts = [0.4, 119.0, 150.0, 7_500.0].map(super::duration);
        assert_eq!(texts, ["0 s", "119 s", "3 min", "2 h 05 min"]);
    }
}
