//! The passes that scores ask for beyond what training shows: each is made once, whoever needs it.

use std::time::Instant;

use super::learner::{Images, Learner};
use super::passes;
use super::probes;
use super::replicate::{Life, Run, Stop};
use crate::data::Dataset;
use crate::nn::{Kernels, Objective};
use crate::scores::prediction_depth::Depths;
use crate::scores::{Pass, ScoreSpec, Space, Target};
use crate::store::probes::StoredProbes;
use crate::{Result, data};

/// Makes every pass that a score needs after the epochs done (0: initialisation), and shows it to the scores.
pub(super) fn make<K: Kernels>(run: &mut Run<'_, K>) -> Result<(), Stop> {
    let epoch = run.life.record.epochs_done;
    let wanted = crate::scores::passes(&run.life.context.plan.scores, &run.life.plan.timetable);
    let mut has_neighbours = false;
    for (pass, _) in wanted.into_iter().filter(|(_, epochs)| epochs.contains(&epoch)) {
        let started = Instant::now();
        match pass {
            Pass::Saliency { target, space } => saliency(run, (target, space), epoch)?,
            Pass::Logits => {
                passes::all_logits(run)?;
                let logits = std::mem::take(&mut run.buffers.logits);
                show(run, pass, epoch, &logits);
                run.buffers.logits = logits;
            }
            Pass::Predictions => {
                let predictions = predictions(run)?;
                show(run, pass, epoch, &predictions);
            }
            Pass::WeightNorms => {
                let norms = weight_norms(run)?;
                show(run, pass, epoch, &norms);
            }
            Pass::InputMargins => {
                let margins = input_margins(run)?;
                show(run, pass, epoch, &margins);
            }
            Pass::Embeddings => {
                let embeddings = embeddings(run)?;
                show(run, pass, epoch, &embeddings);
            }
            Pass::Depths { k, leave_one_out } => {
                let depths = depths(run, pass, (k as usize, leave_one_out))?;
                show(run, pass, epoch, &depths);
            }
            Pass::RetrainedLogits => {
                let logits = retrained_logits(run)?;
                show(run, pass, epoch, &logits);
            }
        }
        if matches!(pass, Pass::Embeddings | Pass::Depths { .. }) && !has_neighbours {
            neighbours(run)?;
            has_neighbours = true;
        }
        // What a score costs is a question that users ask.
        run.life.dir.log(&format!(
            "after epoch {epoch}: {}, {:.1} s",
            pass.about(),
            started.elapsed().as_secs_f64()
        ))?;
    }
    Ok(())
}

/// Shows the rows of a pass to the scores that asked for it.
fn show<K: Kernels>(run: &mut Run<'_, K>, pass: Pass, epoch: u32, rows: &[f32]) {
    let (context, timetable) = (run.life.context, &run.life.plan.timetable);
    for (spec, observer) in context.plan.scores.iter().zip(&mut run.observers) {
        if spec.needs(timetable).iter().any(|need| need.pass == pass && need.after.contains(&epoch)) {
            observer.seen(pass, epoch, rows, &context.dataset.labels);
        }
    }
}

/// Goes through all examples in batches; `batch(run, positions)`.
fn batches<K: Kernels>(
    run: &mut Run<'_, K>,
    mut batch: impl FnMut(&mut Run<'_, K>, &[u32]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let at_once = run.life.plan.recipe.batch_size.at_once();
    let positions: Vec<u32> = (0..run.life.context.dataset.len() as u32).collect();
    for positions in positions.chunks(at_once) {
        run.life.obey()?;
        batch(run, positions)?;
    }
    Ok(())
}

/// The class that the network predicts for every example, at initialisation kept in a file of its own.
fn predictions<K: Kernels>(run: &mut Run<'_, K>) -> Result<Vec<f32>, Stop> {
    passes::all_logits(run)?;
    let dataset = &*run.life.context.dataset;
    let record = &mut run.buffers.batch;
    record.clear();
    super::learner::observe_logits(&run.buffers.logits, &dataset.labels, dataset.classes(), record);
    if run.life.record.epochs_done == 0 {
        run.life.dir.write_initial_predicted(&record.predicted)?;
    }
    Ok(record.predicted.iter().map(|class| f32::from(*class)).collect())
}

/// `GraNd`: the norm of each example's gradient of the cross-entropy, whatever training minimises.
fn weight_norms<K: Kernels>(run: &mut Run<'_, K>) -> Result<Vec<f32>, Stop> {
    let mut labels = Vec::new();
    batches(run, |run, positions| {
        run.life.context.dataset.labels_at(positions, &mut labels);
        let images = Images::Of { positions, views: &[] };
        Ok(run.learner.gradient_norms(images, &labels, Objective::CrossEntropy)?)
    })?;
    let mut norms = Vec::with_capacity(run.life.context.dataset.len());
    run.learner.collect(&mut norms)?;
    Ok(norms)
}

/// Folds the saliency maps after an epoch into the moments, and shows the variances that this epoch completes.
fn saliency<K: Kernels>(run: &mut Run<'_, K>, of: (Target, Space), epoch: u32) -> Result<(), Stop> {
    let pass = Pass::Saliency { target: of.0, space: of.1 };
    let (context, timetable) = (run.life.context, run.life.plan.timetable);
    let shape = context.dataset.shape;
    let pixels = shape.height * shape.width;
    run.moments.begin(&context.plan.scores, &timetable, pass, epoch, context.dataset.len() * pixels);
    let (mut labels, mut gradients, mut from) = (Vec::new(), Vec::new(), 0);
    batches(run, |run, positions| {
        context.dataset.labels_at(positions, &mut labels);
        gradients.clear();
        saliency_gradients(&mut run.learner, positions, &labels, of, &mut gradients)?;
        let maps = channel_means(&gradients, shape.channels, pixels);
        run.moments.fold(pass, epoch, from, &maps);
        from += maps.len();
        Ok(())
    })?;
    for (need, variances) in run.moments.end(pass, epoch) {
        for (spec, observer) in context.plan.scores.iter().zip(&mut run.observers) {
            if spec.needs(&timetable).contains(&need) {
                observer.seen(pass, epoch, &variances, &context.dataset.labels);
            }
        }
    }
    Ok(())
}

/// Appends the gradients `[C, H, W]` of each example's output with respect to its image.
fn saliency_gradients<K: Kernels>(
    learner: &mut Learner<K>,
    positions: &[u32],
    labels: &[u16],
    (target, space): (Target, Space),
    gradients: &mut Vec<f32>,
) -> Result<()> {
    use crate::nn::Real;
    let seed = |row: usize, logits: &[K::Real], gradient: &mut [K::Real]| {
        let class = match target {
            Target::Label => labels.get(row).map_or(0, |label| usize::from(*label)),
            Target::Predicted => largest(logits),
        };
        let shares = if space == Space::Probability { softmax(logits) } else { Vec::new() };
        let own = shares.get(class).copied().unwrap_or(1.0);
        // d p[y] / d z[c] = p[y] (1 if c = y, minus p[c]); of the logit itself: 1 at y.
        for (index, gradient) in gradient.iter_mut().enumerate() {
            let at = if index == class { 1.0 } else { 0.0 };
            *gradient = K::Real::from_f64(own * (at - shares.get(index).copied().unwrap_or(0.0)));
        }
    };
    learner.input_gradients(Images::Of { positions, views: &[] }, seed, gradients)
}

/// The place of the largest logit, the lowest of equals.
fn largest<R: crate::nn::Real>(logits: &[R]) -> usize {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if logits.get(best).is_none_or(|most| *logit > *most) {
            best = class;
        }
    }
    best
}

fn softmax<R: crate::nn::Real>(logits: &[R]) -> Vec<f64> {
    let logits: Vec<f64> = logits.iter().map(|logit| f64::from(logit.to_f32())).collect();
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|logit| libm::exp(logit - most)).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The mean over channels of each example's `[channels, pixels]`.
fn channel_means(gradients: &[f32], channels: usize, pixels: usize) -> Vec<f32> {
    let mut maps = Vec::with_capacity(gradients.len() / channels.max(1));
    for example in gradients.chunks_exact((channels * pixels).max(1)) {
        let sum = |pixel: usize| example.iter().skip(pixel).step_by(pixels.max(1)).sum::<f32>();
        maps.extend((0..pixels).map(|pixel| sum(pixel) / channels as f32));
    }
    maps
}

/// The distance of each image from the nearest decision boundary, by the linear approximation: a backward pass for each class but
/// the predicted one.
fn input_margins<K: Kernels>(run: &mut Run<'_, K>) -> Result<Vec<f32>, Stop> {
    let (size, classes) = (run.life.context.dataset.shape.len(), run.life.context.dataset.classes());
    let mut margins = Vec::with_capacity(run.life.context.dataset.len());
    let mut gradients = Vec::new();
    batches(run, |run, positions| {
        let mut nearest = vec![f64::INFINITY; positions.len()];
        for other in 1..classes {
            let mut distances = vec![0.0; positions.len()];
            gradients.clear();
            let images = Images::Of { positions, views: &[] };
            run.learner.input_gradients(images, boundary_to(other, &mut distances), &mut gradients)?;
            let rows = gradients.chunks_exact(size.max(1)).zip(&distances);
            for (nearest, (gradient, distance)) in nearest.iter_mut().zip(rows) {
                let norm = libm::sqrt(gradient.iter().map(|value| f64::from(*value).powi(2)).sum());
                *nearest = nearer(*nearest, *distance, norm);
            }
        }
        margins.extend(nearest.iter().map(|margin| if margin.is_finite() { *margin as f32 } else { f32::NAN }));
        Ok(())
    })?;
    Ok(margins)
}

/// The nearer of the boundaries so far and one more, of which the difference of logits and the norm of its gradient are known.
///
/// A norm of 0 is no boundary. What is no number, or too large for one, stays undefined whatever the other classes give
/// (`f64::min` would forget a NaN, and an infinite norm would pass for a distance of 0).
fn nearer(nearest: f64, difference: f64, norm: f64) -> f64 {
    if norm == 0.0 && difference.is_finite() {
        return nearest;
    }
    let distance = if norm.is_finite() && difference.is_finite() { difference / norm } else { f64::NAN };
    if nearest.is_nan() || distance.is_nan() { f64::NAN } else { nearest.min(distance) }
}

/// Writes the gradient of `z_i - z_j` with respect to the logits, i the predicted class and j the `other`-th class behind it
/// (round the end), and notes the difference itself.
fn boundary_to<R: crate::nn::Real>(other: usize, distances: &mut [f64]) -> impl FnMut(usize, &[R], &mut [R]) {
    move |row, logits, gradient| {
        let own = largest(logits);
        let rival = (own + other) % logits.len().max(1);
        let logit = |class: usize| logits.get(class).map_or(f64::NAN, |logit| f64::from(logit.to_f32()));
        if let Some(distance) = distances.get_mut(row) {
            *distance = (logit(own) - logit(rival)).abs();
        }
        for (class, sign) in [(own, 1.0), (rival, -1.0)] {
            if let Some(gradient) = gradient.get_mut(class) {
                *gradient = R::from_f64(sign);
            }
        }
    }
}

/// The penultimate embeddings of all examples.
fn embeddings<K: Kernels>(run: &mut Run<'_, K>) -> Result<Vec<f32>, Stop> {
    let Run { learner, life, .. } = run;
    let positions: Vec<u32> = (0..life.context.dataset.len() as u32).collect();
    probes::embeddings(learner, &positions, &mut || life.obey())
}

/// The role of every example as files have it.
fn role_numbers<K: Kernels>(run: &Run<'_, K>) -> Vec<u8> {
    run.roles.iter().map(|role| *role as u8).collect()
}

/// What is asked of neighbours: k of each example among those that the replicate trained on.
fn task<'a>(
    life: &Life<'a>,
    references: &'a [u32],
    roles: &'a [u8],
    (k, leave_one_out): (usize, bool),
) -> probes::Task<'a> {
    let dataset = &life.context.dataset;
    probes::Task { references, labels: &dataset.labels, roles, classes: dataset.classes(), k, leave_one_out }
}

/// Who is near whom, to the replicate's files.
fn neighbours<K: Kernels>(run: &mut Run<'_, K>) -> Result<(), Stop> {
    let roles = role_numbers(run);
    let Run { learner, life, trained, .. } = run;
    let task = task(life, trained, &roles, (probes::KEPT, true));
    let nearest = probes::nearest(learner, &task, &mut || life.obey())?;
    Ok(life.dir.write_neighbours(probes::KEPT, &nearest)?)
}

/// The prediction depths of all examples; what the probes say goes to the replicate's files, under the name of the score that asks.
fn depths<K: Kernels>(run: &mut Run<'_, K>, pass: Pass, (k, leave_one_out): (usize, bool)) -> Result<Vec<f32>, Stop> {
    let predicted = predictions(run)?.into_iter().map(|class| class as u16).collect();
    let roles = role_numbers(run);
    let Run { learner, life, trained, .. } = run;
    let task = task(life, trained, &roles, (k, leave_one_out));
    let asks = |spec: &&ScoreSpec| spec.needs(&life.plan.timetable).iter().any(|need| need.pass == pass);
    let score = life.context.plan.scores.iter().find(asks).map(|spec| spec.name.clone()).unwrap_or_default();
    let mut all = StoredProbes { score, k, leave_one_out, ..StoredProbes::default() };
    let mut depths = Depths::new(predicted);
    probes::probe(learner, &task, &mut || life.obey(), &mut |number, probe| {
        depths.ask(number, probe.answers());
        all.add(probe.name, &probe.votes, &probe.predicted, &probe.accuracy);
        Ok::<(), Stop>(())
    })?;
    life.dir.write_probes(&all, task.classes)?;
    let undefined = depths.undefined();
    life.dir.log(&format!("prediction depth is undefined for {undefined} of {} examples", task.labels.len()))?;
    Ok(depths.values())
}

/// The logits of all examples after fine-tuning on the part that is kept for it; the network is as before afterwards.
fn retrained_logits<K: Kernels>(run: &mut Run<'_, K>) -> Result<Vec<f32>, Stop> {
    let context = run.life.context;
    let before = run.learner.state()?;
    let without_momentum =
        super::learner::LearnerState { momentum: vec![0.0; before.momentum.len()], ..before.clone() };
    run.learner.restore(&without_momentum)?;
    fine_tune(run, &context.dataset)?;
    passes::all_logits(run)?;
    run.learner.restore(&before)?;
    Ok(std::mem::take(&mut run.buffers.logits))
}

/// Trains on the part alone: the recipe's batch, momentum, weight decay, loss and augmentation, at the part's own rate.
fn fine_tune<K: Kernels>(run: &mut Run<'_, K>, dataset: &Dataset) -> Result<(), Stop> {
    let Some(retrain) = run.life.context.plan.config.data.retrain else { return Ok(()) };
    let recipe = &run.life.plan.recipe;
    let part = data::roles::retrain_part(dataset.train, run.life.plan.held_out, run.life.plan.key.study_seed);
    let sgd = crate::nn::SgdStep {
        rate: retrain.lr,
        momentum: recipe.optimizer.momentum,
        weight_decay: recipe.optimizer.weight_decay,
    };
    for epoch in 1..=retrain.epochs {
        let mut order = part.clone();
        run.life.plan.key.stream_for("retrain order", epoch, 0).shuffle(&mut order);
        // Views of epochs that training has not drawn.
        let drawn = run.life.plan.timetable.epochs + epoch;
        for batch in order.chunks(recipe.batch_size.of(part.len())) {
            passes::train_batch(run, batch, drawn, sgd)?;
        }
        run.buffers.batch.clear();
        run.learner.take_record(&mut run.buffers.batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp)] // exact by construction
    fn maps_are_means_over_channels_at_each_pixel() {
        let two_examples_of_two_channels = [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0];
        assert_eq!(channel_means(&two_examples_of_two_channels, 2, 2), [2.0, 3.0, 20.0, 30.0]);
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn a_boundary_is_between_the_predicted_class_and_each_other() {
        let mut distances = [0.0];
        let mut rivals = Vec::new();
        for other in 1..3 {
            let mut gradient = [0.0_f64; 3];
            boundary_to(other, &mut distances)(0, &[1.0, 5.0, 2.0], &mut gradient);
            rivals.push((distances[0], gradient));
        }
        assert_eq!(rivals, [(3.0, [0.0, 1.0, -1.0]), (4.0, [-1.0, 1.0, 0.0])]);
    }

    #[test]
    #[allow(clippy::float_cmp)]
    fn the_nearest_boundary_counts_and_what_is_undefined_stays_so_in_every_order() {
        let nearest = |classes: &[(f64, f64)]| {
            classes.iter().fold(f64::INFINITY, |nearest, (difference, norm)| nearer(nearest, *difference, *norm))
        };
        assert_eq!(nearest(&[(3.0, 2.0), (4.0, 4.0), (5.0, 0.0)]), 1.0);
        assert_eq!(nearest(&[(0.0, 0.0), (4.0, 0.0)]), f64::INFINITY);
        for bad in [(3.0, f64::NAN), (f64::NAN, 2.0), (f64::NAN, 0.0), (3.0, f64::INFINITY), (f64::INFINITY, 0.0)] {
            for classes in [[bad, (4.0, 4.0), (5.0, 0.0)], [(4.0, 4.0), bad, (5.0, 0.0)], [(4.0, 4.0), (5.0, 0.0), bad]]
            {
                let found = nearest(&classes);
                assert!(found.is_nan(), "{classes:?}: {found}");
            }
        }
    }
}
