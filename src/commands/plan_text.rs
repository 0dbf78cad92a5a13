//! `run --dry-run`: what a study will do, how long it will take and how much disk, before it starts.

use std::fmt::Write;
use std::time::Instant;

use super::disk;
use super::launch::{Prepared, planned};
use crate::nn::{Kernels, Objective, SgdStep};
use crate::scores::{Record, logit_epochs};
use crate::study::config::{ModelConfig, Observe};
use crate::study::plan::ReplicatePlan;
use crate::train::devices::Work;
use crate::train::learner::{Images, Learner};
use crate::{Error, Result, data};

/// Steps that are timed for the estimate, after one that is not.
const TIMED_STEPS: usize = 3;

/// The plan in words and numbers.
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
    let (mut total, mut longest) = (0.0, 0.0_f64);
    for model in &plan.config.models {
        let Some(first) = plan.replicates.iter().find(|replicate| replicate.id.label == model.label()) else {
            continue;
        };
        let seconds = prepared.devices.try_out(dataset, Estimate { prepared, replicate: first })?;
        let here = plan.replicates.iter().filter(|replicate| replicate.id.label == model.label()).count();
        total += seconds * here as f64;
        longest = longest.max(seconds);
        line_of(&mut text, prepared, (model, here), first, seconds)?;
    }
    for warning in plan.warnings() {
        let _ = writeln!(text, "  note: {warning}");
    }
    let _ = writeln!(text, "  {}", prepared.devices.describe(jobs));
    let names: Vec<&str> = plan.scores.iter().map(|spec| spec.name.as_str()).collect();
    let _ = writeln!(text, "  scores: {}", names.join(", "));
    let _ = write!(
        text,
        "  about {} with {jobs} at once (measured just now), {} of disk ({} free), in {}",
        duration(longest.max(total / jobs as f64)),
        disk::bytes(disk::needed(prepared)?),
        disk::bytes(disk::free(prepared)?),
        prepared.dir.display()
    );
    Ok(text)
}

fn line_of(
    text: &mut String,
    prepared: &Prepared,
    (model, here): (&ModelConfig, usize),
    first: &ReplicatePlan,
    seconds: f64,
) -> Result<()> {
    let parameters = planned(&model.name, &prepared.dataset)?.parameter_count();
    let _ = writeln!(
        text,
        "  {}: {here} replicate{} of {} ({parameters} parameters), {} epochs, batch {}, first seed {:016x}, {} each",
        model.label(),
        if here == 1 { "" } else { "s" },
        model.name,
        first.recipe.epochs,
        first.recipe.batch_size,
        first.key.seed(),
        duration(seconds)
    );
    Ok(())
}

/// A replicate whose time is to be estimated.
struct Estimate<'a> {
    prepared: &'a Prepared,
    replicate: &'a ReplicatePlan,
}

impl Work<f64> for Estimate<'_> {
    fn on<K: Kernels>(self, kernels: K) -> Result<f64> {
        seconds_of(self.prepared, self.replicate, kernels)
    }
}

/// Seconds that one replicate takes alone, from a few real steps.
fn seconds_of<K: Kernels>(prepared: &Prepared, replicate: &ReplicatePlan, kernels: K) -> Result<f64> {
    let dataset = &prepared.dataset;
    let model = crate::models::parse(&replicate.model).map_err(Error::Usage)?;
    let mut learner = Learner::new(kernels, &model, dataset.shape, dataset.classes())?;
    learner.initialise(&replicate.key, replicate.recipe.norm_init)?;
    let order = crate::data::order(&replicate.key, 1, dataset.train);
    let batch = order.get(..replicate.recipe.batch_size.min(order.len())).unwrap_or(&order);
    let labels: Vec<u16> = batch.iter().filter_map(|place| dataset.labels.get(*place as usize).copied()).collect();
    let (mut views, mut seen, mut logits) = (Vec::new(), Record::default(), Vec::new());
    let sgd = SgdStep { rate: 0.0, momentum: 0.0, weight_decay: 0.0 };
    let (mut training, mut evaluating) = (Instant::now(), 0.0);
    for step in 0..=TIMED_STEPS {
        if step == 1 {
            training = Instant::now();
        }
        data::draw_views(batch, replicate.recipe.augment, &replicate.key, 1, &mut views);
        let images = Images::Of { positions: batch, views: &views };
        learner.train_step(images, &labels, Objective::CrossEntropy, sgd)?;
        learner.take_record(&mut seen)?;
    }
    let per_trained = training.elapsed().as_secs_f64() / (TIMED_STEPS * batch.len()) as f64;
    for _ in 0..2 {
        let start = Instant::now();
        learner.evaluate(Images::Of { positions: batch, views: &[] })?;
        learner.collect(&mut logits)?;
        evaluating = start.elapsed().as_secs_f64() / batch.len() as f64;
    }
    let epochs = f64::from(replicate.recipe.epochs);
    let observed = if replicate.recipe.observe == Observe::Sweep { dataset.len() } else { dataset.test() };
    // The final logits are a pass too.
    let asked = logit_epochs(&prepared.plan.scores, replicate.recipe.epochs).len() + 1;
    let evaluated = epochs * observed as f64 + (asked * dataset.len()) as f64;
    Ok(epochs * dataset.train as f64 * per_trained + evaluated * evaluating)
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
    fn durations_read_well() {
        let texts = [0.4, 119.0, 150.0, 7_500.0].map(super::duration);
        assert_eq!(texts, ["0 s", "119 s", "3 min", "2 h 05 min"]);
    }
}
